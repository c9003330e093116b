import { expect, test } from "vitest";
import { sampleAttempt, sampleTask } from "../../test/support/sample-task.ts";
import { newTask, NOW } from "../../test/support/task-samples.ts";
import type { RunPace } from "../domain/insight/pace.ts";
import type { Attempt, Task } from "../domain/types.ts";
import { forecaster } from "./forecast.ts";
import type { Clock, Store } from "./ports.ts";
import type { LoopView } from "./scheduler/loop.ts";

const MINUTE = 60_000;
const HEAD = { kind: "up", session: "s", address: "a", rayVersion: "2.60.0" } as const;
const NODE = {
  node: "n1",
  rayNodeId: "r1",
  address: null,
  gpusTotal: 1,
  cpusTotal: 64,
  gpusUsed: 0,
  cpusUsed: 0,
  rivals: [],
  closed: null,
};

function world(
  tasks: readonly Task[],
  attempts: readonly Attempt[],
  view: Partial<LoopView> = {},
  paces: { readonly [taskId: string]: RunPace } = {},
) {
  const asked = { open: 0 };
  let monotonic = 0;
  const clock = { now: () => NOW, monotonicMs: () => monotonic, sleep: () => Promise.resolve() } satisfies Clock;
  const store = {
    tasks: {
      listOpen: () => {
        asked.open += 1;
        return Promise.resolve(tasks.filter((task) => task.endedAt === null));
      },
      latestAttempts: () => Promise.resolve(new Map(attempts.map((attempt) => [attempt.taskId, attempt]))),
      list: () => Promise.resolve({ rows: tasks.filter((task) => task.state === "SUCCEEDED"), hasMore: false }),
    },
    queue: { pause: () => Promise.resolve(null) },
    users: { getUser: () => Promise.resolve(null) },
  } as unknown as Store;
  const settings = { maxRunningTasks: 1, retryIntervalMs: MINUTE, reserveAfterMs: 60 * MINUTE };
  const seen: LoopView = { head: HEAD, nodes: [NODE], agents: [], at: 0, leads: true, lastError: null, ...view };
  const forecast = forecaster({
    store,
    clock,
    settings,
    order: () => Promise.resolve({ by: "priority", used: new Map() }),
    view: () => seen,
    paceOf: (taskId) => paces[taskId] ?? null,
  });
  return { forecast, asked, later: (ms: number) => (monotonic += ms) };
}

const running = sampleTask({ taskId: "r", seq: 1, state: "RUNNING" });
const attempt = sampleAttempt({ taskId: "r", state: "RUNNING", startedAt: NOW - 10 * MINUTE });
const waiting = sampleTask({ taskId: "w", seq: 2 });
const ended = (minutes: number) =>
  sampleTask({ taskId: `e${minutes}`, state: "SUCCEEDED", startedAt: NOW - 100 * MINUTE, endedAt: NOW - (100 - minutes) * MINUTE });

test("a running task whose steps are known ends by its own pace, but never after its time limit", async () => {
  const stepSeconds = [60, 60, 60, 60, 60, 60];
  const pace = { stepSeconds, median: 60, tokensPerS: null, shares: [], step: 10, totalSteps: 20, lastStepAt: NOW - 30_000 };
  const end = (await world([running], [attempt], {}, { r: pace }).forecast.estimates()).get("r");
  const middle = ((end?.endLow ?? 0) + (end?.endHigh ?? 0)) / 2 - NOW;
  expect(middle).toBeGreaterThan(9 * MINUTE);
  expect(middle).toBeLessThan(10.5 * MINUTE);
  const limited = { ...running, maxRuntimeMs: 12 * MINUTE };
  const cut = (await world([limited], [attempt], {}, { r: pace }).forecast.estimates()).get("r");
  expect(cut?.endHigh).toBe(NOW + 2 * MINUTE);
});

test("a running task without steps lasts what tasks like it did, less what it ran, and who waits for it starts then", async () => {
  const all = await world([ended(20), ended(30), running, waiting], [attempt]).forecast.estimates();
  expect(all.get("r")).toMatchObject({ endLow: NOW + 6 * MINUTE, endHigh: NOW + 29 * MINUTE });
  expect(all.get("w")).toMatchObject({ startLow: NOW + 6 * MINUTE, startHigh: NOW + 29 * MINUTE, endHigh: NOW + 68 * MINUTE });
});

test("other data or another shape is not alike", async () => {
  const other = { ...ended(20), spec: { ...ended(20).spec, totalEpochs: 9 } };
  expect((await world([other, running, waiting], [attempt]).forecast.estimates()).get("w")).toMatchObject({
    startLow: NOW,
    startHigh: null,
  });
});

test("a task with steps goes by them", async () => {
  const progress = { step: 10, totalSteps: 20, metric: null, updatedAt: NOW };
  const all = await world([ended(20), { ...running, progress }, waiting], [attempt]).forecast.estimates();
  expect(all.get("w")).toMatchObject({ startLow: NOW + 8 * MINUTE, startHigh: NOW + 14 * MINUTE });
});

test("a planned task comes behind all that wait", async () => {
  const progress = { step: 10, totalSteps: 20, metric: null, updatedAt: NOW };
  const { forecast } = world([ended(20), { ...running, progress }, waiting], [attempt]);
  const planned = (await forecast.estimates(newTask("p", { needs: waiting.needs, spec: waiting.spec, profile: waiting.profile }))).get("p");
  expect(planned).toMatchObject({ startLow: NOW + 24 * MINUTE, startHigh: NOW + 40 * MINUTE });
});

test("nothing is told while no head answers", async () => {
  const down = { head: { kind: "down", error: "x" } } as const;
  expect((await world([running, waiting], [attempt], down).forecast.estimates()).size).toBe(0);
  expect((await world([running, waiting], [attempt], { nodes: null }).forecast.estimates()).size).toBe(0);
});

test("many who ask within two seconds share one answer", async () => {
  const { forecast, asked, later } = world([running, waiting], [attempt]);
  await Promise.all([forecast.estimates(), forecast.estimates()]);
  later(1_999);
  await forecast.estimates();
  expect(asked.open).toBe(1);
  later(1);
  await forecast.estimates();
  expect(asked.open).toBe(2);
});
