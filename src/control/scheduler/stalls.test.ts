/** Running attempts that make no progress: marked with the reason in words, and stopped only where the operator chose so. */
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { savedCheckpoint } from "../../../test/support/checkpoints.ts";
import {
  makeSchedulerWorld,
  readJobFile,
  type SchedulerWorld,
  type Start,
  type WorldOptions,
} from "../../../test/support/scheduler-world.ts";
import { newTask } from "../../../test/support/task-samples.ts";

/** Of a pass: the longest in which time counts as healthy. */
const TURN = 10_000;
const SPEC = { ...newTask("x").spec, workload: "sft", nnodes: 1, nGpusPerNode: 1 } as const;
const QUICK = { factor: 5, minMs: 3 * TURN, firstStepMs: 8 * TURN } as const;

let world: SchedulerWorld;
afterEach(() => world.close());

async function running(options: WorldOptions = {}): Promise<{ readonly taskId: string; readonly start: Start }> {
  world = await makeSchedulerWorld({ stalls: QUICK, ...options });
  const { taskId } = await world.submit("sft", { spec: SPEC });
  await world.passUntilState(taskId, "RUNNING");
  return { taskId, start: world.lastStart() };
}

/** Time in which its launcher beats. */
async function alive(start: Start, turns: number): Promise<void> {
  for (let i = 0; i < turns; i += 1) {
    start.launcher.beat();
    await world.passFor(TURN);
  }
}

async function steps(start: Start, from: number, to: number): Promise<void> {
  for (let step = from; step <= to; step += 1) {
    start.launcher.writeMetrics({ step, data: { "train/loss": 1 } });
    await alive(start, 1);
  }
}

async function stallEvents(taskId: string): Promise<readonly (readonly [string, string | undefined, string | undefined])[]> {
  const events = (await world.events(taskId)).filter(({ type }) => type.startsWith("stall"));
  return events.map(({ type, reason }) => [type, reason?.code, reason?.text] as const);
}
const isStalled = async (taskId: string): Promise<boolean | undefined> => (await world.attempts(taskId)).at(-1)?.stalled;

it("a run whose steps stay away is marked once, says why, and is well again with the next step", async () => {
  const { taskId, start } = await running();
  await steps(start, 1, 5);
  await alive(start, 3);
  expect(await isStalled(taskId)).toBe(false);
  start.launcher.writeLog("[rank1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1, OpType=ALLREDUCE)\n");
  await alive(start, 3);
  expect(await isStalled(taskId)).toBe(true);
  const [marked, ...more] = await stallEvents(taskId);
  expect(more).toEqual([]);
  expect(marked?.slice(0, 2)).toEqual(["stalled", "no_step"]);
  expect(marked?.[2]).toMatch(/^no step after step 5 has come for 50 s; its steps take 10 s; its log says collective_timeout: /);
  expect(start.launcher.stopSeen()).toBeNull();
  expect(JSON.parse(readJobFile(world, start.submissionId, "control/stacks"))).toMatchObject({ schema: 1 });

  await steps(start, 6, 6);
  expect(await isStalled(taskId)).toBe(false);
  expect((await stallEvents(taskId)).at(-1)).toEqual(["stall_ended", "step", "it goes on: step 6 has come"]);
  start.finish();
  await world.passUntilState(taskId, "SUCCEEDED");
});

it("before the first step the longer limit counts, but Ray's word that it can't be placed is told at the floor", async () => {
  const { taskId, start } = await running();
  await alive(start, 2);
  expect(await isStalled(taskId)).toBe(false);
  const unplaceable = (gpus: number): string =>
    `(autoscaler +25s) Error: No available node types can fulfill resource request {'GPU': ${gpus}.0, 'CPU': 10.0}. Add suitable node types.\n`;
  // Another task's: Ray tells it to all.
  start.launcher.writeLog(unplaceable(8));
  await alive(start, 3);
  expect(await stallEvents(taskId)).toEqual([]);
  start.launcher.writeLog(unplaceable(1));
  await alive(start, 2);
  const [marked] = await stallEvents(taskId);
  expect(marked?.[1]).toBe("placement_pending");
  expect(marked?.[2]).toContain("'GPU': 1.0");
});

it("a restart of the server starts the wait anew and says nothing twice", async () => {
  const { taskId, start } = await running();
  await alive(start, 6);
  world.restart();
  await alive(start, 6);
  expect(await isStalled(taskId)).toBe(false);
  await alive(start, 4);
  expect(await stallEvents(taskId)).toMatchObject([["stalled", "no_first_step", expect.stringContaining("80 s")]]);
  world.restart();
  await alive(start, 10);
  expect(await stallEvents(taskId)).toHaveLength(1);
  await steps(start, 1, 1);
  expect(await isStalled(taskId)).toBe(false);
});

it("a silent head is told where no step came since; steps that go on without it are no stall", async () => {
  const { taskId, start } = await running();
  await steps(start, 1, 2);
  await world.ray.down();
  await steps(start, 3, 8);
  expect(await isStalled(taskId)).toBe(false);
  await alive(start, 3);
  expect((await stallEvents(taskId)).map(([, code]) => code)).toEqual(["head_silent"]);
});

it("steps that only the console tells count too", async () => {
  const { taskId, start } = await running();
  const none = { stepSeconds: [], median: null, tokensPerS: null, shares: [], totalSteps: null, lastStepAt: null };
  let step = 0;
  Object.assign(world.deps, { paceOf: () => ({ ...none, step }) });
  for (step = 1; step < 6; step += 1) await alive(start, 2);
  expect(await isStalled(taskId)).toBe(false);
});

it("policy resume: it is stopped as a loss and goes on from its newest checkpoint", async () => {
  const { taskId, start } = await running({ stalls: { ...QUICK, policy: "resume" } });
  await steps(start, 1, 4);
  savedCheckpoint(join(start.launcher.jobDir, "checkpoints"), 4, { workload: "sft", ranks: 1 });
  await alive(start, 6);
  // Agents collect the stacks first.
  expect([await isStalled(taskId), start.launcher.stopSeen()]).toEqual([true, null]);
  await alive(start, 6);
  expect(start.launcher.stopSeen()).toBe("stalled");
  expect(start.isStopped()).toBe(true);
  start.finish({ outcome: "stopped", exit_code: 1, stop_why: "stalled" });
  await world.passUntil(() => world.starts.length === 2);
  await world.passUntilState(taskId, "RUNNING");
  const [first, second] = await world.attempts(taskId);
  expect(first).toMatchObject({ state: "FAILED", stalled: false, failure: { label: "hang_unknown", retryable: true } });
  expect(second).toMatchObject({ stalled: false, resumedFrom: { submissionId: `${taskId}--a01`, step: 4 } });
});
