import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AUDIT } from "../../test/support/audit-samples.ts";
import { savedCheckpoint } from "../../test/support/checkpoints.ts";
import { makeSchedulerWorld, readJobFile, type SchedulerWorld, type Start } from "../../test/support/scheduler-world.ts";
import { newTask, newUser } from "../../test/support/task-samples.ts";
import { NO_USE, totalUse, type UseKey } from "../domain/held-time.ts";
import type { Principal } from "../domain/types.ts";
import { queueOrder, readUsage } from "./usage.ts";

const HOUR = 3_600_000;
const ADMIN = { kind: "admin" } as const;
const user = (userId: string) => ({ kind: "user", userId, tokenId: "t", scope: "full" }) as const;

let world: SchedulerWorld;
beforeEach(async () => {
  world = await makeSchedulerWorld({ order: "fair", settings: { maxRunningTasks: 1 } });
  await world.store.users.insertUser(newUser("bob"), AUDIT);
});
afterEach(() => world.close());

const report = (userId: string | null, by: UseKey | null = null, principal: Principal = ADMIN) =>
  readUsage(world.deps, principal, { userId, from: { days: 30 }, by });
const gpuMs = async (userId: string): Promise<number> => totalUse((await report(userId)).total);
/** GPU-milliseconds that all attempts of a task held, by their own instants. */
async function held(taskId: string): Promise<number> {
  const attempts = await world.attempts(taskId);
  return attempts.reduce((sum, { placement, startedAt, endedAt }) => {
    const gpus = placement.reduce((all, part) => all + part.gpus, 0);
    return startedAt === null ? sum : sum + gpus * ((endedAt ?? world.clock.now()) - startedAt);
  }, 0);
}
/** A launcher that beats for so long, with a step at each turn of 10 s. */
async function steps(start: Start, from: number, to: number): Promise<void> {
  for (let step = from; step <= to; step += 1) {
    start.launcher.writeMetrics({ step, data: { "train/loss": 1 } });
    await turns(start, 1);
  }
}
async function turns(start: Start, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    start.launcher.beat();
    await world.passFor(10_000);
  }
}

/** Runs one task for a while; its launcher renews its lease all along. */
async function run(userId: string, ms: number): Promise<string> {
  const { taskId } = await world.submit("sft", { userId });
  await world.passUntilState(taskId, "RUNNING");
  const began = world.clock.now();
  while (world.clock.now() - began < ms) {
    world.clock.advance(5_000);
    world.lastStart().launcher.beat();
    await world.pass();
  }
  world.lastStart().finish();
  await world.passUntilState(taskId, "SUCCEEDED");
  return taskId;
}

describe("GPU time", () => {
  it("of a running task counts up to now, and stands when it has ended", async () => {
    const { taskId } = await world.submit("sft");
    expect(await gpuMs("alice")).toBe(0);
    await world.passUntilState(taskId, "RUNNING");
    world.clock.advance(10_000);
    const running = await gpuMs("alice");
    expect(running).toBeGreaterThanOrEqual(10_000);
    world.lastStart().finish();
    await world.passUntilState(taskId, "SUCCEEDED");
    const ended = await gpuMs("alice");
    expect(ended).toBeGreaterThanOrEqual(running);
    world.clock.advance(HOUR);
    await world.passFor(3_000);
    expect(await gpuMs("alice")).toBe(ended);
    const [attempt] = await world.attempts(taskId);
    expect(ended).toBe((attempt?.endedAt ?? 0) - (attempt?.startedAt ?? 0));
  });

  it("of others is the admin's to see", async () => {
    await run("alice", 10_000);
    await run("bob", 10_000);
    expect((await report(null)).rows.map((row) => row.userId)).toEqual(["alice", "bob"]);
    for (const by of ["user", "workload", "node", "day"] as const) {
      const mine = await report("alice", by, user("bob"));
      expect(mine.rows.map((row) => row.userId)).toEqual(["bob"]);
      expect(mine.groups?.map((row) => totalUse(row.split))).toEqual([await gpuMs("bob")]);
    }
  });

  it("of an attempt that never started is none", async () => {
    world.setScript("manual");
    const { taskId } = await world.submit("sft");
    await world.passUntil(() => world.starts.length > 0);
    await world.cancel(taskId);
    await world.passUntilState(taskId, "CANCELED");
    expect(await gpuMs("alice")).toBe(0);
  });
});

describe("what GPU time went into", () => {
  const SPEC = { ...newTask("x").spec, workload: "sft", nnodes: 1, nGpusPerNode: 1 } as const;
  const STALLS = { stalls: { factor: 3, minMs: 30_000, firstStepMs: 30_000, policy: "mark" } } as const;

  it("of a run that crashes and goes on is told by kind, live and ended, and adds up to its attempts", async () => {
    const { taskId } = await world.submit("sft", { spec: SPEC });
    await world.passUntilState(taskId, "RUNNING");
    const first = world.lastStart();
    await turns(first, 1);
    await steps(first, 1, 5);
    savedCheckpoint(join(first.launcher.jobDir, "checkpoints"), 2, { workload: "sft", ranks: 1 });
    expect((await report(null)).total).toMatchObject({ recomputed: 0, stalled: 0, unknown: 0 });
    first.finish({ outcome: "self_fenced", exit_code: null, signal: "SIGKILL" });
    await world.passUntil(() => world.starts.length === 2);
    await world.passUntilState(taskId, "RUNNING");
    const crashed = await held(taskId);
    const again = world.lastStart();
    await turns(again, 1);
    await steps(again, 3, 7);
    const live = (await report(null)).total;
    expect(totalUse(live)).toBe(await held(taskId));
    again.finish();
    await world.passUntilState(taskId, "SUCCEEDED");

    const { total, groups } = await report(null, "node");
    expect(totalUse(total)).toBe(await held(taskId));
    expect(groups?.map(({ node, split }) => [node, split])).toEqual([["worker-1", total]]);
    expect((await report(null, "workload")).groups?.map(({ workload }) => workload)).toEqual(["sft"]);
    // Steps 3 to 5 were there before; the first of them ends the wait for a first step. Passes are a second or ten apart.
    expect(total.recomputed).toBeGreaterThanOrEqual(20_000);
    expect(total.recomputed).toBeLessThanOrEqual(30_000);
    expect(total.productive).toBeGreaterThanOrEqual(60_000);
    expect(total.before_first_step).toBeGreaterThanOrEqual(20_000);
    expect([total.stalled, total.unknown]).toEqual([0, 0]);
    expect(crashed).toBeGreaterThan(0);
  });

  it("counts a stall from the step after which none came, until one does or to the end", async () => {
    await world.close();
    world = await makeSchedulerWorld(STALLS);
    const { taskId } = await world.submit("sft", { spec: SPEC });
    await world.passUntilState(taskId, "RUNNING");
    const start = world.lastStart();
    await steps(start, 1, 1);
    await turns(start, 4);
    await steps(start, 2, 2);
    const between = (await report(null)).total;
    expect(between.stalled).toBeGreaterThanOrEqual(40_000);
    expect(between.stalled).toBeLessThanOrEqual(60_000);
    await turns(start, 4);
    start.finish();
    await world.passUntilState(taskId, "SUCCEEDED");
    const { total } = await report(null);
    expect(total.stalled).toBeGreaterThanOrEqual(between.stalled + 30_000);
    expect(totalUse(total)).toBe(await held(taskId));
  });

  it("of a run without metrics is unknown when it did its work, and a wait for its first step when it failed", async () => {
    await run("alice", 20_000);
    expect((await report("alice")).total).toEqual({ ...NO_USE, unknown: await gpuMs("alice") });
    const { taskId } = await world.submit("sft", { userId: "bob" });
    await world.passUntilState(taskId, "RUNNING");
    await turns(world.lastStart(), 1);
    world.lastStart().finish({ exit_code: 1 });
    await world.passUntilState(taskId, "FAILED");
    expect((await report("bob")).total).toEqual({ ...NO_USE, before_first_step: await gpuMs("bob") });
  });

  it("takes the times of steps from the launcher's record where the server was away meanwhile", async () => {
    const { taskId } = await world.submit("sft", { spec: SPEC });
    await world.passUntilState(taskId, "RUNNING");
    const start = world.lastStart();
    await turns(start, 1);
    start.launcher.writeMetrics({ step: 1, data: { "train/loss": 1 } });
    const bytes = readJobFile(world, start.submissionId, "logs/metrics.jsonl").length;
    const line = (at: number, metrics: number): string =>
      `${String(at).padStart(15)} ${"0".padStart(20)} ${String(metrics).padStart(20)}\n`;
    const at = world.clock.now();
    writeFileSync(join(start.launcher.jobDir, "logs/times"), line(at - 1_000, bytes - 1) + line(at, bytes));
    world.clock.advance(HOUR);
    start.finish();
    await world.passUntilState(taskId, "SUCCEEDED");
    const [attempt] = await world.attempts(taskId);
    expect(attempt?.useMarks?.firstStepAt).toBe(at);
    const { total } = await report(null);
    expect(total.before_first_step).toBe(at - (attempt?.startedAt ?? 0));
    expect(total.productive).toBe((attempt?.endedAt ?? 0) - at);
  });
});

describe("the fair order", () => {
  it("lets who used less start first, whoever came first", async () => {
    await run("alice", 60_000);
    world.setScript("hold");
    const later = await world.submit("sft", { userId: "alice" });
    const first = await world.submit("sft", { userId: "bob" });
    world.clock.advance(10_000);
    await world.passUntilState(first.taskId, "RUNNING");
    expect((await world.task(later.taskId)).state).toBe("QUEUED");
  });

  it("is read anew after ten seconds, and costs no read in any other order", async () => {
    const fair = queueOrder(world.deps, { order: "fair", fairHalfLifeDays: 7 });
    expect((await fair()).used.size).toBe(0);
    await run("alice", 5_000);
    world.clock.advance(10_000);
    expect((await fair()).used.get("alice")).toBeGreaterThan(0);
    const fifo = queueOrder({ clock: world.clock, store: null as never }, { order: "fifo", fairHalfLifeDays: 7 });
    expect(await fifo()).toEqual({ by: "fifo", used: new Map() });
  });
});
