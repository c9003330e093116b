/** A running task goes back to the queue: after its next complete checkpoint, or at once; it keeps its place and its budget. */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { byUser } from "../../../test/support/audit-samples.ts";
import { savedCheckpoint } from "../../../test/support/checkpoints.ts";
import { makeSchedulerWorld, type SchedulerWorld } from "../../../test/support/scheduler-world.ts";
import { newTask } from "../../../test/support/task-samples.ts";
import type { Task } from "../../domain/types.ts";
import { cancelTask, requeueTask } from "../change-task.ts";

const SPEC = { ...newTask("x").spec, workload: "sft", nnodes: 1, nGpusPerNode: 1 } as const;
const BY = byUser("alice");

let world: SchedulerWorld;
beforeEach(async () => {
  world = await makeSchedulerWorld();
});
afterEach(() => world.close());

async function running(): Promise<string> {
  const { taskId } = await world.submit("sft", { spec: SPEC });
  await world.passUntilState(taskId, "RUNNING");
  return taskId;
}

const save = (step: number): void =>
  savedCheckpoint(join(world.lastStart().launcher.jobDir, "checkpoints"), step, { workload: "sft", ranks: 1 });
const requeue = (taskId: string, over: { now?: boolean; hold?: boolean } = {}): Promise<Task> =>
  requeueTask(world, taskId, { now: false, hold: false, ...over }, BY);

/** What launch.py does when it reads the stop. */
function obey(): void {
  const { launcher, finish } = world.lastStart();
  finish({ outcome: "stopped", exit_code: 1, stop_why: launcher.stopSeen() });
}

async function passes(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await world.pass();
}

describe("after the next checkpoint", () => {
  it("waits for one that is newer than at the request, also over a restart; then starts again from it", async () => {
    const taskId = await running();
    save(5);
    await requeue(taskId);
    await passes(3);
    world.restart();
    await passes(3);
    expect(world.lastStart().launcher.stopSeen()).toBeNull();
    expect((await world.task(taskId)).requeue?.since).toEqual({ step: 5 });
    save(10);
    await passes(1);
    expect(world.lastStart().launcher.stopSeen()).toBe("requeue");
    expect(world.lastStart().isStopped()).toBe(true);
    obey();
    await world.passUntil(() => world.starts.length === 2);
    await world.passUntilState(taskId, "RUNNING");
    const [first, second] = await world.attempts(taskId);
    expect(first).toMatchObject({ state: "CANCELED", failure: null });
    expect(second?.resumedFrom).toEqual({ submissionId: `${taskId}--a01`, step: 10 });
    expect(await world.path(taskId)).toBe("QUEUED>SUBMITTING>SUBMITTED>RUNNING>QUEUED>SUBMITTING>SUBMITTED>RUNNING");
    expect(await world.task(taskId)).toMatchObject({ requeue: null, held: false, failure: null });
  });

  it("waits on while checkpoints can't be read", async () => {
    const taskId = await running();
    await requeue(taskId);
    await passes(1);
    save(5);
    world.breakStorage(new Set(["checkpoints"]));
    await passes(3);
    expect(world.lastStart().launcher.stopSeen()).toBeNull();
    world.breakStorage(null);
    await passes(1);
    expect(world.lastStart().launcher.stopSeen()).toBe("requeue");
  });

  it("an attempt that ends by itself before ends as it would have", async () => {
    const taskId = await running();
    await requeue(taskId);
    await passes(1);
    world.lastStart().finish();
    expect(await world.passUntilState(taskId, "SUCCEEDED")).toMatchObject({ requeue: null, attempts: 1 });
  });
});

describe("at once", () => {
  it("the next in the queue takes its place only if it stands before it: it keeps its own", async () => {
    const taskId = await running();
    const before = (await world.task(taskId)).seq;
    await requeue(taskId, { now: true });
    await passes(1);
    obey();
    await world.passUntil(() => world.starts.length === 2);
    expect((await world.task(taskId)).seq).toBe(before);
    expect(world.lastStart().submissionId).toBe(`${taskId}--a02`);
  });

  it("and held, it stays in the queue until it is released, and others take the GPUs", async () => {
    const taskId = await running();
    await requeue(taskId, { now: true, hold: true });
    await passes(1);
    obey();
    await passes(5);
    expect(await world.task(taskId)).toMatchObject({ state: "QUEUED", held: true, requeue: null, attempts: 1, waiting: { code: "held" } });
  });

  it("one that has not started is given up, and never starts", async () => {
    world.setScript("manual");
    const { taskId } = await world.submit("sft", { spec: SPEC });
    await world.passUntil(() => world.starts.length === 1);
    await requeue(taskId, { now: true, hold: true });
    await passes(1);
    expect(world.lastStart().launcher.claim()).toBe(false);
    expect(await world.task(taskId)).toMatchObject({ state: "QUEUED", held: true });
    expect((await world.attempts(taskId))[0]).toMatchObject({ state: "NEVER_STARTED" });
  });

  it("costs no budget, however often", async () => {
    const taskId = await running();
    for (let i = 1; i <= 7; i += 1) {
      await requeue(taskId, { now: true });
      await passes(1);
      obey();
      await world.passUntil(() => world.starts.length === i + 1);
      await world.passUntilState(taskId, "RUNNING");
    }
    expect(await world.task(taskId)).toMatchObject({ state: "RUNNING", attempts: 8 });
  });

  it("a cancel that comes after it wins, and a driver that finished has succeeded", async () => {
    const taskId = await running();
    await requeue(taskId, { now: true });
    await passes(1);
    await cancelTask(world, taskId, BY);
    obey();
    expect(await world.passUntilState(taskId, "CANCELED")).toMatchObject({ requeue: null });
    const other = await running();
    await requeue(other, { now: true });
    await passes(1);
    world.lastStart().finish();
    await world.passUntilState(other, "SUCCEEDED");
  });
});

describe("a request", () => {
  it("is durable, and asked again only becomes sooner or held", async () => {
    const taskId = await running();
    const first = await requeue(taskId);
    expect(first.requeue).toMatchObject({ actor: "user:alice", now: false, hold: false });
    expect((await requeue(taskId)).version).toBe(first.version);
    expect((await requeue(taskId, { hold: true })).requeue).toMatchObject({ now: false, hold: true });
    expect((await requeue(taskId, { now: true })).requeue).toMatchObject({ now: true, hold: true });
    expect((await requeue(taskId)).requeue).toMatchObject({ now: true, hold: true });
    const asked = (await world.events(taskId)).filter((event) => event.type === "requeue_requested");
    expect(asked.map((event) => event.data)).toEqual([
      { now: false, hold: false },
      { now: false, hold: true },
      { now: true, hold: true },
    ]);
  });

  it("of a waiting task changes nothing, but can hold it; of an ended one is refused", async () => {
    world.ray.cluster.pause();
    const task = await world.submit("sft", { spec: SPEC });
    expect((await requeue(task.taskId)).version).toBe(task.version);
    expect(await requeue(task.taskId, { hold: true })).toMatchObject({ held: true, requeue: null });
    await world.cancel(task.taskId);
    await expect(requeue(task.taskId)).rejects.toMatchObject({
      code: "wrong_state",
      message: expect.stringContaining("CANCELED") as string,
    });
  });

  it("of a task that saves nothing is refused, unless it is meant at once", async () => {
    const { taskId } = await world.submit("sft", { spec: { ...SPEC, saveFreq: -1 } });
    await world.passUntilState(taskId, "RUNNING");
    await expect(requeue(taskId)).rejects.toMatchObject({ code: "wrong_state", message: expect.stringContaining("save_freq") as string });
    expect((await requeue(taskId, { now: true })).requeue?.now).toBe(true);
  });
});
