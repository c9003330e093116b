/** A new attempt goes on from the newest complete checkpoint of those before it, or says that it does not. */
import { existsSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { savedCheckpoint, TORCH_FILE } from "../../../test/support/checkpoints.ts";
import { makeSchedulerWorld, type SchedulerWorld, type Start } from "../../../test/support/scheduler-world.ts";
import { newTask } from "../../../test/support/task-samples.ts";
import type { CheckpointShape } from "../../domain/checkpoint.ts";
import type { TaskEvent } from "../../domain/types.ts";
import type { NewTask } from "../ports.ts";

const SHAPE: CheckpointShape = { workload: "sft", ranks: 1 };
const SPEC = { ...newTask("x").spec, workload: "sft", nnodes: 1, nGpusPerNode: 1 } as const;

let world: SchedulerWorld;
beforeEach(async () => {
  world = await makeSchedulerWorld();
});
afterEach(() => world.close());

async function running(over: Partial<NewTask> = {}): Promise<string> {
  const { taskId } = await world.submit("sft", { spec: SPEC, ...over });
  await world.passUntilState(taskId, "RUNNING");
  return taskId;
}

function save(start: Start, step: number): void {
  savedCheckpoint(join(start.launcher.jobDir, "checkpoints"), step, SHAPE);
}

/** The newest attempt ends by a node's fault, and the next one runs. */
async function lose(taskId: string): Promise<void> {
  const before = world.starts.length;
  world.lastStart().finish({ outcome: "stopped", exit_code: null, signal: "SIGTERM" });
  await world.passUntil(() => world.starts.length > before, 10_000, 200);
  await world.passUntilState(taskId, "RUNNING");
}

async function said(taskId: string): Promise<TaskEvent | undefined> {
  return (await world.events(taskId)).findLast((event) => event.type === "resumed" || event.reason?.code === "from_start");
}

function argvOf(start: Start): readonly string[] {
  return JSON.parse(readFileSync(join(start.launcher.jobDir, "config/argv.json"), "utf8")) as string[];
}

describe("after a loss", () => {
  it("a02 goes on from the newest checkpoint of a01, named in its command, its row and an event that says what was lost", async () => {
    const taskId = await running();
    const first = world.lastStart();
    save(first, 5);
    save(first, 10);
    first.launcher.writeMetrics({ step: 13, data: { "train/loss": 1 } });
    await world.pass();
    await lose(taskId);
    const [, second] = await world.attempts(taskId);
    expect(second?.resumedFrom).toEqual({ submissionId: `${taskId}--a01`, step: 10 });
    expect(argvOf(world.lastStart())).toContain(`resume ${taskId}--a01 10`);
    expect((await world.task(taskId)).progress).toMatchObject({ step: 10, metric: null });
    expect(await said(taskId)).toMatchObject({
      attempt: 2,
      type: "resumed",
      reason: { code: "resumed", text: "goes on from step 10, saved by attempt 1; steps 11 to 13 are done again" },
      data: { submission_id: `${taskId}--a01`, step: 10, lost_steps: 3 },
    });
  });

  it("a cut newest checkpoint is passed over for the one before, and said so", async () => {
    const taskId = await running();
    save(world.lastStart(), 5);
    save(world.lastStart(), 10);
    truncateSync(join(world.lastStart().launcher.jobDir, "checkpoints/global_step_10/optim_world_size_1_rank_0.pt"), TORCH_FILE.length - 5);
    await lose(taskId);
    expect((await world.attempts(taskId))[1]?.resumedFrom?.step).toBe(5);
    expect((await said(taskId))?.reason?.text).toContain("step 10 of attempt 1 was passed over: optim_world_size_1_rank_0.pt is cut short");
  });

  it("one that saved nothing passes on what it went on from, and one that saved is the newest", async () => {
    const taskId = await running();
    save(world.lastStart(), 10);
    await lose(taskId);
    await lose(taskId);
    save(world.lastStart(), 20);
    await lose(taskId);
    expect((await world.attempts(taskId)).map((attempt) => attempt.resumedFrom)).toEqual([
      null,
      { submissionId: `${taskId}--a01`, step: 10 },
      { submissionId: `${taskId}--a01`, step: 10 },
      { submissionId: `${taskId}--a03`, step: 20 },
    ]);
  });

  it("without any checkpoint it starts from step 0, and says so", async () => {
    const taskId = await running();
    world.lastStart().launcher.writeMetrics({ step: 3, data: { "train/loss": 1 } });
    await world.pass();
    await lose(taskId);
    expect((await world.attempts(taskId))[1]?.resumedFrom).toBeNull();
    expect((await world.task(taskId)).progress).toBeNull();
    expect(await said(taskId)).toMatchObject({
      type: "alert",
      reason: { text: "starts from step 0: no attempt before it left a complete checkpoint; steps 1 to 3 are done again" },
    });
  });

  it("while checkpoints can't be read nothing starts, least of all from step 0", async () => {
    const taskId = await running();
    save(world.lastStart(), 10);
    world.lastStart().finish({ outcome: "stopped", exit_code: null, signal: "SIGTERM" });
    await world.passUntilState(taskId, "QUEUED");
    world.breakStorage(new Set(["checkpoints"]));
    await world.passFor(300_000);
    expect(await world.task(taskId)).toMatchObject({
      state: "QUEUED",
      attempts: 1,
      waiting: { text: expect.stringContaining("checkpoints") as string },
    });
    expect(existsSync(join(world.root, "users/alice/jobs", `${taskId}--a02`))).toBe(false);
    world.breakStorage(null);
    await world.passUntil(() => world.starts.length === 2, 10_000);
    expect((await world.attempts(taskId))[1]?.resumedFrom?.step).toBe(10);
  });
});

describe("a retry", () => {
  async function ended(): Promise<string> {
    const taskId = await running();
    save(world.lastStart(), 10);
    world.lastStart().launcher.writeMetrics({ step: 12, data: { "train/loss": 1 } });
    await world.pass();
    world.lastStart().finish({ exit_code: 1 });
    await world.passUntilState(taskId, "FAILED");
    return taskId;
  }

  it("goes on from the old task's last checkpoint, over retries that saved nothing", async () => {
    const old = await ended();
    const second = await running({ retryOf: old });
    expect((await world.attempts(second))[0]?.resumedFrom).toEqual({ submissionId: `${old}--a01`, step: 10 });
    expect(await said(second)).toMatchObject({ type: "resumed", data: { step: 10, lost_steps: 2 } });
    world.lastStart().finish({ exit_code: 1 });
    await world.passUntilState(second, "FAILED");
    const third = await running({ retryOf: second });
    expect((await world.attempts(third))[0]?.resumedFrom).toEqual({ submissionId: `${old}--a01`, step: 10 });
  });

  it("from scratch goes on from nothing, also in its later attempts", async () => {
    const old = await ended();
    const taskId = await running({ retryOf: old, fromScratch: true });
    expect(await said(taskId)).toBeUndefined();
    await lose(taskId);
    expect((await world.attempts(taskId)).map((attempt) => attempt.resumedFrom)).toEqual([null, null]);
  });

  it("of a task whose files were removed starts from step 0, and says that they are gone", async () => {
    const old = await ended();
    rmSync(join(world.root, "users/alice/jobs", `${old}--a01`), { recursive: true });
    const taskId = await running({ retryOf: old });
    expect((await said(taskId))?.reason?.text).toContain(`the files of ${old}--a01 are gone`);
  });
});
