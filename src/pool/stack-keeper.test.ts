import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { startTicksOf } from "./process-record.ts";
import { createStackKeeper } from "./stack-keeper.ts";
import { POOL_TAG } from "./tagged-processes.ts";

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const never = new AbortController().signal;
const ATTEMPT = "mvp2-alice-sft-20260801-120000-57ac5000--a01";
const AT = "2026-08-01T12:00:00.000Z";

const cleanups: (() => unknown)[] = [];
let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "verlpool-stacks-"));
  cleanups.push(() => rmSync(dir, { recursive: true }));
});
afterEach(() => cleanups.splice(0).forEach((cleanup) => cleanup()));

function start(tag: string, attempt = ATTEMPT): number {
  const child = spawn("/bin/sleep", ["60"], { env: { VERLPOOL_ATTEMPT: attempt, [POOL_TAG]: tag }, stdio: "ignore", detached: true });
  cleanups.push(() => child.kill("SIGKILL"));
  return child.pid ?? 0;
}

function keeper(asked: ReadonlySet<string>) {
  const kept: { userId: string; submissionId: string; at: string; text: string }[] = [];
  const storage = {
    request: async (submissionId: string) =>
      asked.has(submissionId) ? { userId: "alice", at: AT, isDone: kept.some((one) => one.submissionId === submissionId) } : null,
    keep: async (userId: string, submissionId: string, at: string, text: string) => void kept.push({ userId, submissionId, at, text }),
  };
  const python = () => Promise.resolve(join(dir, "python3"));
  return { kept, ...createStackKeeper({ tag: "57ac", storage, python, path: "/usr/bin:/bin", clock: manualClock(0), log: quiet }) };
}

function pySpy(script: string): void {
  writeFileSync(join(dir, "py-spy"), `#!/bin/sh\n${script}\n`);
  chmodSync(join(dir, "py-spy"), 0o755);
}

test("stacks that were asked for are collected once, of the processes of that attempt on this node, which go on", async () => {
  pySpy('echo "Thread of $*"; test $1 = dump');
  const [mine, second] = [start("57ac/inc"), start("57ac")];
  const others = [start("0000/inc"), start("57ac", ATTEMPT.replace("57ac5000", "57ac5001"))];
  const { kept, look } = keeper(new Set([ATTEMPT]));
  await look(never);
  await look(never);
  expect(kept.map(({ text: _, ...one }) => one)).toEqual([{ userId: "alice", submissionId: ATTEMPT, at: AT }]);
  const text = kept[0]?.text ?? "";
  for (const pid of [mine, second]) {
    expect(text).toContain(`==== process ${pid}: /bin/sleep 60\nThread of dump --nonblocking --pid ${pid}\n`);
    expect(text).toMatch(new RegExp(`thread ${pid} \\w+: [RSD] \\(`));
    expect(startTicksOf(pid)).not.toBeNull();
  }
  for (const pid of others) expect(text).not.toContain(String(pid));
});

test.each([
  ["", /py-spy is not there/],
  ["echo 'Error: Permission Denied: Try running again with elevated permissions' >&2; exit 1", /py-spy says Error: Permission Denied/],
  ["head -c 100000 /dev/zero | tr '\\0' x", /cut at 65536 bytes/],
])("where py-spy tells nothing, /proc does, and it says why: %j", async (script, why) => {
  if (script !== "") pySpy(script);
  const pid = start("57ac/inc");
  const { kept, look } = keeper(new Set([ATTEMPT]));
  await look(never);
  const text = kept[0]?.text ?? "";
  expect(text).toMatch(why);
  expect(text).toMatch(new RegExp(`thread ${pid} \\w+: [RSD] \\(`));
  expect(text.length).toBeLessThan(80_000);
});
