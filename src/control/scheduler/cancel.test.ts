/** Cancel in every state (docs/protocol.md rules 3 and 8). */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeSchedulerWorld, readJobFile, type SchedulerWorld } from "../../../test/support/scheduler-world.ts";

let world: SchedulerWorld;
beforeEach(async () => {
  world = await makeSchedulerWorld();
});
afterEach(() => world.close());

describe("cancel of a task that waits", () => {
  it("QUEUED is CANCELED at once, and nothing ever reaches Ray", async () => {
    const { taskId } = await world.submit();
    expect((await world.cancel(taskId)).state).toBe("CANCELED");
    await world.passFor(10_000);
    expect(await world.task(taskId)).toMatchObject({ state: "CANCELED", attempts: 0, cancelActor: "user:alice", waiting: null });
    expect(world.ray.cluster.ledger.accepted).toEqual([]);
  });

  it("PENDING_RESOURCES is CANCELED at once", async () => {
    const { taskId } = await world.submit("sft", { needs: { nodes: 9, gpusPerNode: 1, cpusPerNode: 1 } });
    await world.passUntilState(taskId, "PENDING_RESOURCES");
    expect(await world.cancel(taskId)).toMatchObject({ state: "CANCELED", nextRunAt: null, waiting: null });
  });

  it("while it cools down after a loss it is CANCELED at once and never tried again", async () => {
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "RUNNING");
    world.lastStart().finish({ outcome: "self_fenced", exit_code: null });
    await world.passUntilState(taskId, "QUEUED");
    await world.cancel(taskId);
    await world.passFor(120_000);
    expect(world.starts).toHaveLength(1);
    expect((await world.task(taskId)).state).toBe("CANCELED");
  });
});

describe("cancel before the launcher started", () => {
  it("SUBMITTING, with Ray's answer unknown: CANCELED at once, and the job that Ray takes late runs nothing", async () => {
    world.ray.inject("submit", { kind: "drop" });
    const { taskId } = await world.submit();
    await world.pass();
    expect((await world.task(taskId)).state).toBe("SUBMITTING");
    await world.cancel(taskId);
    await world.pass();
    expect(await world.task(taskId)).toMatchObject({ state: "CANCELED", attempts: 1 });
    expect((await world.attempts(taskId))[0]).toMatchObject({ state: "CANCELED" });
    expect(JSON.parse(readJobFile(world, `${taskId}--a01`, "control/claim"))).toMatchObject({ by: "server", why: "cancel" });
  });

  it("SUBMITTED while Ray holds the job PENDING: CANCELED at once; the ghost that Ray starts later runs nothing", async () => {
    world.ray.cluster.pause();
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "SUBMITTED");
    await world.cancel(taskId);
    await world.pass();
    expect(await world.path(taskId)).toBe("QUEUED>SUBMITTING>SUBMITTED>CANCELED");
    expect(world.ray.cluster.ledger.stops).toEqual([`${taskId}--a01`]);
    expect(world.starts).toEqual([]);

    world.ray.cluster.resume();
    await world.passUntil(() => world.starts.length > 0);
    expect(world.lastStart().launcher.claim()).toBe(false);
    expect(readJobFile(world, `${taskId}--a01`, "logs/driver.log")).toBe("");
    await world.passFor(30_000);
    expect(await world.task(taskId)).toMatchObject({ state: "CANCELED", attempts: 1 });
    expect(world.ray.cluster.ledger.deletes).toEqual([`${taskId}--a01`]);
  });

  it("works while Ray's head is down", async () => {
    world.ray.cluster.pause();
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "SUBMITTED");
    await world.ray.down();
    await world.cancel(taskId);
    await world.pass();
    expect((await world.task(taskId)).state).toBe("CANCELED");
  });

  it("waits while storage is away, and says that cancel was requested", async () => {
    world.ray.cluster.pause();
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "SUBMITTED");
    world.breakStorage("all");
    await world.cancel(taskId);
    await world.passFor(20_000);
    const task = await world.task(taskId);
    expect(task).toMatchObject({ state: "SUBMITTED", waiting: { code: "storage_lost" } });
    expect(task.cancelRequestedAt).not.toBeNull();
    world.breakStorage(null);
    await world.passUntilState(taskId, "CANCELED");
  });

  it("a crash between the revoke and its record is repaired by reading the claim", async () => {
    world.ray.cluster.pause();
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "SUBMITTED");
    await world.cancel(taskId);
    world.onFailpoint((name) => {
      if (name === "after_status_before_commit") throw new Error("crash");
    });
    await world.pass();
    expect((await world.task(taskId)).state).toBe("SUBMITTED");
    world.onFailpoint(() => undefined);
    world.restart();
    await world.pass();
    expect((await world.task(taskId)).state).toBe("CANCELED");
  });
});

describe("cancel of a started attempt", () => {
  it("RUNNING: stop file and Ray's stop, and CANCELED only when the launcher has written its result", async () => {
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "RUNNING");
    await world.cancel(taskId);
    await world.pass();
    const start = world.lastStart();
    expect(start.launcher.stopSeen()).toBe("cancel");
    expect(start.isStopped()).toBe(true);
    expect(await world.task(taskId)).toMatchObject({ state: "RUNNING", endedAt: null });
    await world.passFor(10_000);
    expect((await world.task(taskId)).state).toBe("RUNNING");
    start.finish({ outcome: "stopped", exit_code: null, signal: "SIGTERM", stop_why: "cancel" });
    await world.passUntilState(taskId, "CANCELED");
    expect((await world.attempts(taskId))[0]).toMatchObject({ state: "CANCELED", signal: "SIGTERM", failure: null });
  });

  it("claimed, though not yet seen as RUNNING: the revoke loses, and the attempt is stopped like any other", async () => {
    world.setScript("manual");
    const { taskId } = await world.submit();
    await world.passUntil(() => world.starts.length > 0);
    expect((await world.task(taskId)).state).toBe("SUBMITTED");
    await world.cancel(taskId);
    world.lastStart().launcher.claim();
    await world.passUntil(() => world.lastStart().launcher.stopSeen() === "cancel");
    world.lastStart().finish({ outcome: "stopped", exit_code: null, signal: "SIGTERM" });
    await world.passUntilState(taskId, "CANCELED");
  });

  it("a result with exit 0 that came before the stop was seen is a success", async () => {
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "RUNNING");
    await world.cancel(taskId);
    world.lastStart().finish();
    await world.passUntilState(taskId, "SUCCEEDED");
  });

  it("a launcher that falls silent after the stop: CANCELED only after the quarantine", async () => {
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "RUNNING");
    await world.cancel(taskId);
    await world.passFor(75_000);
    expect(await world.task(taskId)).toMatchObject({ state: "RUNNING", waiting: { code: "quarantine" } });
    await world.passFor(20_000);
    expect(await world.task(taskId)).toMatchObject({ state: "CANCELED", attempts: 1 });
  });

  it("a cancel of an ended task changes nothing, twice is once", async () => {
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "RUNNING");
    const asked = await world.cancel(taskId);
    expect((await world.cancel(taskId)).version).toBe(asked.version);
    world.lastStart().finish();
    const ended = await world.passUntilState(taskId, "SUCCEEDED");
    expect(await world.cancel(taskId)).toEqual(ended);
  });
});
