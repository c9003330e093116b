/** Files that are given up: what a retry may go on from is decided between two servers by the database. */
import { describe, expect, it } from "vitest";
import type { Task } from "../../src/domain/types.ts";
import type { StoreFixture } from "./store-fixture.ts";
import { moveTo, newTask, NOW } from "./task-samples.ts";
import { openTestStore } from "./databases.ts";

export function retentionSuite(on: StoreFixture): void {
  const ended = async (taskId: string, over: object = {}): Promise<Task> => {
    const task = await on.created(taskId, over);
    return on.applied(moveTo(task, "CANCELED", { patch: { endedAt: NOW } }));
  };
  const giveUp = ({ taskId, version }: Task) => ({ taskId, version, epoch: null, at: NOW + 1, patch: { filesGoneAt: NOW + 1 } });
  const ids = (tasks: readonly Task[]) => tasks.map(({ taskId }) => taskId);

  describe("files that are old", () => {
    it("are those of ended tasks that nobody keeps and no retry goes on from", async () => {
      const { retention } = on.store;
      await on.created("open");
      const [old, kept, parent, scratch] = [await ended("old"), await ended("kept"), await ended("parent"), await ended("scratch")];
      await on.applied({ taskId: "kept", version: kept.version, epoch: null, at: NOW, patch: { kept: true } });
      await on.created("heir", { retryOf: parent.taskId });
      await on.created("anew", { retryOf: scratch.taskId, fromScratch: true });
      expect(ids(await retention.withOldFiles(NOW + 1, 10)).toSorted()).toEqual(["old", "scratch"]);
      expect(await retention.withOldFiles(NOW, 10)).toEqual([]);
      expect(ids(await retention.withOldCheckpoints(NOW + 1, 10)).toSorted()).toEqual(["old", "parent", "scratch"]);
      expect(await retention.giveUpFiles(giveUp(parent))).toEqual({ kind: "stale" });
      expect(await retention.giveUpFiles(giveUp({ ...kept, version: kept.version + 1 }))).toEqual({ kind: "stale" });
      expect(await retention.giveUpFiles(giveUp(old))).toMatchObject({ kind: "applied", task: { filesGoneAt: NOW + 1 } });
      expect(await on.insert(newTask("late", { retryOf: "old" }))).toEqual({ kind: "files_gone", at: NOW + 1 });
      expect(await on.insert(newTask("fresh", { retryOf: "old", fromScratch: true }))).toMatchObject({ kind: "created" });
    });

    it("are cleared once, and old checkpoints are given up once", async () => {
      const { retention } = on.store;
      const task = await ended("t1");
      const { patch: _, ...pruned } = giveUp(task);
      expect(await retention.giveUpCheckpoints(pruned)).toMatchObject({ kind: "applied" });
      expect(ids(await retention.toClear(10))).toEqual(["t1"]);
      await retention.cleared("t1");
      expect([await retention.toClear(10), await retention.withOldCheckpoints(NOW + 1, 10)]).toEqual([[], []]);
      expect(ids(await retention.withOldFiles(NOW + 1, 10))).toEqual(["t1"]);
    });

    it("are never given up beside a retry that goes on from them, whichever comes first", async () => {
      // A file on a network file system is locked by the one server that has it.
      const hasTwo = on.database.shared && on.fresh.fileSystem === undefined;
      const other = hasTwo ? await openTestStore(on.fresh) : on.store;
      try {
        for (let round = 0; round < 20; round += 1) {
          const task = await ended(`t${round}`);
          const retry = newTask(`r${round}`, { retryOf: task.taskId });
          const [given, made] = await Promise.all([other.retention.giveUpFiles(giveUp(task)), on.insert(retry)]);
          expect([given.kind, made.kind]).toEqual(given.kind === "applied" ? ["applied", "files_gone"] : ["stale", "created"]);
        }
      } finally {
        if (other !== on.store) await other.close();
      }
    });

    it("count against the limit of their user, as they were measured last", async () => {
      expect(await on.store.retention.use("alice")).toBeNull();
      for (const bytes of [1, 3 * 2 ** 30]) await on.store.retention.setUse("alice", bytes, NOW);
      expect(await on.store.retention.use("alice")).toEqual({ bytes: 3 * 2 ** 30, at: NOW });
      const full = { kind: "user_limit", limit: "max_storage_gib", value: 3, count: 3, freeInMs: null };
      expect(await on.insert(newTask("t1"), null, { maxStorageGib: 3 })).toEqual(full);
      expect(await on.insert(newTask("t1"), null, { maxStorageGib: 3.5 })).toMatchObject({ kind: "created" });
    });
  });
}
