/** What is wanted of nodes, and which attempts failed where. */
import { describe, expect, it } from "vitest";
import type { NodeWish } from "../../src/domain/node-wishes.ts";
import { AUDIT } from "./audit-samples.ts";
import type { StoreFixture } from "./store-fixture.ts";
import { moved, moveTo, newAttempt, NOW } from "./task-samples.ts";

export function nodeSuite(on: StoreFixture): void {
  const wish = (node: string, over: Partial<NodeWish> = {}): NodeWish => {
    return { node, cordon: true, drain: false, actor: "admin", reason: "Xid 79", gpuUuids: ["GPU-1"], at: NOW, ...over };
  };

  describe("what is wanted of nodes", () => {
    it("is changed as it stands, audited once, and gone when it is removed", async () => {
      const { nodes } = on.store;
      const audit = { ...AUDIT, target: "w1" };
      expect(await nodes.changeWishes(() => ({ set: [wish("w2"), wish("w1")], remove: [], audit }), null)).toBe(true);
      expect(await nodes.wishes()).toEqual([wish("w1"), wish("w2")]);
      expect(await nodes.changeWishes((stored) => (stored.length === 2 ? null : { set: [], remove: ["w1"], audit }), null)).toBe(false);
      const drained = wish("w1", { cordon: false, drain: true, reason: null, gpuUuids: [], at: NOW + 1 });
      await nodes.changeWishes(() => ({ set: [drained], remove: ["w2"], audit: null }), null);
      expect(await nodes.wishes()).toEqual([drained]);
      const filter = { actor: null, action: null, target: "w1", userId: null, after: null, before: null };
      expect((await on.store.audit.list(filter, null, 200)).rows).toHaveLength(1);
    });

    it("is not changed by a scheduler that no longer leads", async () => {
      const epoch = (await on.store.leader.lead("me", NOW)) ?? 0;
      const set = { set: [wish("w3")], remove: [], audit: null };
      expect(await on.store.nodes.changeWishes(() => set, epoch - 1)).toBe(false);
      expect(await on.store.nodes.changeWishes(() => set, epoch)).toBe(true);
    });
  });

  describe("failures by node", () => {
    it("are those of attempts that ended on a known node since then", async () => {
      const task = await on.created("t1");
      const submitting = await on.applied(moveTo(task, "SUBMITTING", { newAttempt: newAttempt(task, 1) }));
      const failure = { label: "gpu_hardware", blame: "node", retryable: true, text: "Xid 79", fix: "" } as const;
      await on.applied({
        taskId: "t1",
        version: submitting.version,
        epoch: null,
        at: NOW,
        events: [moved("attempt_ended")],
        attempt: { attempt: 1, patch: { state: "FAILED", node: "w1", failure, endedAt: NOW } },
      });
      const [one, ...more] = await on.store.nodes.failures(NOW);
      expect([one, more]).toMatchObject([{ node: "w1", at: NOW, failure }, []]);
      expect(await on.store.nodes.failures(NOW + 1)).toEqual([]);
    });
  });
}
