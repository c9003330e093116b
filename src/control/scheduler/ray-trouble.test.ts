/** Everything Ray may do to a submission, and still each attempt starts at most once and the task ends right. */
import { afterEach, describe, expect, it } from "vitest";
import { makeSchedulerWorld, type SchedulerWorld, type WorldOptions } from "../../../test/support/scheduler-world.ts";
import type { Fault } from "../../../test/support/fake-ray.ts";

let world: SchedulerWorld;
afterEach(() => world.close());

async function start(options: WorldOptions = {}): Promise<void> {
  world = await makeSchedulerWorld(options);
}

describe("Ray is down", () => {
  it("a submission queues and says why, and runs by itself when Ray comes", async () => {
    await start({ rayDown: true, script: "run" });
    const { taskId } = await world.submit();
    await world.passFor(120_000);
    expect(await world.task(taskId)).toMatchObject({ state: "QUEUED", attempts: 0, waiting: { code: "head_lost" } });
    await world.ray.up();
    await world.passUntilState(taskId, "SUCCEEDED");
    expect(await world.path(taskId)).toBe("QUEUED>SUBMITTING>SUBMITTED>RUNNING>SUCCEEDED");
  });

  it("a submitted attempt waits for the head and stops saying so when it is back", async () => {
    await start();
    world.ray.cluster.pause();
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "SUBMITTED");
    await world.ray.down();
    await world.passFor(200_000);
    expect(await world.task(taskId)).toMatchObject({ state: "SUBMITTED", waiting: { code: "head_lost" } });
    await world.ray.up();
    await world.pass();
    expect(await world.task(taskId)).toMatchObject({ state: "SUBMITTED", waiting: null });
    world.ray.cluster.resume();
    await world.passUntilState(taskId, "RUNNING");
  });

  it("a running attempt is followed through its files to its end", async () => {
    await start();
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "RUNNING");
    await world.ray.down();
    world.lastStart().launcher.writeMetrics({ step: 4, data: { "train/loss": 0.5 } });
    await world.pass();
    expect(await world.task(taskId)).toMatchObject({ state: "RUNNING", waiting: null, progress: { step: 4 } });
    world.lastStart().finish();
    await world.passUntilState(taskId, "SUCCEEDED");
  });
});

describe("one POST, whatever came back", () => {
  const faults: readonly [string, Fault][] = [
    ["lost before Ray saw it", { kind: "drop" }],
    ["carried out, and the answer lost", { kind: "accept_then_drop" }],
    ["carried out, and the answer cut", { kind: "truncated" }],
    ["answered 500 by a proxy", { kind: "answer", status: 500, body: "bad gateway" }],
    ["answered 200 with a page", { kind: "answer", status: 200, body: "<html>", contentType: "text/html" }],
    ["answered with a redirect", { kind: "answer", status: 302, body: "", location: "http://127.0.0.1:1/" }],
  ];
  it.each(faults)("%s", async (_, fault) => {
    await start({ script: "run" });
    world.ray.inject("submit", fault);
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "SUCCEEDED");
    expect((await world.attempts(taskId)).map((attempt) => attempt.attempt)).toEqual([1]);
    expect(world.ray.cluster.ledger.starts).toEqual([`${taskId}--a01`]);
  });

  it("a duplicate that Ray answers with 500 is asked for, not posted for ever", async () => {
    await start();
    world.ray.cluster.pause();
    world.ray.inject("submit", { kind: "accept_then_drop" });
    world.ray.inject("get", { kind: "absent" });
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "SUBMITTED");
    expect(world.ray.cluster.ledger).toMatchObject({ accepted: [`${taskId}--a01`], duplicates: [`${taskId}--a01`] });
  });

  it("accepted after we had given up waiting: whichever of the two POSTs comes first starts it, once", async () => {
    await start({ rayTotalMs: 150, script: "run" });
    world.ray.inject("submit", { kind: "late_accept", ms: 400 });
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "SUCCEEDED");
    await expect.poll(() => world.ray.cluster.ledger.duplicates, { timeout: 10_000 }).toEqual([`${taskId}--a01`]);
    expect(world.ray.cluster.ledger.starts).toEqual([`${taskId}--a01`]);
  });

  it("accepted late, after a cancel: CANCELED, and the job that appears runs nothing", async () => {
    await start({ rayTotalMs: 150 });
    world.ray.inject("submit", { kind: "late_accept", ms: 400 });
    const { taskId } = await world.submit();
    await world.pass();
    await world.cancel(taskId);
    await world.pass();
    expect((await world.task(taskId)).state).toBe("CANCELED");
    await expect.poll(() => world.starts.length, { timeout: 10_000 }).toBe(1);
    expect(world.lastStart().launcher.claim()).toBe(false);
  });

  it("a Ray that accepts a job and then denies it is not asked without a pause", async () => {
    await start();
    world.ray.cluster.pause();
    world.ray.inject("get", { kind: "absent" }, 1_000);
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "SUBMITTED");
    expect(await world.loop.once(new AbortController().signal)).toBe(false);
  });

  it("a head that answers 500 to a GET decides nothing; the start time-out does, by the claim", async () => {
    await start();
    world.ray.cluster.pause();
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "SUBMITTED");
    world.ray.inject("get", { kind: "answer", status: 500, body: "x" }, 1_000);
    await world.passFor(290_000);
    expect(await world.task(taskId)).toMatchObject({ state: "SUBMITTED", attempts: 1 });
    await world.passFor(20_000);
    expect((await world.attempts(taskId))[0]).toMatchObject({ state: "NEVER_STARTED", failure: null });
    expect(await world.files.look("alice", `${taskId}--a01`)).toMatchObject({ claim: { by: "server", why: "start_timeout" } });
  });

  it("a head that refuses a job again and again keeps the slot for no longer than the start time-out", async () => {
    await start();
    world.ray.inject("submit", { kind: "answer", status: 500, body: "No available agent" }, 100_000);
    const { taskId } = await world.submit();
    const given = async () => (await world.attempts(taskId)).map((each) => each.state);
    await world.passUntil(async () => (await given()).filter((state) => state === "NEVER_STARTED").length === 2, 5_000, 300);
    expect(await given()).toEqual(["NEVER_STARTED", "NEVER_STARTED"]);
    expect(await world.task(taskId)).toMatchObject({ state: "QUEUED", waiting: { code: "cooling_down" } });
  });
});

describe("a head that lost its memory", () => {
  it("before the claim: the attempt is revoked and a new one made at once, without cost; the old one, started after all, runs nothing", async () => {
    await start();
    world.ray.cluster.pause();
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "SUBMITTED");
    world.ray.cluster.amnesia();
    await world.pass();
    const [first, second] = await world.attempts(taskId);
    expect(first).toMatchObject({ state: "NEVER_STARTED", failure: null });
    expect(second).toMatchObject({ attempt: 2, state: "SUBMITTED", submissionId: `${taskId}--a02` });
    expect(second?.raySession).toBe(world.ray.cluster.session());
    world.ray.cluster.resume();
    await world.passUntilState(taskId, "RUNNING");
    expect(world.starts.map((each) => each.submissionId)).toEqual([`${taskId}--a02`]);
    expect(await world.files.look("alice", `${taskId}--a01`)).toMatchObject({ claim: { by: "server", why: "ray_lost" } });
  });

  it("each time again: the second time in a row the next attempt waits, so that flapping heads are not fed without a pause", async () => {
    await start();
    world.ray.cluster.pause();
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "SUBMITTED");
    for (let i = 0; i < 20; i += 1) {
      world.ray.cluster.amnesia();
      await world.passFor(1_000);
    }
    expect(await world.task(taskId)).toMatchObject({ state: "QUEUED", attempts: 2, waiting: { code: "cooling_down" } });
    await world.passFor(40_000);
    expect(await world.task(taskId)).toMatchObject({ state: "SUBMITTED", attempts: 3 });
    expect((await world.attempts(taskId)).every((each) => each.failure === null)).toBe(true);
  });

  it("after the claim: the attempt is followed by its files, and there is no second one", async () => {
    await start();
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "RUNNING");
    world.ray.cluster.amnesia();
    for (let i = 0; i < 10; i += 1) {
      world.lastStart().launcher.beat();
      await world.passFor(5_000);
    }
    expect(await world.task(taskId)).toMatchObject({ state: "RUNNING", attempts: 1, waiting: null });
    world.lastStart().finish();
    await world.passUntilState(taskId, "SUCCEEDED");
    expect(world.starts).toHaveLength(1);
  });

  it("claimed a moment before the revoke: the revoke loses and the attempt goes on", async () => {
    await start({ script: "manual" });
    const { taskId } = await world.submit();
    await world.passUntil(() => world.starts.length > 0);
    world.ray.cluster.amnesia();
    world.lastStart().launcher.claim();
    await world.passUntilState(taskId, "RUNNING");
    expect(await world.attempts(taskId)).toHaveLength(1);
  });

  it("a restored head that lost a PENDING job: after the start time-out a new attempt; the old one never runs", async () => {
    await start();
    world.ray.cluster.pause();
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "SUBMITTED");
    world.ray.cluster.losePending();
    world.ray.cluster.resume();
    await world.passFor(290_000);
    expect((await world.task(taskId)).attempts).toBe(1);
    await world.passFor(30_000);
    await world.passUntilState(taskId, "RUNNING");
    expect((await world.attempts(taskId)).map((attempt) => attempt.state)).toEqual(["NEVER_STARTED", "RUNNING"]);
    expect(world.starts.map((each) => each.submissionId)).toEqual([`${taskId}--a02`]);
  });
});

describe("Ray's word about a started attempt", () => {
  it.each(["FAILED", "STOPPED", "SUCCEEDED"] as const)("%s is no verdict while the launcher lives; it is noted once", async (status) => {
    await start();
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "RUNNING");
    world.ray.inject("get", { kind: "record", patch: { status, message: "so says Ray" } }, 1_000);
    for (let i = 0; i < 30; i += 1) {
      world.lastStart().launcher.beat();
      await world.passFor(5_000);
    }
    expect(await world.task(taskId)).toMatchObject({ state: "RUNNING", attempts: 1 });
    expect((await world.events(taskId)).filter((event) => event.type === "ray_disagrees")).toHaveLength(1);
    world.lastStart().finish();
    await world.passUntilState(taskId, "SUCCEEDED");
  });

  it("a node that Ray lost while its launcher goes on is no loss", async () => {
    await start();
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "RUNNING");
    world.ray.cluster.loseNode("worker-1", false);
    for (let i = 0; i < 30; i += 1) {
      world.lastStart().launcher.beat();
      await world.passFor(5_000);
    }
    expect(await world.task(taskId)).toMatchObject({ state: "RUNNING", attempts: 1 });
    world.lastStart().launcher.writeResult();
    await world.passUntilState(taskId, "SUCCEEDED");
  });
});
