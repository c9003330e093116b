import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Clock, Log } from "../control/ports.ts";
import { type Exit, exitText, logTail, spawnRay } from "./ray-process.ts";
import { superviseNode } from "./supervised-node.ts";

const log: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** Waits take no time; what passes is counted. */
function fastClock(): Clock & { readonly slept: number[] } {
  const slept: number[] = [];
  let now = 0;
  return {
    slept,
    now: () => now,
    monotonicMs: () => now,
    sleep: async (ms, signal) => {
      slept.push(ms);
      now += ms;
      await sleep(0, undefined, { signal });
    },
  };
}

function start(argv: readonly string[]) {
  return spawnRay({ name: "node", argv, env: { PATH: process.env["PATH"] ?? "" }, cwd: "/", logFile: "/dev/null", containment: "none" });
}

test("a node that ends by itself is started again after its remains are cleaned up", async () => {
  const order: string[] = [];
  const node = superviseNode({
    name: "node",
    start: () => start(order.includes("clean") ? ["sleep", "60"] : ["true"]),
    beforeRestart: async () => void order.push("clean"),
    onRestart: () => order.push("restarted"),
    clock: fastClock(),
    log,
  });
  await expect.poll(() => order).toEqual(["clean", "restarted"]);
  expect(node.starts()).toBe(2);
  expect(node.record()?.pid).toBeGreaterThan(0);
  await node.stop();
  expect(await node.ended).toBeNull();
});

test("a node that keeps ending is given up, with its last end, after growing pauses", async () => {
  const clock = fastClock();
  const node = superviseNode({
    name: "node",
    start: () => start(["sh", "-c", "exit 3"]),
    beforeRestart: async () => undefined,
    onRestart: () => undefined,
    clock,
    log,
  });
  expect(await node.ended).toEqual({ code: 3, signal: null, error: null });
  expect(node.starts()).toBe(5);
  expect(clock.slept).toEqual([500, 1_000, 2_000, 4_000]);
});

test("a restart that was asked for kills and starts anew", async () => {
  let starts = 0;
  const node = superviseNode({
    name: "node",
    start: () => start(["sleep", "60"]),
    beforeRestart: async () => undefined,
    onRestart: () => (starts += 1),
    clock: fastClock(),
    log,
  });
  const before = node.record()?.pid;
  node.restart();
  await expect.poll(() => starts).toBe(1);
  expect(node.record()?.pid).not.toBe(before);
  await node.stop();
});

test("a program that is not there is an end with a reason", async () => {
  const ended = await start(["/nonexistent/program"]).ended;
  expect(exitText(ended)).toContain("could not be started");
});

test.for<readonly [Exit, string]>([
  [{ code: 1, signal: null, error: null }, "ended with exit code 1"],
  [{ code: null, signal: "SIGKILL", error: null }, "was ended by SIGKILL"],
])("an end is said in words: %j", ([exit, text]) => {
  expect(exitText(exit)).toBe(text);
});

test("a log that is not there has no tail", () => {
  expect(logTail("/nonexistent/log", 5)).toBe("");
});
