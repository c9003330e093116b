import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sampleTask } from "../../test/support/sample-task.ts";
import { inOrder, type QueueOrder } from "./queue-order.ts";
import type { Task } from "./types.ts";

const HOUR = 3_600_000;
const ONE_GPU = { nodes: 1, gpusPerNode: 1, cpusPerNode: 1 };

function task(taskId: string, seq: number, over: Partial<Task> = {}): Task {
  return sampleTask({ taskId, seq, userId: taskId.charAt(0), needs: ONE_GPU, ...over });
}

function order(by: QueueOrder["by"], used: { [userId: string]: number } = {}): QueueOrder {
  return { by, used: new Map(Object.entries(used)) };
}

const names = (tasks: readonly Task[], by: QueueOrder): string =>
  inOrder(tasks, by)
    .map(({ taskId }) => taskId)
    .join(" ");

describe("the order of the queue", () => {
  const tasks = [task("a3", 3), task("a1", 1, { priority: -5 }), task("b2", 2, { priority: 7 }), task("r", 0, { state: "RUNNING" })];

  it("by priority is higher first, then first come, first served, and holds nothing that runs or has ended", () => {
    expect(names([...tasks, task("e", 9, { state: "FAILED" })], order("priority"))).toBe("b2 a3 a1");
  });

  it("by fifo is as they came, whatever the priority", () => {
    expect(names(tasks, order("fifo"))).toBe("a1 b2 a3");
  });

  it("holds every waiting task once, in every order", () => {
    const any = fc.array(
      fc.record({ user: fc.constantFrom("a", "b", "c"), priority: fc.integer({ min: -2, max: 2 }), held: fc.boolean() }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(any, fc.constantFrom("fifo", "priority", "fair"), (rows, by) => {
        const open = rows.map(({ user, priority, held }, index) => task(`${user}${index}`, index, { priority, held }));
        const placed = inOrder(open, order(by, { a: 5 * HOUR }));
        expect(new Set(placed)).toEqual(new Set(open));
        expect(placed).toHaveLength(open.length);
      }),
    );
  });
});

describe("a fair share", () => {
  const queue = [task("a1", 1), task("a2", 2), task("a3", 3), task("b4", 4), task("b5", 5), task("c6", 6)];

  it("takes turns between users who used the same", () => {
    expect(names(queue, order("fair"))).toBe("a1 b4 c6 a2 b5 a3");
  });

  it("lets who used less go first until he has caught up", () => {
    expect(names(queue, order("fair", { a: 2 * HOUR, b: HOUR }))).toBe("c6 b4 a1 b5 a2 a3");
  });

  it("counts a task by its GPUs, and what runs now as used", () => {
    const large = task("a1", 1, { needs: { nodes: 2, gpusPerNode: 2, cpusPerNode: 1 } });
    expect(names([large, ...queue.slice(1)], order("fair"))).toBe("a1 b4 c6 b5 a2 a3");
    const running = task("b0", 0, { state: "RUNNING", needs: { nodes: 1, gpusPerNode: 8, cpusPerNode: 1 } });
    expect(names([running, ...queue], order("fair"))).toBe("a1 c6 a2 a3 b4 b5");
  });

  it("is among equals only: a higher priority goes first, and a held task takes nobody's turn", () => {
    expect(names([...queue, task("a7", 7, { priority: 1 })], order("fair", { a: 90 * HOUR }))).toMatch(/^a7 b4/);
    expect(names([task("a1", 1, { held: true }), ...queue.slice(1)], order("fair"))).toBe("a2 b4 c6 a3 b5 a1");
  });

  it("starves nobody: who used the most is still placed as soon as the others have had as much", () => {
    const many = Array.from({ length: 20 }, (_, index) => task(`b${index + 10}`, index + 10));
    const placed = inOrder([...many, task("a1", 1)], order("fair", { a: 3 * HOUR }));
    expect(placed.findIndex(({ taskId }) => taskId === "a1")).toBe(3);
  });
});
