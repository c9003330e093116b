/** The pause of the queue, and the word of an operator on an attempt. */
import { describe, expect, it } from "vitest";
import { AUDIT } from "./audit-samples.ts";
import type { StoreFixture } from "./store-fixture.ts";
import { moved, moveTo, newAttempt, NOW } from "./task-samples.ts";

export function queueSuite(on: StoreFixture): void {
  describe("the pause of the queue", () => {
    const pause = { at: NOW, actor: "admin", reason: "new drivers" };
    const audits = async (): Promise<number> => {
      const filter = { actor: null, action: null, target: "queue", userId: null, after: null, before: null };
      return (await on.store.audit.list(filter, null, 200)).rows.length;
    };
    const audit = { ...AUDIT, target: "queue" };

    it("stays the first one until it ends, and each change is audited once", async () => {
      expect(await on.store.queue.pause()).toBeNull();
      expect(await on.store.queue.setPause(null, audit)).toBe(false);
      expect(await on.store.queue.setPause(pause, audit)).toBe(true);
      expect(await on.store.queue.setPause({ ...pause, reason: null }, audit)).toBe(false);
      expect(await on.store.queue.pause()).toEqual(pause);
      expect(await audits()).toBe(1);
      expect(await on.store.queue.setPause(null, audit)).toBe(true);
      expect(await on.store.queue.pause()).toBeNull();
      expect(await audits()).toBe(2);
    });
  });

  describe("an attempt that is declared dead", () => {
    it("keeps who said so, when and why", async () => {
      const task = await on.created("t1");
      const submitting = await on.applied(moveTo(task, "SUBMITTING", { newAttempt: newAttempt(task, 1) }));
      expect((await on.store.tasks.attempts("t1"))[0]?.declaredDead).toBeNull();
      const declaredDead = { at: NOW, actor: "admin", reason: "w3 is off" };
      await on.applied({
        taskId: "t1",
        version: submitting.version,
        epoch: null,
        at: NOW,
        events: [moved("declared_dead")],
        attempt: { attempt: 1, patch: { declaredDead } },
      });
      expect((await on.store.tasks.attempts("t1"))[0]?.declaredDead).toEqual(declaredDead);
    });
  });
}
