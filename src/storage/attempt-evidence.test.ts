import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readAttemptEvidence } from "./attempt-evidence.ts";

const ID = "mvp2-alice-sft-20260801-120000-abcd--a01";
let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "evidence-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function makeJob(user: string): string {
  const control = join(root, "users", user, "jobs", ID, "control");
  mkdirSync(control, { recursive: true });
  return control;
}

test("an attempt is found by its directory alone, whoever owns it, with the intervals of its attempt.json", () => {
  expect(readAttemptEvidence(root, ID, null)).toBeNull();
  makeJob("bob-2");
  mkdirSync(join(root, "users", "alice", "jobs"), { recursive: true });
  writeFileSync(join(root, "users", ".probe-host"), "");
  const found = readAttemptEvidence(root, ID, null);
  expect(found).toMatchObject({ userId: "bob-2", times: { graceMs: 20_000, selfFenceMs: 180_000 } });
  const record = { schema: 1, grace_s: 7, self_fence_s: 3 };
  writeFileSync(join(root, "users", "bob-2", "jobs", ID, "control", "attempt.json"), JSON.stringify(record));
  expect(readAttemptEvidence(root, ID, "bob-2")?.times).toEqual({ graceMs: 7_000, selfFenceMs: 3_000 });
  expect(readAttemptEvidence(root, ID, "alice")).toBeNull();
});

test("an id that is none, and a directory that is a link, give no evidence and hide none", () => {
  makeJob("alice");
  expect(readAttemptEvidence(root, "../../etc", null)).toBeNull();
  symlinkSync(join(root, "users", "alice"), join(root, "users", "aaa"));
  expect(readAttemptEvidence(root, ID, "aaa")).toBeNull();
  expect(readAttemptEvidence(root, ID, null)?.userId).toBe("alice");
});
