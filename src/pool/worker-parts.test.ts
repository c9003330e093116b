import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import type { HeadReading, HeadRecord } from "../domain/head-record.ts";
import { NOTHING_SEEN, seeHead } from "../domain/head-watch.ts";
import type { NodeAgent, NodeRecord } from "../domain/node-record.ts";
import type { AttemptFiles, AttemptResult, Claim } from "../domain/types.ts";
import { createOrphanSweep } from "./orphan-sweep.ts";
import { bootId, isAlive, type ProcessRecord, recordProcess, startTicksOf } from "./process-record.ts";
import { POOL_TAG } from "./tagged-processes.ts";
import { namedBy } from "./worker-head.ts";
import { backoffMs } from "./worker-life.ts";
import { createNameWatch } from "./worker-name.ts";
import { readWorkerState, withDeath, writeWorkerState } from "./worker-state.ts";

const cleanups: (() => unknown)[] = [];
afterEach(() => cleanups.splice(0).forEach((cleanup) => cleanup()));
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

function tagged(env: NodeJS.ProcessEnv): ProcessRecord {
  const child = spawn("/bin/sleep", ["60"], { env, stdio: "ignore", detached: true });
  cleanups.push(() => child.kill("SIGKILL"));
  const record = recordProcess("sleep", child.pid ?? 0);
  if (record === null) throw new Error("sleep did not start");
  return record;
}

test("a sweep lists what lives by this node, and kills what has a result, wherever it came from, but never what another root knows", async () => {
  const clock = manualClock(0);
  const id = (suffix: string) => `mvp2-alice-sft-20260801-120000-${suffix}--a01`;
  const [ours, ended, foreign, unknown] = [id("aaaa"), id("bbbb"), id("cccc"), id("dddd")];
  const running = tagged({ VERLPOOL_ATTEMPT: ours, [POOL_TAG]: "tag1/inc" });
  const orphan = tagged({ VERLPOOL_ATTEMPT: ended });
  const other = tagged({ VERLPOOL_ATTEMPT: foreign, [POOL_TAG]: "tag2/inc" });
  const elsewhere = tagged({ VERLPOOL_ATTEMPT: unknown });
  tagged({ VERLPOOL_ATTEMPT: "no submission id" });
  const claim = { by: "launcher", nonce: "n" } as Claim;
  let lease = 0;
  const files = (attempt: string): AttemptFiles => ({
    claim,
    lease: String((lease += 1)),
    stop: null,
    result: attempt === ended ? ({} as AttemptResult) : null,
  });
  const readAttempt = (attempt: string) =>
    Promise.resolve(
      attempt === unknown ? null : { userId: "alice", files: files(attempt), times: { graceMs: 20_000, selfFenceMs: 30_000 } },
    );
  const orphans = createOrphanSweep({ tag: "tag1", readAttempt, staleMs: 0, clock, log: quiet });
  expect(orphans.list()).toEqual([ours, ended, unknown]);
  await orphans.sweep();
  expect(isAlive(orphan)).toBe(true);
  clock.advance(10_000);
  await orphans.sweep();
  await expect.poll(() => isAlive(orphan)).toBe(false);
  expect([running, other, elsewhere].map(isAlive)).toEqual([true, true, true]);
  expect(orphans.list()).toEqual([ours, unknown]);
});

test("what an agent has proven dead outlives it, and a spoilt memory proves nothing", () => {
  const dir = mkdtempSync(join(tmpdir(), "worker-state-"));
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  expect(readWorkerState(dir)).toEqual({ incarnation: null, dead: [] });
  writeWorkerState(dir, withDeath({ incarnation: "i2", dead: ["i1"] }));
  expect(readWorkerState(dir)).toEqual({ incarnation: null, dead: ["i1", "i2"] });
  writeFileSync(join(dir, "raylet.json"), '{"incarnation":"i3","dead":[1');
  expect(readWorkerState(dir)).toEqual({ incarnation: null, dead: [] });
});

test("the waits between starts grow to 30 s and differ between nodes", () => {
  expect([1, 2, 3, 7, 50].map((failures) => backoffMs(failures, 0))).toEqual([500, 1000, 2000, 30_000, 30_000]);
  expect(backoffMs(7, 0.999)).toBeCloseTo(15_000, -3);
});

const beat = { cluster: "c1", epoch: 3, seq: 1, released: false, owner: { host: "h1", nonce: "n", process: null } };
const head: HeadRecord = {
  ...beat,
  session: "s1",
  address: "10.0.0.1:6379",
  dashboardUrl: "http://10.0.0.1:8265",
  rayVersion: "2.60.0",
  pythonVersion: "3.11.7",
};
/** Ten looks, 5 s apart. */
const after = (looks: readonly (HeadReading | { readonly kind: "unknown" })[]) =>
  looks.reduce((sight, look, index) => seeHead(sight, look, index * 5_000), NOTHING_SEEN);
const ok = (over: Partial<HeadRecord> = {}): HeadReading => ({ kind: "ok", head: { ...head, ...over } });

test.each<[string, readonly (HeadReading | { readonly kind: "unknown" })[], string, boolean]>([
  ["a head that beats", [ok(), ok({ seq: 2 })], "head_named", true],
  ["a torn file after a good one", [ok(), { kind: "unreadable", why: "torn" }], "head_named", true],
  ["a head that fell silent", Array.from({ length: 8 }, () => ok()), "head_gone", false],
  ["one that was stopped", [ok(), ok({ seq: 2, released: true })], "head_released", false],
  ["another cluster's", [ok({ cluster: "c2" })], "other_cluster", false],
  ["no file", [{ kind: "absent" }], "no_head", false],
  ["noise", [{ kind: "unreadable", why: "noise" }], "head_unreadable", false],
  ["a first head that starts", [{ kind: "starting", beat }], "head_starting", false],
  ["a mount that hangs", [{ kind: "unknown" }], "storage_silent", false],
])("%s is told as %s", (_, looks, code, isNamed) => {
  const named = namedBy(after(looks), "c1");
  expect([named.why.code, named.head !== null]).toEqual([code, isNamed]);
  expect(named.why.text).toMatch(/\w/);
});

const mine: NodeAgent = {
  host: "h1",
  nonce: "b",
  pid: process.pid,
  startTicks: startTicksOf(process.pid) ?? 0,
  bootId: bootId(),
  pidNamespace: "p",
};
const seen = (over: Partial<NodeAgent>, seq: number, code = "x") =>
  ({ agent: { ...mine, ...over }, seq, deadIncarnations: ["i0"], why: { code, text: "" } }) as unknown as NodeRecord;

test("of two agents with one name the younger stands back; one that is proven gone, or said good-bye, is nobody", () => {
  const clock = manualClock(0);
  const watch = createNameWatch(mine, clock);
  watch.sawBefore(null, 1);
  watch.sawBefore(seen({}, 1), 2);
  watch.sawBefore(seen({ nonce: "a", host: "h2" }, 1), 3);
  expect(watch.takenBy()).toBeNull();
  watch.sawBefore(seen({ nonce: "a", host: "h2" }, 900), 4);
  expect(watch.takenBy()).toBe("h2");
  clock.advance(12_001);
  expect(watch.takenBy()).toBeNull();

  const first = (previous: NodeRecord) => {
    const one = createNameWatch(mine, clock);
    one.sawBefore(previous, 1);
    return [one.takenBy(), one.withEarlier(["i1"])];
  };
  expect(first(seen({ nonce: "a", startTicks: 1 }, 900))).toEqual([null, ["i0", "i1"]]);
  expect(first(seen({ nonce: "a", pidNamespace: "q", startTicks: 1 }, 900))).toEqual(["h1", ["i0", "i1"]]);
  expect(first(seen({ nonce: "a", pidNamespace: "q" }, 900, "stopped"))).toEqual([null, ["i0", "i1"]]);
});
