/** Logs of failures that were provoked with real verl 0.9.1 on a CPU (test/fixtures/failures: paths rewritten, nothing left out). */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Label } from "../../src/domain/diagnosis/labels.ts";
import { classify } from "../../src/domain/failure.ts";

const FOLDER = join(import.meta.dirname, "../fixtures/failures");
const EXPECTED: { readonly [file: string]: Label } = {
  "disk-full.txt": "disk_full",
  "missing-column.txt": "dataset_schema",
  "missing-tokenizer.txt": "config_invalid_value",
};

it("each log that is kept has its label", () => {
  expect(readdirSync(FOLDER).toSorted()).toEqual(Object.keys(EXPECTED).toSorted());
});

it.each(Object.entries(EXPECTED))("%s is closed as %s, and not tried again", (file, label) => {
  const times = { startedAt: "2026-01-02T03:04:05.000Z", endedAt: "2026-01-02T03:05:05.000Z" };
  const result = {
    nonce: "n",
    outcome: "exited",
    exitCode: 1,
    signal: null,
    stopWhy: null,
    oomKill: false,
    error: null,
    ...times,
  } as const;
  const logTail = readFileSync(join(FOLDER, file), "utf8");
  expect(classify({ result, logTail, ray: { kind: "absent" }, headLost: false, stalled: false })).toMatchObject({
    label,
    retryable: false,
  });
});
