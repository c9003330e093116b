/** What an operator says: the queue is paused, an attempt is dead. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BY_ADMIN } from "../../../test/support/audit-samples.ts";
import { makeSchedulerWorld, type SchedulerWorld } from "../../../test/support/scheduler-world.ts";
import { declareDead, pauseQueue, resumeQueue } from "../operate.ts";

let world: SchedulerWorld;
beforeEach(async () => {
  world = await makeSchedulerWorld();
});
afterEach(() => world.close());

/** A running attempt that the clock alone never gives up. */
async function uncontained(): Promise<{ readonly taskId: string; readonly submissionId: string }> {
  world.setScript("manual");
  const { taskId } = await world.submit();
  await world.passUntil(() => world.starts.length > 0);
  world.lastStart().launcher.claim("group");
  await world.passUntilState(taskId, "RUNNING");
  return { taskId, submissionId: `${taskId}--a01` };
}

describe("a pause of the queue", () => {
  it("starts nothing, says why to who waits, and lets what runs go on; after it things go on", async () => {
    const running = await world.submit();
    await world.passUntilState(running.taskId, "RUNNING");
    await pauseQueue(world.deps, "new drivers", BY_ADMIN);
    const { taskId } = await world.submit();
    await world.passFor(5_000);
    expect(await world.task(taskId)).toMatchObject({
      state: "QUEUED",
      waiting: { code: "paused", text: "the queue is paused by the admin: new drivers" },
    });
    world.lastStart().finish();
    await world.passUntilState(running.taskId, "SUCCEEDED");
    expect(world.starts).toHaveLength(1);
    await resumeQueue(world.deps, BY_ADMIN);
    await world.passUntilState(taskId, "RUNNING");
  });

  it("is the scheduler's after a restart too, and a cancel works in it", async () => {
    await pauseQueue(world.deps, null, BY_ADMIN);
    const { taskId } = await world.submit();
    world.restart();
    await world.passFor(3_000);
    expect((await world.task(taskId)).waiting?.text).toBe("the queue is paused by the admin");
    await world.cancel(taskId);
    expect((await world.task(taskId)).state).toBe("CANCELED");
  });
});

describe("an attempt that is declared dead", () => {
  it("ends as LOST though its processes are not contained, is told so, and the task starts anew", async () => {
    const { taskId, submissionId } = await uncontained();
    await world.passFor(200_000);
    expect((await world.task(taskId)).waiting).toMatchObject({ code: "quarantine", until: null });
    await declareDead(world.deps, submissionId, "w3 is off", BY_ADMIN);
    await world.pass();
    expect((await world.attempts(taskId))[0]).toMatchObject({ state: "LOST", declaredDead: { actor: "admin", reason: "w3 is off" } });
    world.setScript("run");
    await world.passUntilState(taskId, "SUCCEEDED");
    expect(world.starts[0]?.launcher.stopSeen()).toBe("superseded");
    expect((await world.events(taskId)).map(({ type, actor }) => [type, actor])).toContainEqual(["declared_dead", "admin"]);
  });

  it("is still followed when its launcher beats after all: the word of an operator is no proof against a sign of life", async () => {
    const { taskId, submissionId } = await uncontained();
    await world.passFor(60_000);
    world.lastStart().launcher.beat();
    await declareDead(world.deps, submissionId, "guessed", BY_ADMIN);
    await world.passFor(20_000);
    expect((await world.task(taskId)).attempts).toBe(1);
    expect((await world.attempts(taskId))[0]?.state).toBe("RUNNING");
  });

  it("can be one whose directory is gone: the task does not wait for it for ever", async () => {
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "RUNNING");
    rmSync(join(world.root, "users/alice/jobs", `${taskId}--a01`), { recursive: true });
    await world.passFor(200_000);
    expect((await world.task(taskId)).waiting?.code).toBe("storage_lost");
    await declareDead(world.deps, `${taskId}--a01`, "its directory was removed and its node restarted", BY_ADMIN);
    world.setScript("run");
    await world.passUntilState(taskId, "SUCCEEDED");
    expect((await world.attempts(taskId)).map(({ state }) => state)).toEqual(["LOST", "SUCCEEDED"]);
  });

  it("waits for storage that hangs: without it nobody can be told to stop", async () => {
    const { taskId, submissionId } = await uncontained();
    await world.passFor(60_000);
    await declareDead(world.deps, submissionId, "w3 is off", BY_ADMIN);
    world.breakStorage("all");
    await world.passFor(60_000);
    expect((await world.attempts(taskId))[0]?.state).toBe("RUNNING");
  });

  it("may be no other than a silent one", async () => {
    world.setScript("manual");
    const { taskId } = await world.submit();
    const submissionId = `${taskId}--a01`;
    const declare = (): Promise<unknown> => declareDead(world.deps, submissionId, "why", BY_ADMIN);
    await expect(declare()).rejects.toMatchObject({ code: "not_found" });
    await world.passUntil(() => world.starts.length > 0);
    await expect(declare()).rejects.toMatchObject({ code: "wrong_state", message: expect.stringContaining("has not started") });
    world.lastStart().launcher.claim();
    world.lastStart().launcher.beat();
    await world.passUntilState(taskId, "RUNNING");
    await expect(declare()).rejects.toMatchObject({ code: "wrong_state", message: expect.stringContaining("signs of life") });
    world.lastStart().finish();
    await world.passUntilState(taskId, "SUCCEEDED");
    await expect(declare()).rejects.toMatchObject({ code: "wrong_state", message: expect.stringContaining("has ended") });
    await expect(declareDead(world.deps, "nonsense", "why", BY_ADMIN)).rejects.toMatchObject({ code: "not_found" });
  });
});
