import { expect, test } from "vitest";
import { type End, type Running, supervise, type SuperviseState, waitBefore } from "./supervise.ts";

const CRASH: End = { text: "exit code 1", isUsage: false };
const USAGE: End = { text: "exit code 2", isUsage: true };

/** Each start takes the next run: how long it lasts, and how it ends; the last one runs until it is stopped. */
function worldOf(runs: readonly { readonly ms: number; readonly end: End }[], adopted: boolean) {
  const states: SuperviseState<number>[] = [];
  const waits: number[] = [];
  const stop = new AbortController();
  let elapsed = 0;
  let started = 0;
  function start(): Running<number> {
    const run = runs[started];
    started += 1;
    if (run === undefined) {
      const asked = Promise.withResolvers<End>();
      queueMicrotask(() => stop.abort());
      return { record: started, ended: asked.promise, stop: () => asked.resolve(CRASH) };
    }
    return { record: started, ended: Promise.resolve().then(() => ((elapsed += run.ms), run.end)), stop: () => undefined };
  }
  const clock = {
    now: () => elapsed,
    monotonicMs: () => elapsed,
    sleep: async (ms: number, signal: AbortSignal) => {
      signal.throwIfAborted();
      waits.push(ms);
      elapsed += ms;
      await Promise.resolve();
    },
  };
  const onState = (state: SuperviseState<number>): void => void states.push(state);
  const outcome = supervise({ adopted: adopted ? start() : null, start, onState, clock, random: () => 0.5 }, stop.signal);
  return { outcome, states, waits, starts: () => started };
}

test("a process that ends again and again is started with waits that double up to a minute", async () => {
  const world = worldOf(
    Array.from({ length: 9 }, () => ({ ms: 10, end: CRASH })),
    false,
  );
  expect(await world.outcome).toBe("stopped");
  expect(world.waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  expect(world.starts()).toBe(10);
});

test("after a long run the wait begins anew", async () => {
  const crash = { ms: 10, end: CRASH };
  const world = worldOf([crash, crash, crash, { ms: 3_600_000, end: CRASH }, crash], false);
  await world.outcome;
  expect(world.waits).toEqual([1_000, 2_000, 4_000, 1_000, 2_000]);
});

test("flags that are refused at the first start are not tried again, but a configuration that breaks later is", async () => {
  const first = worldOf([{ ms: 10, end: USAGE }], false);
  expect(await first.outcome).toBe("failed");
  expect(first.states.at(-1)).toEqual({ kind: "failed", last: USAGE, restarts: 0 });
  const later = worldOf(
    [
      { ms: 10, end: CRASH },
      { ms: 10, end: USAGE },
    ],
    false,
  );
  expect(await later.outcome).toBe("stopped");
  expect(later.starts()).toBe(3);
});

test("a process that an earlier supervisor left is watched, and only its end starts another", async () => {
  const world = worldOf([{ ms: 10, end: USAGE }], true);
  expect(await world.outcome).toBe("stopped");
  expect(world.states[0]).toEqual({ kind: "running", process: 1, restarts: 0 });
  expect(world.starts()).toBe(2);
});

test("a stop asks the process to end and is over when it has", async () => {
  const world = worldOf([], false);
  expect(await world.outcome).toBe("stopped");
  expect(world.states.map(({ kind }) => kind)).toEqual(["running", "stopping"]);
});

test("waits are spread by a fifth to both sides", () => {
  expect([waitBefore(1, 0), waitBefore(1, 0.999999)]).toEqual([800, 1200]);
});
