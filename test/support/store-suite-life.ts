/** The lead, the identity of the database, and closing. */
import { describe, expect, it } from "vitest";
import type { StoreFixture } from "./store-fixture.ts";
import { moveTo, newTask, NOW } from "./task-samples.ts";

export function lifeSuite(on: StoreFixture): void {
  describe("the lead", () => {
    it("raises the epoch once, and changes of an older epoch are stale", async () => {
      const mine = await on.store.leader.lead("me", NOW);
      if (mine === null) throw new Error("nobody else leads");
      expect(await on.store.leader.lead("me", NOW + 1)).toBe(mine);
      const task = await on.created("t1");
      expect(await on.store.tasks.change(moveTo(task, "CANCELED", { epoch: mine - 1 }))).toEqual({ kind: "stale" });
      expect(await on.store.tasks.change(moveTo(task, "CANCELED", { epoch: mine + 1 }))).toEqual({ kind: "stale" });
      expect(await on.store.tasks.get("t1")).toEqual(task);
      expect((await on.store.tasks.change(moveTo(task, "CANCELED", { epoch: mine }))).kind).toBe("applied");
    });

    it("answers a ping and keeps the id of the database", async () => {
      await on.store.leader.ping();
      expect(await on.store.leader.databaseId()).toMatch(/^[0-9a-f]{32}$/);
    });

    it.runIf(on.database.shared)("has a higher epoch for a later leader, and the database the same id", async () => {
      const first = await on.store.leader.lead("first", NOW);
      const id = await on.store.leader.databaseId();
      await on.store.close();
      await on.reopen();
      const second = await on.store.leader.lead("second", NOW);
      expect(second).toBe((first ?? Number.NaN) + 1);
      expect(await on.store.leader.databaseId()).toBe(id);
    });
  });

  it("finishes the writes it was given before it closes, and refuses later ones", async () => {
    const given = on.created("t1");
    const closing = on.store.close();
    await expect(on.insert(newTask("t2"))).rejects.toThrow(/closed/);
    expect((await given).taskId).toBe("t1");
    await closing;
    await on.store.close();
    await on.reopen();
    if (on.database.shared) expect((await on.store.tasks.listOpen()).map((task) => task.taskId)).toEqual(["t1"]);
  });
}
