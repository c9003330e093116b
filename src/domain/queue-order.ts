/** Who stands where in the queue. */
import { gpusOf } from "./capacity.ts";
import { isWaiting } from "./task-state.ts";
import type { Task } from "./types.ts";

/**
 * fifo: first come, first served, whatever the priority. priority: higher priority first, then first come, first served. fair: as priority, but
 * among equals the user goes first who used the least.
 */
export const QUEUE_ORDERS = ["fifo", "priority", "fair"] as const;

export type QueueOrder = {
  readonly by: (typeof QUEUE_ORDERS)[number];
  /** For `fair`: GPU-ms that each user used of late (docs/scheduling.md); a user who is not in it used none. */
  readonly used: ReadonlyMap<string, number>;
};

/** What a task counts for before it is known how long it runs: an hour on its GPUs. */
const TASK_MS = 3_600_000;

/** The waiting ones of `open` in the order in which they may start. */
export function inOrder(open: readonly Task[], order: QueueOrder): readonly Task[] {
  const waiting = open.filter((task) => isWaiting(task.state));
  if (order.by === "fifo") return waiting.toSorted((a, b) => a.seq - b.seq);
  const sorted = waiting.toSorted((a, b) => b.priority - a.priority || a.seq - b.seq);
  return order.by === "priority" ? sorted : fairly(sorted, usedSoFar(open, order.used));
}

/** What a user's tasks that run now take counts as used already, so that he does not get all that becomes free before it is counted. */
function usedSoFar(open: readonly Task[], used: ReadonlyMap<string, number>): Map<string, number> {
  const sums = new Map(used);
  for (const task of open) if (!isWaiting(task.state)) sums.set(task.userId, (sums.get(task.userId) ?? 0) + gpusOf(task.needs) * TASK_MS);
  return sums;
}

/** Each place goes to the user with the least so far; what he gets there counts for the next. Tasks of one user keep their order. */
function fairly(sorted: readonly Task[], used: Map<string, number>): readonly Task[] {
  const placed: Task[] = [];
  for (const priority of new Set(sorted.map((task) => task.priority))) {
    const own = Map.groupBy(
      sorted.filter((task) => task.priority === priority && !task.held),
      (task) => task.userId,
    );
    const next = new Map([...own.keys()].map((userId) => [userId, 0]));
    while (next.size > 0) {
      const [userId, at] = leastUsed(next, own, used);
      const task = own.get(userId)?.[at];
      if (task === undefined) {
        next.delete(userId);
        continue;
      }
      placed.push(task);
      next.set(userId, at + 1);
      used.set(userId, (used.get(userId) ?? 0) + gpusOf(task.needs) * TASK_MS);
    }
    placed.push(...sorted.filter((task) => task.priority === priority && task.held));
  }
  return placed;
}

/** Of two who used the same, the one whose next task came first. */
function leastUsed(
  next: ReadonlyMap<string, number>,
  own: ReadonlyMap<string, readonly Task[]>,
  used: ReadonlyMap<string, number>,
): readonly [userId: string, at: number] {
  let best: readonly [string, number] = ["", 0];
  let least = Infinity;
  let seq = Infinity;
  for (const [userId, at] of next) {
    const spent = used.get(userId) ?? 0;
    const came = own.get(userId)?.[at]?.seq ?? Infinity;
    if (spent > least || (spent === least && came >= seq && least !== Infinity)) continue;
    best = [userId, at];
    least = spent;
    seq = came;
  }
  return best;
}
