/** What comes after an attempt that failed: another attempt, a wait, or the end; and limits in time. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AppError } from "../../domain/app-error.ts";
import { makeSchedulerWorld, readJobFile, type SchedulerWorld, type Start } from "../../../test/support/scheduler-world.ts";
import { BY_ADMIN } from "../../../test/support/audit-samples.ts";
import { holdTask, releaseTask } from "../change-task.ts";
import type { NewTask } from "../ports.ts";

const SHORTAGE = "ValueError: Total available GPUs 0 is less than total desired GPUs 1\n";

let world: SchedulerWorld;
beforeEach(async () => {
  world = await makeSchedulerWorld();
});
afterEach(() => world.close());

async function running(over: Partial<NewTask> = {}): Promise<{ readonly taskId: string; readonly start: Start }> {
  const { taskId } = await world.submit("sft", over);
  await world.passUntilState(taskId, "RUNNING");
  return { taskId, start: world.lastStart() };
}

describe("too few GPUs after the start", () => {
  it("is PENDING_RESOURCES with its next try, then a02, without end and without cost", async () => {
    const { taskId, start } = await running();
    start.launcher.writeLog(SHORTAGE);
    start.finish({ exit_code: 1 });
    const waiting = await world.passUntilState(taskId, "PENDING_RESOURCES");
    expect(waiting).toMatchObject({ attempts: 1, failure: null, waiting: { code: "no_capacity" } });
    expect((waiting.nextRunAt ?? 0) - world.clock.now()).toBe(60_000);
    await world.passFor(55_000);
    expect((await world.task(taskId)).state).toBe("PENDING_RESOURCES");
    await world.passFor(10_000);
    expect(await world.passUntilState(taskId, "RUNNING")).toMatchObject({ attempts: 2 });
    for (let attempt = 2; attempt <= 6; attempt += 1) {
      world.lastStart().launcher.writeLog(SHORTAGE);
      world.lastStart().finish({ exit_code: 1 });
      await world.passUntil(() => world.starts.length > attempt, 10_000);
      await world.passUntilState(taskId, "RUNNING");
    }
    world.lastStart().finish();
    await world.passUntilState(taskId, "SUCCEEDED");
    expect((await world.attempts(taskId)).map((attempt) => attempt.attempt)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });
});

describe("a hold and its release", () => {
  it.each([0, 1])("do not shorten the wait after too few GPUs, with %i passes between them", async (passes) => {
    const { taskId, start } = await running();
    start.launcher.writeLog(SHORTAGE);
    start.finish({ exit_code: 1 });
    const { nextRunAt } = await world.passUntilState(taskId, "PENDING_RESOURCES");
    await holdTask(world, taskId, BY_ADMIN);
    for (let i = 0; i < passes; i += 1) await world.pass();
    await releaseTask(world, taskId, BY_ADMIN);
    await world.passFor(50_000);
    expect(await world.task(taskId)).toMatchObject({ attempts: 1, nextRunAt });
    await world.passFor(20_000);
    expect(await world.passUntilState(taskId, "RUNNING")).toMatchObject({ attempts: 2 });
  });
});

describe("Ray ends the job before its launcher claimed it", () => {
  it("an entrypoint that fails is tried again with back-off, and given up after the budget", async () => {
    world.setScript("manual");
    const { taskId } = await world.submit();
    const began = world.clock.now();
    for (let attempt = 1; attempt <= 6; attempt += 1) {
      await world.passUntil(() => world.starts.length === attempt, 10_000, 200);
      world.lastStart().exit(127);
      await world.passUntil(async () => ["QUEUED", "FAILED"].includes((await world.task(taskId)).state));
    }
    expect(world.clock.now() - began).toBeGreaterThan(0.8 * (30 + 60 + 120 + 240 + 480) * 1_000);
    expect(await world.task(taskId)).toMatchObject({ state: "FAILED", attempts: 6, failure: { label: "ray_job_failed" } });
    expect((await world.attempts(taskId)).every((attempt) => attempt.state === "NEVER_STARTED")).toBe(true);
  });

  it("no node that takes the driver in time is a wait for resources", async () => {
    world.ray.cluster.pause();
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "SUBMITTED");
    const job = world.ray.cluster.jobs.get(`${taskId}--a01`);
    if (job === undefined) throw new Error("no job");
    world.ray.cluster.end(
      job,
      "FAILED",
      "Job supervisor actor failed to start within 900 seconds",
      "JOB_SUPERVISOR_ACTOR_START_TIMEOUT",
      null,
    );
    await world.passUntilState(taskId, "PENDING_RESOURCES");
    expect((await world.attempts(taskId))[0]).toMatchObject({ state: "NEVER_STARTED", failure: { label: "gpu_shortage" } });
    world.ray.cluster.resume();
    await world.passFor(70_000);
    expect(await world.task(taskId)).toMatchObject({ state: "RUNNING", attempts: 2 });
  });
});

describe("a failure of the job itself", () => {
  it("ends the task, with a label, blame and what to do", async () => {
    const { taskId, start } = await running();
    start.launcher.writeLog("ModuleNotFoundError: No module named 'flash_attn'\n");
    start.finish({ exit_code: 1 });
    const task = await world.passUntilState(taskId, "FAILED");
    expect(task).toMatchObject({ attempts: 1, failure: { label: "missing_module", blame: "config", retryable: false } });
    expect((await world.attempts(taskId))[0]).toMatchObject({ state: "FAILED", exitCode: 1, failure: { label: "missing_module" } });
  });

  it("a launcher that may not start it tells why", async () => {
    const { taskId, start } = await running();
    start.finish({ outcome: "not_started", exit_code: null, error: "could not start ['python9']: No such file or directory" });
    expect((await world.passUntilState(taskId, "FAILED")).failure?.text).toContain("python9");
  });
});

describe("limits in time", () => {
  it("max_runtime_s: the attempt is told to stop, and the task ends FAILED with time_limit, not with another attempt", async () => {
    const { taskId, start } = await running({ maxRuntimeMs: 60_000 });
    for (let i = 0; i < 7; i += 1) {
      start.launcher.beat();
      await world.passFor(10_000);
    }
    expect(start.launcher.stopSeen()).toBe("deadline");
    expect((await world.task(taskId)).state).toBe("RUNNING");
    // As launch.py does when Ray's signal, sent beside the stop file, reaches it first.
    start.finish({ outcome: "stopped", exit_code: null, signal: "SIGTERM", stop_why: null });
    expect((await world.passUntilState(taskId, "FAILED")).failure).toMatchObject({ label: "time_limit", blame: "user" });
  });

  it.each([
    ["an hour ahead", 3_600_000],
    ["ten years back", -10 * 365 * 24 * 3_600_000],
  ])("max_runtime_s counts time that passed, though the wall clock jumps %s", async (_, jump) => {
    const { start } = await running({ maxRuntimeMs: 60_000 });
    await world.passFor(20_000);
    world.clock.setWall(world.clock.now() + jump);
    start.launcher.beat();
    await world.passFor(25_000);
    expect(start.launcher.stopSeen()).toBeNull();
    start.launcher.beat();
    await world.passFor(25_000);
    expect(start.launcher.stopSeen()).toBe("deadline");
  });

  it("max_runtime_s sums the running time of all attempts, and waits do not count", async () => {
    const { taskId, start } = await running({ maxRuntimeMs: 100_000 });
    world.clock.advance(60_000);
    start.launcher.writeLog(SHORTAGE);
    start.finish({ exit_code: 1 });
    await world.passUntil(() => world.starts.length === 2, 10_000);
    await world.passUntilState(taskId, "RUNNING");
    const second = world.lastStart();
    for (let i = 0; i < 5; i += 1) {
      second.launcher.beat();
      await world.passFor(5_000);
    }
    expect(second.launcher.stopSeen()).toBeNull();
    for (let i = 0; i < 4; i += 1) {
      second.launcher.beat();
      await world.passFor(5_000);
    }
    expect(second.launcher.stopSeen()).toBe("deadline");
  });

  it("each attempt is told when the task's time will be over: what ran before counts, and the earlier of two limits", async () => {
    const deadline = world.clock.now() + 130_000;
    const { taskId, start } = await running({ maxRuntimeMs: 100_000, deadline });
    const told = (attempt: number): number =>
      Number(JSON.parse(readJobFile(world, `${taskId}--a0${attempt}`, "config/env.json"))["DEADLINE"]);
    const [first] = await world.attempts(taskId);
    expect(told(1)).toBe((first?.createdAt ?? 0) + 100_000);
    start.launcher.beat();
    await world.passFor(20_000);
    start.finish({ outcome: "self_fenced", exit_code: null, signal: "SIGKILL" });
    await world.passUntil(() => world.starts.length === 2, 5_000);
    const [ended, second] = await world.attempts(taskId);
    const ran = (ended?.endedAt ?? 0) - (ended?.startedAt ?? 0);
    expect(ran).toBeGreaterThanOrEqual(20_000);
    expect(told(2)).toBe(Math.min(deadline, (second?.createdAt ?? 0) + 100_000 - ran));
  });

  it("deadline: a waiting task fails when it passes, and never starts", async () => {
    const { taskId } = await world.submit("sft", {
      deadline: world.clock.now() + 30_000,
      needs: { nodes: 9, gpusPerNode: 1, cpusPerNode: 1 },
    });
    await world.passFor(25_000);
    expect((await world.task(taskId)).state).toBe("PENDING_RESOURCES");
    await world.passFor(10_000);
    expect(await world.task(taskId)).toMatchObject({ state: "FAILED", failure: { label: "time_limit" }, attempts: 0, waiting: null });
  });

  it("deadline: a submitted attempt is revoked, and the ghost runs nothing", async () => {
    world.ray.cluster.pause();
    const { taskId } = await world.submit("sft", { deadline: world.clock.now() + 30_000 });
    await world.passFor(40_000);
    expect(await world.task(taskId)).toMatchObject({ state: "FAILED", failure: { label: "time_limit" } });
    expect((await world.attempts(taskId))[0]?.state).toBe("NEVER_STARTED");
    world.ray.cluster.resume();
    await world.passUntil(() => world.starts.length > 0);
    expect(world.lastStart().launcher.claim()).toBe(false);
  });

  it("a driver that made it in time succeeds though the deadline has passed", async () => {
    const { taskId, start } = await running({ deadline: world.clock.now() + 30_000 });
    start.finish();
    world.clock.advance(60_000);
    await world.passUntilState(taskId, "SUCCEEDED");
  });
});

describe("one bad task", () => {
  it("that can't be launched steps aside for a while, says why, and the others start", async () => {
    await world.close();
    world = await makeSchedulerWorld({ script: "run", settings: { maxRunningTasks: 1 } });
    const poison = await world.submit();
    const good = await world.submit();
    world.breakCommandOf(poison.taskId, new Error("its directory is cursed"));
    await world.passUntilState(good.taskId, "SUCCEEDED");
    const waiting = await world.task(poison.taskId);
    expect(waiting).toMatchObject({ state: "QUEUED", attempts: 0, waiting: { code: "cooling_down" } });
    expect(waiting.waiting?.text).toContain("its directory is cursed");
    world.breakCommandOf(poison.taskId, null);
    await world.passFor(60_000);
    await world.passUntilState(poison.taskId, "SUCCEEDED");
  });

  it("whose profile is gone fails with that reason", async () => {
    const { taskId } = await world.submit();
    world.breakCommandOf(taskId, new AppError("unknown_profile", "profile x@1 is gone"));
    const task = await world.passUntilState(taskId, "FAILED");
    expect(task).toMatchObject({ attempts: 0, failure: { text: "profile x@1 is gone", retryable: false } });
  });

  it("whose attempt can't be settled keeps nobody else from ending", async () => {
    const poison = await world.submit();
    world.ray.inject("submit", { kind: "drop" });
    await world.pass();
    world.breakCommandOf(poison.taskId, new Error("cursed"));
    const good = await world.submit();
    await world.passUntilState(good.taskId, "RUNNING");
    world.lastStart().finish();
    await world.passUntilState(good.taskId, "SUCCEEDED");
  });
});
