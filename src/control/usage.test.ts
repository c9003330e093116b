import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AUDIT } from "../../test/support/audit-samples.ts";
import { makeSchedulerWorld, type SchedulerWorld } from "../../test/support/scheduler-world.ts";
import { newUser } from "../../test/support/task-samples.ts";
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

const gpuMs = async (userId: string): Promise<number> =>
  (await readUsage(world.deps, ADMIN, userId, 30)).reduce((sum, row) => sum + row.gpuMs, 0);

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
    expect((await readUsage(world.deps, ADMIN, null, 1)).map((row) => row.userId)).toEqual(["alice", "bob"]);
    expect((await readUsage(world.deps, user("bob"), "alice", 1)).map((row) => row.userId)).toEqual(["bob"]);
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
