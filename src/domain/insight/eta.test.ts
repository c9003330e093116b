import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { calibrate, simulatedRuns } from "../../../test/support/eta-calibration.ts";
import { stepsLeft } from "./eta.ts";

const recorded = JSON.parse(readFileSync(join(import.meta.dirname, "../../../test/fixtures/step-times.json"), "utf8")) as {
  readonly step_seconds: readonly number[];
}[];

it.each([
  ["recorded runs of real verl", recorded.map((run) => run.step_seconds)],
  ["made-up runs with noise, drift, validation and a busy machine", simulatedRuns(150, 7)],
])("the range of %s holds the truth in 75 to 90 of 100 cases, and is narrow", (_, runs) => {
  const { told, covered, medianWidth } = calibrate(runs);
  expect(told).toBeGreaterThan(50);
  expect(covered).toBeGreaterThanOrEqual(0.75);
  expect(covered).toBeLessThanOrEqual(0.9);
  expect(medianWidth).toBeLessThanOrEqual(0.3);
});

it("nothing is told of one step, nothing is left after the last, and a step that takes too long does not end the run", () => {
  expect(stepsLeft([10], 5, 0)).toBeNull();
  expect(stepsLeft([10, 10], 0, 0)).toEqual({ lowMs: 0, highMs: 0 });
  const steady = stepsLeft([10, 10, 10, 10], 5, 0);
  const late = stepsLeft([10, 10, 10, 10], 5, 500_000);
  expect(steady?.lowMs).toBeLessThan(50_000);
  expect(steady?.highMs).toBeGreaterThan(50_000);
  expect(late?.lowMs).toBeGreaterThan(25_000);
  expect(late?.highMs).toBeGreaterThan(late?.lowMs ?? 0);
});
