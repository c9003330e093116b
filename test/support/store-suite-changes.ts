/** The one way to change a task, alone and with others in one transaction. */
import { describe, expect, it } from "vitest";
import type { Task } from "../../src/domain/types.ts";
import type { StoreFixture } from "./store-fixture.ts";
import { moved, moveTo, newAttempt, newTask, NOW } from "./task-samples.ts";

export function changeSuite(on: StoreFixture): void {
  describe("a change", () => {
    it("writes state, patch, events and attempt together and raises the version", async () => {
      const task = await on.started("t1");
      expect(task).toMatchObject({ state: "SUBMITTING", version: 2, attempts: 1 });
      const failure = { label: "oom", blame: "user", retryable: false, text: "out of memory", fix: "smaller batch" } as const;
      const ended = await on.applied(
        moveTo(task, "FAILED", {
          at: NOW + 5,
          patch: { failure, endedAt: NOW + 5 },
          events: [{ ...moved("oom"), attempt: 1, type: "attempt_ended" }, moved("oom")],
          attempt: { attempt: 1, patch: { state: "FAILED", failure, exitCode: 137, signal: null, node: "n1", endedAt: NOW + 5 } },
        }),
      );
      expect(ended).toMatchObject({ state: "FAILED", version: 3, failure, endedAt: NOW + 5 });
      expect(await on.store.tasks.get("t1")).toEqual(ended);
      expect(await on.store.tasks.attempts("t1")).toMatchObject([
        { attempt: 1, submissionId: "t1--a01", state: "FAILED", failure, exitCode: 137, node: "n1", quarantined: false, userId: "alice" },
      ]);
      const { rows } = await on.store.tasks.events("t1", 0, 10);
      expect(rows.map(({ seq, from, to, type }) => [seq, from, to, type])).toEqual([
        [1, null, "QUEUED", "created"],
        [2, "QUEUED", "SUBMITTING", "state_changed"],
        [3, "SUBMITTING", "FAILED", "attempt_ended"],
        [4, null, null, "state_changed"],
      ]);
    });

    it("of two made on the same version, one is applied and the other finds itself stale", async () => {
      const task = await on.created("t1");
      const outcomes = await Promise.all([
        on.store.tasks.change(moveTo(task, "SUBMITTING", { newAttempt: newAttempt(task, 1) })),
        on.store.tasks.change(moveTo(task, "CANCELED")),
      ]);
      expect(outcomes.map((outcome) => outcome.kind).sort()).toEqual(["applied", "stale"]);
      expect((await on.store.tasks.events("t1", 0, 10)).rows).toHaveLength(2);
      const now = await on.store.tasks.get("t1");
      expect(await on.store.tasks.attempts("t1")).toHaveLength(now?.state === "SUBMITTING" ? 1 : 0);
    });

    it("of a task that does not exist is stale", async () => {
      const task = await on.created("t1");
      expect(await on.store.tasks.change({ ...moveTo(task, "CANCELED"), taskId: "t2" })).toEqual({ kind: "stale" });
    });

    it("along an edge that the domain does not have is refused and leaves nothing", async () => {
      const task = await on.created("t1");
      const done = await on.applied(moveTo(task, "CANCELED"));
      await expect(on.store.tasks.change(moveTo(done, "RUNNING"))).rejects.toThrow(/CANCELED to RUNNING/);
      await expect(on.store.tasks.change(moveTo(done, "CANCELED"))).rejects.toThrow(/no such edge/);
      expect(await on.store.tasks.get("t1")).toEqual(done);
      expect((await on.store.tasks.events("t1", 0, 10)).rows).toHaveLength(2);
    });

    it("of state without an event is refused", async () => {
      const task = await on.created("t1");
      await expect(on.store.tasks.change({ ...moveTo(task, "CANCELED"), events: [] })).rejects.toThrow(/without an event/);
    });

    it("to a terminal state ends every wait, and no later one can begin", async () => {
      const task = await on.created("t1");
      const waiting = { code: "no_capacity", text: "no node", details: { free: 1 }, until: NOW + 9 } as const;
      const pending = await on.applied(moveTo(task, "PENDING_RESOURCES", { patch: { waiting, nextRunAt: NOW + 9 } }));
      expect(pending).toMatchObject({ waiting, nextRunAt: NOW + 9 });
      await expect(on.store.tasks.change(moveTo(pending, "CANCELED", { patch: { nextRunAt: NOW } }))).rejects.toThrow(/wait for nothing/);
      const done = await on.applied(moveTo(pending, "CANCELED"));
      expect(done).toMatchObject({ waiting: null, nextRunAt: null });
      await expect(
        on.store.tasks.change({ taskId: "t1", version: done.version, epoch: null, at: NOW, patch: { waiting } }),
      ).rejects.toThrow(/wait for nothing/);
    });

    it("keeps every field of its patch", async () => {
      const task = await on.created("t1");
      const patch = {
        held: true,
        priority: 7,
        cancelRequestedAt: NOW,
        cancelActor: "admin",
        startedAt: NOW + 1,
        progress: { step: 1, totalSteps: null, metric: { key: "reward", value: 0.1 }, updatedAt: NOW },
      };
      expect(await on.applied({ taskId: "t1", version: 1, epoch: null, at: NOW, patch })).toEqual({ ...task, ...patch, version: 2 });
      const back = { held: false, cancelRequestedAt: null, cancelActor: null, startedAt: null, progress: null };
      await on.applied({ taskId: "t1", version: 2, epoch: null, at: NOW, patch: back });
      expect(await on.store.tasks.get("t1")).toEqual({ ...task, priority: 7, version: 3 });
    });

    it("records times that never go back, whatever the wall clock did", async () => {
      let task = await on.created("t1");
      for (const at of [NOW + 50, NOW - 1_000_000, NOW + 60]) {
        task = await on.applied({ taskId: "t1", version: task.version, epoch: null, at, events: [moved("a"), moved("b")] });
      }
      const { rows } = await on.store.tasks.events("t1", 0, 100);
      expect(rows.map((event) => event.seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
      expect(rows.map((event) => event.at - NOW)).toEqual([0, 50, 50, 50, 50, 60, 60]);
    });

    it("gives a task one open attempt at most, and no attempt number twice", async () => {
      const task = await on.started("t1");
      const queued = await on.applied(moveTo(task, "QUEUED"));
      await expect(on.store.tasks.change(moveTo(queued, "SUBMITTING", { newAttempt: newAttempt(queued, 2) }))).rejects.toThrow(/unique/i);
      const lost = await on.applied({
        taskId: "t1",
        version: queued.version,
        epoch: null,
        at: NOW,
        attempt: { attempt: 1, patch: { state: "LOST", quarantined: true } },
      });
      await expect(on.store.tasks.change(moveTo(lost, "SUBMITTING", { newAttempt: newAttempt(lost, 1) }))).rejects.toThrow(/newer/);
      await on.applied(moveTo(lost, "SUBMITTING", { newAttempt: newAttempt(lost, 2) }));
      const attempts = await on.store.tasks.attempts("t1");
      expect(attempts.map(({ attempt, state, quarantined }) => [attempt, state, quarantined])).toEqual([
        [1, "LOST", true],
        [2, "SUBMITTING", false],
      ]);
      expect((await on.store.tasks.latestAttempts(["t1", "t2"])).get("t1")).toEqual(attempts[1]);
    });

    it("of an attempt that does not exist is refused whole", async () => {
      const task = await on.created("t1");
      const change = moveTo(task, "CANCELED", { attempt: { attempt: 1, patch: { state: "CANCELED" } } });
      await expect(on.store.tasks.change(change)).rejects.toThrow(/no attempt 1/);
      expect(await on.store.tasks.get("t1")).toEqual(task);
    });
  });

  describe("changes that share a transaction", () => {
    it("are each applied or refused alone", async () => {
      const tasks = await Promise.all(["t1", "t2", "t3"].map(async (id) => await on.created(id)));
      const [one, two, three] = tasks as [Task, Task, Task];
      const outcomes = await Promise.allSettled([
        on.store.tasks.change(moveTo(one, "CANCELED")),
        on.store.tasks.change(moveTo(two, "CANCELED", { attempt: { attempt: 9, patch: { state: "LOST" } } })),
        on.store.tasks.change({ ...moveTo(three, "CANCELED"), version: 99 }),
        on.insert(newTask("t4")),
      ]);
      expect(outcomes.map((each) => each.status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
      expect((await on.store.tasks.get("t1"))?.state).toBe("CANCELED");
      expect(await on.store.tasks.get("t2")).toEqual(two);
      expect((await on.store.tasks.events("t2", 0, 9)).rows).toHaveLength(1);
      expect(await on.store.tasks.get("t3")).toEqual(three);
      expect(await on.store.tasks.countByState()).toMatchObject({ QUEUED: 3, CANCELED: 1 });
    });

    it("show readers nothing before they are acknowledged", async () => {
      const acknowledged = new Set<string>();
      const inserts = Array.from({ length: 40 }, async (_, n) => {
        await on.created(`t${n}`);
        acknowledged.add(`t${n}`);
      });
      const reads = Array.from({ length: 40 }, async () => {
        await new Promise((resolve) => setImmediate(resolve));
        const seen = new Set((await on.store.tasks.listOpen()).map((task) => task.taskId));
        for (const id of [...acknowledged].filter((each) => !seen.has(each))) throw new Error(`${id} was acknowledged and not seen`);
        return seen.size;
      });
      await Promise.all(inserts);
      expect((await Promise.all(reads)).every((size) => size === 0 || size === 40)).toBe(true);
    });
  });
}
