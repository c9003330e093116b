import { expect, it } from "vitest";
import { sampleAttempt } from "../../test/support/sample-task.ts";
import { diagnose } from "../domain/diagnosis/diagnose.ts";
import { knownDiagnoses } from "./known-diagnoses.ts";

it("the log of an ended attempt is read once, of one that runs each time, and after a failure again", async () => {
  let looks = 0;
  let isBroken = true;
  const diagnosisOf = knownDiagnoses({
    diagnose: () => {
      looks += 1;
      return isBroken ? Promise.reject(new Error("the mount hangs")) : Promise.resolve(diagnose({ log: [], rayMessage: "" }));
    },
  });
  const ended = sampleAttempt({ submissionId: "ended--a01", endedAt: 5 });
  await expect(diagnosisOf(ended)).rejects.toThrow("hangs");
  isBroken = false;
  await Promise.all([diagnosisOf(ended), diagnosisOf(ended)]);
  await diagnosisOf(ended);
  expect(looks).toBe(2);
  const running = sampleAttempt({ submissionId: "running--a01", endedAt: null });
  await diagnosisOf(running);
  await diagnosisOf(running);
  expect(looks).toBe(4);
});
