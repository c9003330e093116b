/** New tasks, their idempotency keys and the limit of a user. */
import { describe, expect, it } from "vitest";
import type { TaskFilter } from "../../src/control/ports.ts";
import { type StoreFixture, taskOfOutcome } from "./store-fixture.ts";
import { CREATED, moved, moveTo, newTask, NOW } from "./task-samples.ts";

const ALL: TaskFilter = { userId: null, states: null, workload: null, labels: {} };
const DAY = 24 * 3600 * 1000;

export function submissionSuite(on: StoreFixture): void {
  describe("a new task", () => {
    it("comes back as it was given, with its first event and its place in the queue", async () => {
      const given = newTask("t1", { labels: { team: "rl" }, name: "first", deadline: NOW + 5, maxRuntimeMs: 7, priority: -3 });
      const task = taskOfOutcome(await on.insert(given));
      expect(task).toMatchObject({ ...given, state: "QUEUED", version: 1, attempts: 0, held: false, nextRunAt: null, waiting: null });
      expect(await on.store.tasks.get("t1")).toEqual(task);
      expect(await on.store.tasks.events("t1", 0, 10)).toEqual({
        rows: [{ ...CREATED, taskId: "t1", seq: 1, at: NOW, from: null, to: "QUEUED" }],
        hasMore: false,
      });
      expect((await on.created("t2")).seq).toBeGreaterThan(task.seq);
    });

    it("is refused whole when its id was used before", async () => {
      await on.created("t1");
      await expect(on.insert(newTask("t1", { userId: "bob" }))).rejects.toThrow(/unique/i);
      expect((await on.store.tasks.get("t1"))?.userId).toBe("alice");
      expect((await on.store.tasks.countByState()).QUEUED).toBe(1);
      expect((await on.store.tasks.events("t1", 0, 10)).rows).toHaveLength(1);
    });

    it("keeps emoji, quotes, percent signs and 16 KiB of specification", async () => {
      const specText = `# "it's" 100% \\ \u{1f642} \u{10ffff} é\r\n\t${"训".repeat(5000)}`.padEnd(16_384, "x");
      const labels = { 'quo"te': "a'b", "per%": "_", "\u{1f642}": "\u{1f643}", "": "" };
      const task = await on.created("t1", { specText, labels, name: "'; drop table tasks; --" });
      expect(await on.store.tasks.get("t1")).toEqual({ ...task, specText, labels, name: "'; drop table tasks; --" });
      for (const [key, value] of Object.entries(labels)) {
        expect((await on.store.tasks.list({ ...ALL, labels: { [key]: value } }, null, 5)).rows).toHaveLength(1);
      }
      expect((await on.store.tasks.list({ ...ALL, labels: { "per%": "x" } }, null, 5)).rows).toEqual([]);
    });

    it.each(["a\0b", "a\ud800b"])("is refused when a text holds what a database cannot keep: %j", async (text) => {
      await expect(on.insert(newTask("t1", { specText: text }))).rejects.toThrow(/NUL/);
      await expect(on.insert(newTask("t1", { labels: { k: text } }))).rejects.toThrow(/NUL/);
      await expect(on.insert(newTask("t1", { labels: { [text]: "v" } }))).rejects.toThrow(/NUL/);
      await expect(on.insert(newTask(text))).rejects.toThrow(/NUL/);
      expect(await on.store.tasks.get(text)).toBeNull();
      expect(await on.store.tasks.find(text, null)).toEqual([]);
      expect(await on.store.tasks.attempts(text)).toEqual([]);
      expect((await on.store.tasks.list({ ...ALL, userId: text }, null, 5)).rows).toEqual([]);
      expect(await on.store.users.getUser(text)).toBeNull();
    });

    it("keeps NUL inside the data of an event, which is JSON", async () => {
      const task = await on.created("t1");
      await on.applied({ taskId: "t1", version: task.version, epoch: null, at: NOW, events: [{ ...moved("x"), data: { text: "a\0b" } }] });
      expect((await on.store.tasks.events("t1", 1, 1)).rows[0]?.data).toEqual({ text: "a\0b" });
    });
  });

  describe("an idempotency key", () => {
    const key = { key: "k1", bodyHash: "h1" };

    it("gives the first answer again and makes no second task", async () => {
      await on.insert(newTask("t1"), key);
      expect(await on.insert(newTask("t2"), key)).toEqual({ kind: "replayed", answer: "answer of t1" });
      expect(await on.store.tasks.get("t2")).toBeNull();
    });

    it("is refused for another body, and is another user's own", async () => {
      await on.insert(newTask("t1"), key);
      expect(await on.insert(newTask("t2"), { key: "k1", bodyHash: "h2" })).toEqual({ kind: "key_reused" });
      expect((await on.insert(newTask("t3", { userId: "bob" }), key)).kind).toBe("created");
    });

    it("admits one of many that arrive together", async () => {
      const outcomes = await Promise.all([1, 2, 3, 4, 5].map(async (n) => await on.insert(newTask(`t${n}`), key)));
      expect(outcomes.map((outcome) => outcome.kind).sort()).toEqual(["created", "replayed", "replayed", "replayed", "replayed"]);
      expect(await on.store.tasks.listOpen()).toHaveLength(1);
    });

    it("is forgotten after seven days, and not before", async () => {
      await on.insert(newTask("t1"), key);
      expect((await on.insert(newTask("t2", { createdAt: NOW + 7 * DAY - 1 }), key)).kind).toBe("replayed");
      expect((await on.insert(newTask("t3", { createdAt: NOW + 7 * DAY }), key)).kind).toBe("created");
    });

    it("is not used up by a task that the user's limit refused", async () => {
      await on.insert(newTask("t1"), null);
      expect((await on.insert(newTask("t2"), key, { maxQueued: 1 })).kind).toBe("user_limit");
      expect((await on.insert(newTask("t2"), key, { maxQueued: 2 })).kind).toBe("created");
    });
  });

  it("counts the waiting tasks of the user only, also those of the same transaction", async () => {
    await on.created("other", { userId: "bob" });
    await on.started("live");
    const outcomes = await Promise.all([1, 2, 3, 4].map(async (n) => await on.insert(newTask(`t${n}`), null, { maxQueued: 3 })));
    expect(outcomes.map((outcome) => outcome.kind)).toEqual(["created", "created", "created", "user_limit"]);
    expect(outcomes[3]).toEqual({ kind: "user_limit", limit: "max_queued", value: 3, count: 3, freeInMs: null });
    expect(await on.insert(newTask("t9"), null, { maxQueued: 0 })).toEqual({
      kind: "user_limit",
      limit: "max_queued",
      value: 0,
      count: 3,
      freeInMs: null,
    });
  });

  describe("submits_per_minute", () => {
    const MINUTE = 60_000;
    const perMinute = async (taskId: string, submitsPerMinute: number, createdAt: number) =>
      await on.insert(newTask(taskId, { createdAt }), null, { submitsPerMinute });

    it("lets no more than its number into any minute, however many come at once", async () => {
      const outcomes = await Promise.all([1, 2, 3, 4, 5, 6, 7].map(async (n) => await perMinute(`t${n}`, 3, NOW)));
      expect(outcomes.filter((outcome) => outcome.kind === "created")).toHaveLength(3);
      expect(outcomes[6]).toEqual({ kind: "user_limit", limit: "submits_per_minute", value: 3, count: 3, freeInMs: MINUTE });
    });

    it("frees a place when the oldest of them is a minute old, and says when that is", async () => {
      for (const [at, id] of [0, 20_000, 40_000].entries()) await perMinute(`t${at}`, 3, NOW + id);
      expect(await perMinute("t4", 3, NOW + MINUTE - 1)).toMatchObject({ kind: "user_limit", freeInMs: 1 });
      expect((await perMinute("t4", 3, NOW + MINUTE)).kind).toBe("created");
      expect(await perMinute("t5", 3, NOW + MINUTE)).toMatchObject({ kind: "user_limit", freeInMs: 20_000 });
    });

    it("counts tasks that have ended, and not those of others", async () => {
      await on.applied(moveTo(await on.created("t1"), "CANCELED"));
      await on.created("b1", { userId: "bob" });
      expect((await perMinute("t2", 1, NOW)).kind).toBe("user_limit");
      expect((await perMinute("t2", 2, NOW)).kind).toBe("created");
    });

    it("of 0 lets nothing in, at no time", async () => {
      expect(await perMinute("t1", 0, NOW)).toEqual({
        kind: "user_limit",
        limit: "submits_per_minute",
        value: 0,
        count: 0,
        freeInMs: null,
      });
    });

    it("locks nobody out whose clock was set back, and bears the clock of another server", async () => {
      await perMinute("t1", 1, NOW + 3_600_000);
      expect((await perMinute("t2", 1, NOW)).kind).toBe("created");
      expect(await perMinute("t3", 1, NOW - 500)).toMatchObject({ kind: "user_limit", freeInMs: MINUTE + 500 });
    });

    it("is told without an insert, as the insert would tell it", async () => {
      const limits = { maxQueued: 2, submitsPerMinute: 1, maxStorageGib: null };
      expect(await on.store.tasks.limitReached("alice", limits, NOW)).toBeNull();
      await on.created("t1");
      expect(await on.store.tasks.limitReached("alice", limits, NOW + 1)).toMatchObject({ limit: "submits_per_minute", value: 1 });
      expect(await on.store.tasks.limitReached("alice", limits, NOW + MINUTE)).toBeNull();
      await on.created("t2");
      expect(await on.store.tasks.limitReached("alice", limits, NOW + 1)).toMatchObject({ limit: "max_queued", value: 2, count: 2 });
      expect(await on.store.tasks.limitReached("bob", limits, NOW + 1)).toBeNull();
    });
  });
}
