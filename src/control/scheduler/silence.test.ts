/** Launchers that fall silent, results that come late, and storage that is away (docs/protocol.md rules 6 and 7). */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeSchedulerWorld, type SchedulerWorld, type Start } from "../../../test/support/scheduler-world.ts";

let world: SchedulerWorld;
beforeEach(async () => {
  world = await makeSchedulerWorld();
});
afterEach(() => world.close());

async function running(): Promise<{ readonly taskId: string; readonly start: Start }> {
  const { taskId } = await world.submit();
  await world.passUntilState(taskId, "RUNNING");
  return { taskId, start: world.lastStart() };
}

async function typesOf(taskId: string): Promise<readonly string[]> {
  return (await world.events(taskId)).map((event) => event.type);
}

describe("a launcher that falls silent", () => {
  it("is in quarantine after its self-fence, LOST after Q, and only then comes a02, which the old one is told", async () => {
    const { taskId, start } = await running();
    await world.passFor(25_000);
    expect((await world.task(taskId)).waiting).toBeNull();
    await world.passFor(15_000);
    const quarantined = await world.task(taskId);
    expect(quarantined).toMatchObject({ state: "RUNNING", attempts: 1, waiting: { code: "quarantine" } });
    expect(quarantined.waiting?.until).toBeGreaterThan(world.clock.now());
    expect((await world.attempts(taskId))[0]?.quarantined).toBe(true);
    await world.passFor(30_000);
    expect((await world.task(taskId)).attempts).toBe(1);
    expect(start.launcher.stopSeen()).toBeNull();

    await world.passFor(20_000);
    expect((await world.attempts(taskId))[0]).toMatchObject({ state: "LOST", quarantined: false, failure: { label: "node_lost" } });
    expect(await world.task(taskId)).toMatchObject({ state: "QUEUED", attempts: 1, waiting: { code: "cooling_down" } });
    await world.passFor(40_000);
    expect(await world.task(taskId)).toMatchObject({ state: "RUNNING", attempts: 2 });
    expect(start.launcher.stopSeen()).toBe("superseded");
    expect(world.starts.map((each) => each.submissionId)).toEqual([`${taskId}--a01`, `${taskId}--a02`]);
  });

  it("that beats again leaves quarantine and goes on as if nothing had been", async () => {
    const { taskId, start } = await running();
    await world.passFor(50_000);
    start.launcher.beat();
    await world.passFor(10_000);
    expect(await world.task(taskId)).toMatchObject({ state: "RUNNING", waiting: null });
    expect((await typesOf(taskId)).filter((type) => type.startsWith("quarantine"))).toEqual(["quarantine_started", "quarantine_ended"]);
    await world.passFor(25_000);
    expect(await world.attempts(taskId)).toHaveLength(1);
    start.finish();
    await world.passUntilState(taskId, "SUCCEEDED");
  });

  it("is judged by the time at which its lease was read, however long Ray then takes to answer", async () => {
    const { taskId, start } = await running();
    await world.passFor(24_000);
    const ray = world.deps.ray as { get: SchedulerWorld["deps"]["ray"]["get"] };
    const { get } = ray;
    ray.get = async (...args) => {
      for (let ms = 0; ms < 10_000; ms += 2_000) {
        world.clock.advance(2_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
      start.launcher.beat();
      return await get(...args);
    };
    await world.pass();
    ray.get = get;
    await world.passFor(2_000);
    expect(await world.task(taskId)).toMatchObject({ state: "RUNNING", waiting: null });
    expect(await typesOf(taskId)).not.toContain("quarantine_started");
  });

  it("that never beat once after its claim is silent from the claim on", async () => {
    world.setScript("manual");
    const { taskId } = await world.submit();
    await world.passUntil(() => world.starts.length > 0);
    world.lastStart().launcher.claim();
    await world.passFor(100_000);
    expect((await world.attempts(taskId))[0]?.state).toBe("LOST");
  });

  it("without containment is never given up by the clock", async () => {
    world.setScript("manual");
    const { taskId } = await world.submit();
    await world.passUntil(() => world.starts.length > 0);
    world.lastStart().launcher.claim("group");
    await world.passFor(300_000);
    expect(await world.task(taskId)).toMatchObject({ state: "RUNNING", attempts: 1, waiting: { code: "quarantine", until: null } });
  });

  it("a restart of the server within quarantine starts the time anew", async () => {
    const { taskId } = await running();
    await world.passFor(70_000);
    world.restart();
    await world.passFor(70_000);
    expect((await world.attempts(taskId))[0]?.state).toBe("RUNNING");
    await world.passFor(20_000);
    expect((await world.attempts(taskId))[0]?.state).toBe("LOST");
  });

  it("is not said to live again because the server was restarted, and the wait that is shown is the new one", async () => {
    const { taskId } = await running();
    await world.passFor(70_000);
    world.restart();
    await world.passFor(60_000);
    expect((await typesOf(taskId)).filter((type) => type.startsWith("quarantine"))).toEqual(["quarantine_started"]);
    const { waiting } = await world.task(taskId);
    expect(waiting).toMatchObject({ code: "quarantine" });
    expect(waiting?.until).toBeGreaterThan(world.clock.now());
    await world.passUntil(async () => (await world.attempts(taskId))[0]?.state === "LOST");
    expect(Math.abs((waiting?.until ?? 0) - world.clock.now())).toBeLessThan(20_000);
  });

  it("loses its task for good after five losses, with what to do", async () => {
    world.setScript("manual");
    const { taskId } = await world.submit();
    for (let attempt = 1; attempt <= 6; attempt += 1) {
      await world.passUntil(() => world.starts.length === attempt, 10_000, 200);
      world.lastStart().launcher.claim();
      world.lastStart().finish({ outcome: "self_fenced", exit_code: null });
      await world.passUntil(async () => ["QUEUED", "FAILED"].includes((await world.task(taskId)).state));
    }
    expect(await world.task(taskId)).toMatchObject({ state: "FAILED", attempts: 6, failure: { label: "node_lost", retryable: false } });
    expect((await world.attempts(taskId)).map((each) => each.attempt)).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

describe("a result that comes late", () => {
  it("during quarantine ends the attempt by itself", async () => {
    const { taskId, start } = await running();
    await world.passFor(60_000);
    start.launcher.writeResult({ exit_code: 0 });
    await world.passUntilState(taskId, "SUCCEEDED");
    expect(await world.attempts(taskId)).toHaveLength(1);
  });

  it("after LOST, but before a new attempt exists, closes the task", async () => {
    const { taskId, start } = await running();
    await world.passFor(90_000);
    expect((await world.task(taskId)).state).toBe("QUEUED");
    start.launcher.writeResult();
    await world.passFor(40_000);
    expect(await world.task(taskId)).toMatchObject({ state: "SUCCEEDED", attempts: 1 });
    expect((await world.attempts(taskId))[0]?.state).toBe("SUCCEEDED");
    expect(await typesOf(taskId)).toContain("late_result");
    expect(start.launcher.stopSeen()).toBeNull();
  });

  it("after the new attempt exists changes nothing", async () => {
    const { taskId, start } = await running();
    await world.passFor(140_000);
    expect((await world.task(taskId)).attempts).toBe(2);
    start.launcher.writeResult();
    world.lastStart().launcher.beat();
    await world.passFor(20_000);
    expect(await world.task(taskId)).toMatchObject({ state: "RUNNING", attempts: 2 });
    expect((await world.attempts(taskId))[0]?.state).toBe("LOST");
  });

  it("of a server that was down for hours ends the attempt with the launcher's own times", async () => {
    const { taskId, start } = await running();
    world.clock.advance(60_000);
    start.finish();
    const endedAt = world.clock.now();
    world.clock.advance(3 * 3_600_000);
    world.restart();
    const task = await world.passUntilState(taskId, "SUCCEEDED");
    expect(task.endedAt).toBe(endedAt);
  });

  it("with a wall clock ten years off is bounded by what the server saw", async () => {
    const { taskId, start } = await running();
    const now = world.clock.now();
    world.clock.setWall(0);
    start.launcher.writeResult();
    world.clock.setWall(now + 5_000);
    const task = await world.passUntilState(taskId, "SUCCEEDED");
    expect(task.endedAt).toBe(task.startedAt);
  });
});

describe("storage that is away", () => {
  it("is no verdict: no loss, no new attempt, however long; and it is said", async () => {
    const { taskId, start } = await running();
    world.breakStorage("all");
    await world.passFor(300_000);
    expect(await world.task(taskId)).toMatchObject({ state: "RUNNING", attempts: 1, waiting: { code: "storage_lost" } });
    world.breakStorage(null);
    start.launcher.beat();
    await world.passFor(10_000);
    expect(await world.task(taskId)).toMatchObject({ state: "RUNNING", waiting: null });
  });

  it("the time it was away does not count as silence", async () => {
    const { taskId } = await running();
    await world.passFor(40_000);
    world.breakStorage("all");
    await world.passFor(300_000);
    world.breakStorage(null);
    await world.passFor(20_000);
    expect(await world.task(taskId)).toMatchObject({ state: "RUNNING", waiting: { code: "quarantine" } });
    await world.passFor(40_000);
    expect((await world.attempts(taskId))[0]?.state).toBe("LOST");
  });

  it("readable but not writable (no probe) gives nobody up", async () => {
    const { taskId } = await running();
    world.breakStorage(new Set(["probe"]));
    await world.passFor(300_000);
    expect((await world.attempts(taskId))[0]?.state).toBe("RUNNING");
  });

  it("starts nothing new, and says why", async () => {
    world.breakStorage("all");
    const { taskId } = await world.submit();
    await world.passFor(10_000);
    expect(await world.task(taskId)).toMatchObject({ state: "QUEUED", attempts: 0, waiting: { code: "storage_lost" } });
    world.breakStorage(null);
    await world.passUntilState(taskId, "RUNNING");
  });

  it("a log that can't be read delays no end", async () => {
    const { taskId, start } = await running();
    start.finish({ exit_code: 1 });
    world.breakStorage(new Set(["tailLog", "readMetrics"]));
    await world.passUntilState(taskId, "FAILED");
  });
});
