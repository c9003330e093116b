import { expect, test } from "vitest";
import { type AttemptSight, judgeAttempt, NEW_ATTEMPT, seeAttempt } from "./orphan-watch.ts";
import type { AttemptFiles, AttemptResult, Claim } from "./types.ts";

const TIMES = { graceMs: 20_000, selfFenceMs: 30_000 };
const claim = { by: "launcher", nonce: "n" } as Claim;
const none: AttemptFiles = { claim: null, lease: null, stop: null, result: null };
const running: AttemptFiles = { ...none, claim, lease: "1" };
const Q = 80_000;

/** Looks each 5 s at what `files` gives for the second. */
function watch(seconds: number, files: (second: number) => AttemptFiles | null, from: AttemptSight = NEW_ATTEMPT, start = 0): AttemptSight {
  let sight = from;
  for (let second = start; second <= start + seconds; second += 5) sight = seeAttempt(sight, files(second), second * 1000);
  return sight;
}
const verdict = (sight: AttemptSight, staleMs = 0) => {
  const judged = judgeAttempt(sight, TIMES, staleMs);
  return judged.kind === "kill" ? judged.why : judged.kind;
};

test("an attempt whose lease moves lives, however long", () => {
  expect(verdict(watch(3_600, (second) => ({ ...running, lease: String(second) })))).toBe("lives");
});

test("what has a result is killed once its launcher has had time to tell Ray, and not at first sight", () => {
  const ended = { ...running, result: {} as AttemptResult };
  expect(verdict(watch(5, () => ended))).toBe("lives");
  expect(verdict(watch(10, () => ended))).toBe("ended");
});

test("what was told to stop has grace_s + 10 from when this agent saw it", () => {
  const stopped = (second: number): AttemptFiles => ({ ...running, lease: String(second), stop: "superseded" });
  expect(verdict(watch(25, stopped))).toBe("lives");
  expect(verdict(watch(30, stopped))).toBe("stopped");
});

test("a lease that stands still for Q through live storage is silence; on a network file system it takes as much longer as its reads are old", () => {
  expect(verdict(watch(75, () => running))).toBe("lives");
  const still = watch(80, () => running);
  expect(still.lease?.stillMs).toBe(Q);
  expect(verdict(still)).toBe("silent");
  expect(verdict(still, 65_000)).toBe("lives");
  expect(verdict(watch(80, () => ({ ...running, lease: null })))).toBe("silent");
});

test("time without storage counts for nothing, and neither do a torn lease or an attempt that nobody claimed", () => {
  const half = watch(75, () => running);
  const blind = watch(3_600, () => null, half, 80);
  expect(verdict(watch(0, () => running, blind, 3_685))).toBe("lives");
  const asleep = seeAttempt(half, running, 10_000_000);
  expect(verdict(asleep)).toBe("lives");
  const torn = watch(600, (second) => (second === 0 ? running : { ...running, lease: null }));
  expect(verdict(torn)).toBe("lives");
  expect(verdict(watch(600, () => none))).toBe("lives");
});
