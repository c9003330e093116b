import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { storageInProcess } from "./storage-client.ts";

const submissionId = "mvp2-alice-sft-20260101-000000-deadbeef--a01";
const at = "2026-08-01T12:00:00.123Z";
const NAME = "stacks-20260801T120000Z-w1.txt";

let root = "";
let job = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "verlpool-stacks-"));
  job = join(root, "users/alice/jobs", submissionId);
  for (const name of ["control", "debug"]) mkdirSync(join(job, name), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const call: ReturnType<typeof storageInProcess>["call"] = (name, args) =>
  storageInProcess({ sharedRoot: root, allowedSymlinkTargets: [] }).call(name, args);
const request = (node = "w1", userId: string | null = null) => call("readStackRequest", { submissionId, userId, node });
const keep = (text: string) => call("keepStacks", { userId: "alice", submissionId, node: "w1", at, text, tag: "t" });

it("a request is seen by each node until that one has answered it, and a later one asks anew", async () => {
  expect(await request()).toBeNull();
  await call("askStacks", { userId: "alice", submissionId, at, tag: "t" });
  expect(await request()).toEqual({ userId: "alice", at, isDone: false });
  await keep("here");
  expect(readdirSync(join(job, "debug"))).toEqual([NAME]);
  expect(readFileSync(join(job, "debug", NAME), "utf8")).toBe("here");
  expect(await request("w1", "alice")).toMatchObject({ isDone: true });
  expect(await request("w2")).toMatchObject({ isDone: false });
  await call("askStacks", { userId: "alice", submissionId, at: "2026-08-01T12:00:01.000Z", tag: "t" });
  expect(await request()).toMatchObject({ isDone: false });
});

it("what a job writes there leads nowhere", async () => {
  for (const text of ["{", '{"schema":1,"at":"../../x"}', '{"schema":2,"at":"2026-08-01T12:00:00.123Z"}', "[]"]) {
    writeFileSync(join(job, "control/stacks"), text);
    expect(await request()).toBeNull();
  }
  const outside = join(root, "outside");
  writeFileSync(outside, "mine");
  symlinkSync(outside, join(job, "debug", NAME));
  await keep("here");
  expect(readFileSync(outside, "utf8")).toBe("mine");
  rmSync(join(job, "debug"), { recursive: true });
  symlinkSync(root, join(job, "debug"));
  await expect(keep("here")).rejects.toThrow(/is a link/);
});
