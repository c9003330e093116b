/** A task from QUEUED to its end, as people and programs see it. */
import { afterEach, describe, expect, it } from "vitest";
import { NOW } from "../../../test/support/task-samples.ts";
import { schedulerLoop } from "./loop.ts";
import { makeSchedulerWorld, readJobFile, type SchedulerWorld, type WorldOptions } from "../../../test/support/scheduler-world.ts";

let world: SchedulerWorld;
afterEach(() => world.close());

async function start(options: WorldOptions = {}): Promise<SchedulerWorld> {
  world = await makeSchedulerWorld(options);
  return world;
}

describe("the happy path", () => {
  it.each(["ppo", "grpo", "sft"] as const)("%s goes through every state, each with its event", async (workload) => {
    await start();
    const { taskId } = await world.submit(workload);
    await world.passUntilState(taskId, "RUNNING");
    world.clock.advance(60_000);
    const finishedAt = world.clock.now();
    world.lastStart().finish();
    const task = await world.passUntilState(taskId, "SUCCEEDED");

    expect(await world.path(taskId)).toBe("QUEUED>SUBMITTING>SUBMITTED>RUNNING>SUCCEEDED");
    const types = (await world.events(taskId)).map((event) => event.type);
    expect(types).toEqual([
      "created",
      "state_changed",
      "attempt_created",
      "state_changed",
      "state_changed",
      "attempt_claimed",
      "state_changed",
      "attempt_ended",
    ]);
    const [attempt, ...more] = await world.attempts(taskId);
    expect(more).toEqual([]);
    expect(attempt).toMatchObject({
      attempt: 1,
      submissionId: `${taskId}--a01`,
      state: "SUCCEEDED",
      node: "worker-1",
      exitCode: 0,
      failure: null,
    });
    expect(task).toMatchObject({ startedAt: NOW, endedAt: finishedAt });
    expect(world.ray.cluster.ledger.starts).toEqual([`${taskId}--a01`]);
    expect(world.outcomes).toEqual(["SUCCEEDED"]);
    expect(world.queueWaits).toHaveLength(1);
  });

  it("what the job directory holds and what Ray is told of the job", async () => {
    await start();
    const { taskId } = await world.submit("ppo");
    await world.passUntilState(taskId, "RUNNING");
    const id = `${taskId}--a01`;
    expect(readJobFile(world, id, "config/spec.yaml")).toBe("workload: ppo\n");
    expect(JSON.parse(readJobFile(world, id, "config/argv.json"))).toEqual(["true"]);
    expect(JSON.parse(readJobFile(world, id, "control/attempt.json"))).toMatchObject({ submission_id: id, attempt: 1 });
    const job = world.ray.cluster.jobs.get(id);
    expect(job?.submission).toMatchObject({
      metadata: { task_id: taskId, user_id: "alice", attempt: "1", nnodes: "2", n_gpus_per_node: "4" },
      demand: { worker_node: 1 },
      runtime_env: { env_vars: { VERLPOOL_ATTEMPT: id } },
    });
  });

  it("a driver that ended before anybody looked has a start, a node and a duration all the same", async () => {
    await start({ script: "run" });
    const { taskId } = await world.submit();
    const task = await world.passUntilState(taskId, "SUCCEEDED");
    expect(await world.path(taskId)).toBe("QUEUED>SUBMITTING>SUBMITTED>RUNNING>SUCCEEDED");
    expect(task.startedAt).not.toBeNull();
    expect((await world.attempts(taskId))[0]).toMatchObject({ node: "worker-1", claimNonce: expect.stringMatching(/^c0ffee/) as string });
  });

  it("Ray's record of an ended job is removed, but not within the second in which Ray would show a ghost", async () => {
    await start({ script: "run" });
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "SUCCEEDED");
    await world.pass();
    expect(world.ray.cluster.ledger.deletes).toEqual([]);
    await world.passFor(6_000);
    expect(world.ray.cluster.ledger.deletes).toEqual([`${taskId}--a01`]);
  });

  it("a record that Ray can't show keeps no later one there", async () => {
    await start({ script: "run" });
    const first = await world.submit();
    const bad = `${first.taskId}--a01`;
    let broken = false;
    const get: typeof world.deps.ray.get = (id, signal) =>
      broken && id === bad ? Promise.resolve({ kind: "unknown", error: "Ray answered 500" }) : world.deps.ray.get(id, signal);
    const loop = schedulerLoop({ ...world.deps, ray: { ...world.deps.ray, get } }, "test");
    const ended = async (taskId: string) => {
      await expect
        .poll(async () => {
          world.clock.advance(1_000);
          await loop.once(new AbortController().signal);
          return (await world.task(taskId)).state;
        })
        .toBe("SUCCEEDED");
    };
    await ended(first.taskId);
    broken = true;
    const second = await world.submit();
    await ended(second.taskId);
    for (let i = 0; i < 10; i += 1) {
      world.clock.advance(1_000);
      await loop.once(new AbortController().signal);
    }
    expect(world.ray.cluster.ledger.deletes).toEqual([`${second.taskId}--a01`]);
    broken = false;
    for (let i = 0; i < 12; i += 1) {
      world.clock.advance(1_000);
      await loop.once(new AbortController().signal);
    }
    expect(world.ray.cluster.ledger.deletes).toEqual([`${second.taskId}--a01`, bad]);
  });
});

describe("progress", () => {
  it("follows verl's own metric file, step by step, and writes nothing while nothing is new", async () => {
    await start();
    const { taskId } = await world.submit("grpo");
    await world.passUntilState(taskId, "RUNNING");
    const { launcher } = world.lastStart();
    launcher.writeMetrics({ step: 1, data: { "critic/rewards/mean": 0.1 } }, { step: 2, data: { "critic/rewards/mean": 0.3 } });
    await world.pass();
    const seen = await world.task(taskId);
    expect(seen.progress).toMatchObject({ step: 2, metric: { key: "critic/rewards/mean", value: 0.3 } });
    await world.pass();
    expect((await world.task(taskId)).version).toBe(seen.version);
    launcher.writeMetrics({ step: 3, data: { "perf/mfu": 0.2 } });
    await world.pass();
    expect((await world.task(taskId)).progress).toMatchObject({ step: 3, metric: { key: "critic/rewards/mean", value: 0.3 } });
  });

  it("the last steps are there when the task has ended", async () => {
    await start();
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "RUNNING");
    world.lastStart().launcher.writeMetrics({ step: 7, data: { "train/loss": 1.5 } });
    world.lastStart().finish();
    expect((await world.passUntilState(taskId, "SUCCEEDED")).progress).toMatchObject({ step: 7, metric: { value: 1.5 } });
  });
});

describe("several tasks", () => {
  it("run one by one with max_running_tasks 1, in the order they came", async () => {
    await start({ script: "run", settings: { maxRunningTasks: 1 } });
    const tasks = [await world.submit("sft"), await world.submit("ppo"), await world.submit("grpo")];
    await world.pass();
    expect((await world.task(tasks[1]?.taskId ?? "")).waiting?.code).toBe("running_limit");
    expect((await world.task(tasks[2]?.taskId ?? "")).waiting?.code).toBe("behind");
    await world.passUntil(async () => (await world.store.tasks.listOpen()).length === 0);
    expect(world.ray.cluster.ledger.starts).toEqual(tasks.map((task) => `${task.taskId}--a01`));
  });

  it("a big one waits for resources, names what is missing, and runs when a node joins, without another submission", async () => {
    await start();
    const big = await world.submit("sft", { needs: { nodes: 2, gpusPerNode: 8, cpusPerNode: 1 } });
    const small = await world.submit("sft");
    await world.passUntilState(small.taskId, "RUNNING");
    const waiting = await world.task(big.taskId);
    expect(waiting).toMatchObject({ state: "PENDING_RESOURCES", waiting: { code: "impossible_now" }, attempts: 0 });
    expect(waiting.waiting?.text).toContain("1 more node of that shape would have to join");
    expect(waiting.nextRunAt).toBe(waiting.waiting?.until);
    world.lastStart().finish();
    world.ray.cluster.addNode("worker-2", "127.0.0.4", { CPU: 64, GPU: 8, worker_node: 100 });
    await world.passUntilState(big.taskId, "RUNNING");
    expect((await world.attempts(big.taskId))[0]?.placement.map((part) => part.node)).toEqual(["worker-1", "worker-2"]);
  });

  it("a task takes the GPUs of one that ended only after Ray has shown them free for the hand-over time", async () => {
    await start({ settings: { handOverMs: 3_000 } });
    const needs = { nodes: 1, gpusPerNode: 8, cpusPerNode: 1 };
    const first = await world.submit("sft", { needs });
    const second = await world.submit("sft", { needs });
    await world.passUntilState(first.taskId, "RUNNING");
    world.lastStart().finish();
    await world.passUntilState(first.taskId, "SUCCEEDED");
    await world.pass();
    // It fits but for those seconds, so it keeps its place in the queue instead of waiting for resources.
    expect(await world.task(second.taskId)).toMatchObject({ state: "QUEUED", attempts: 0, waiting: { code: "cooling_down" } });
    await world.passFor(5_000);
    await world.passUntilState(second.taskId, "RUNNING");
  });
});
