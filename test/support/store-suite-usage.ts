/** The account of GPU time: each attempt once, in the transaction that ends it, and the same whole by whatever it is asked for. */
import { describe, expect, it } from "vitest";
import { totalUse, withStep } from "../../src/domain/held-time.ts";
import { dayOf } from "../../src/domain/usage.ts";
import type { StoreFixture } from "./store-fixture.ts";
import { moveTo, newAttempt, NOW } from "./task-samples.ts";

const DAY = 86_400_000;
const PLACEMENT = [
  { node: "w1", gpus: 4, cpus: 1 },
  { node: "w2", gpus: 3, cpus: 1 },
];

export function usageSuite(on: StoreFixture): void {
  describe("GPU time", () => {
    it("is counted once, by day, node, user and workload, with what it went into", async () => {
      const task = await on.created("t1");
      const fresh = { ...newAttempt(task, 1), placement: PLACEMENT, again: 9 };
      const submitting = await on.applied(moveTo(task, "SUBMITTING", { newAttempt: fresh }));
      const [made] = await on.store.tasks.attempts("t1");
      if (made?.useMarks == null) throw new Error("a new attempt has an account");
      expect(made.useMarks.again).toBe(9);
      const useMarks = withStep(made.useMarks, 8, NOW + 7);
      const running = await on.applied(
        moveTo(submitting, "RUNNING", { attempt: { attempt: 1, patch: { state: "RUNNING", startedAt: NOW, useMarks } } }),
      );
      const ended = { attempt: 1, patch: { state: "FAILED", endedAt: NOW + DAY + 1 } } as const;
      const failed = await on.applied(moveTo(running, "FAILED", { attempt: ended }));
      await on.store.tasks.change({ taskId: "t1", version: failed.version, epoch: null, at: NOW, attempt: ended });

      const from = dayOf(NOW);
      const whole = (DAY + 1) * 7;
      const parts = await on.store.usage.split(from, null, ["day", "user", "workload", "node"]);
      expect(parts).toHaveLength(4);
      expect(parts.find(({ node, day }) => node === "w2" && day === from)).toMatchObject({
        userId: task.userId,
        workload: task.workload,
        split: { productive: 0, stalled: 0, unknown: 0, before_first_step: 7 * 3 },
      });
      for (const by of ["day", "user", "workload", "node"] as const) {
        const sums = await on.store.usage.split(from, task.userId, [by]);
        expect(sums.reduce((sum, { split }) => sum + totalUse(split), 0)).toBe(whole);
      }
      expect((await on.store.usage.since(from, null)).reduce((sum, { gpuMs }) => sum + gpuMs, 0)).toBe(whole);
      expect(await on.store.usage.split(from, "bob", ["user"])).toEqual([]);
      expect(await on.store.usage.split(dayOf(NOW + DAY), null, ["day"])).toHaveLength(1);
    });
  });
}
