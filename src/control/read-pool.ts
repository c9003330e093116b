/** The queue and the pool as a caller may see them. Other users' tasks are a count or a null, never an id. */
import { maySee } from "../domain/access.ts";
import { freeCapacity, type Hold, nodeFits, whyNoCapacity } from "../domain/capacity.ts";
import { inOrder, type QueueOrder } from "../domain/queue-order.ts";
import { isLive, isWaiting } from "../domain/task-state.ts";
import type { NodeView, Pause, Principal, Task } from "../domain/types.ts";
import { queuedLast } from "./forecast.ts";
import type { NewTask, Store } from "./ports.ts";
import { type TaskRow, withAttempts } from "./read-tasks.ts";

export type QueueView = {
  readonly running: readonly TaskRow[];
  readonly waiting: readonly (TaskRow & { readonly position: number })[];
  readonly hidden: number;
  readonly paused: Pause | null;
  readonly notes: readonly string[];
};

/** What a place in the queue depends on beside the tasks. */
export type PoolView = { readonly nodes: readonly NodeView[] | null; readonly maxRunningTasks: number; readonly order: QueueOrder };

export async function readQueue(store: Store, principal: Principal, pool: PoolView): Promise<QueueView> {
  const open = await store.tasks.listOpen();
  const line = inOrder(open, pool.order);
  const position = new Map(line.map((task, index) => [task.taskId, index + 1]));
  const visible = open.filter((task) => maySee(principal, task));
  const rows = await withAttempts(store, visible);
  const waiting = rows.flatMap((row) => {
    const place = position.get(row.task.taskId);
    return place === undefined ? [] : [{ ...row, position: place }];
  });
  return {
    running: rows.filter((row) => isLive(row.task.state)).toSorted((a, b) => a.task.seq - b.task.seq),
    waiting: waiting.toSorted((a, b) => a.position - b.position),
    hidden: open.length - visible.length,
    paused: await store.queue.pause(),
    notes: idleNotes(open, line.length, await liveHolds(store, open), pool),
  };
}

/** GPUs that stand idle because of a setting are said so, in words. */
function idleNotes(open: readonly Task[], waiting: number, holds: readonly Hold[], pool: PoolView): readonly string[] {
  const { nodes, maxRunningTasks } = pool;
  if (nodes === null || waiting === 0) return [];
  const total = nodes.reduce((sum, node) => sum + node.gpusTotal, 0);
  const idle = freeCapacity(nodes, holds).reduce((sum, node) => sum + node.gpus, 0);
  if (runningOf(open) < maxRunningTasks || idle === 0) return [];
  return [
    `${idle} of ${total} GPUs idle; ${waiting === 1 ? "1 task waits" : `${waiting} tasks wait`} on max_running_tasks=${maxRunningTasks}`,
  ];
}

/** Those that hold a running slot: an export holds none. */
function runningOf(open: readonly Task[]): number {
  return open.filter(({ state, exportOf }) => !isWaiting(state) && exportOf === null).length;
}

export async function liveHolds(store: Store, open: readonly Task[]): Promise<readonly Hold[]> {
  const live = open.filter((task) => isLive(task.state));
  const attempts = await store.tasks.latestAttempts(live.map((task) => task.taskId));
  return live.map((task) => ({ taskId: task.taskId, userId: task.userId, placement: attempts.get(task.taskId)?.placement ?? [] }));
}

export type Fit = {
  readonly verdict: "now" | "later" | "impossible" | "unknown";
  readonly perNode: ReturnType<typeof nodeFits>;
  readonly position: number;
};

/** Whether and where a planned task would fit, and its place in the queue behind those that would start before it. */
export async function fitOf(store: Store, task: NewTask, { nodes, maxRunningTasks, order }: PoolView): Promise<Fit> {
  const open = await store.tasks.listOpen();
  const planned = queuedLast(task, open);
  const position = inOrder([...open, planned], order).indexOf(planned) + 1;
  if (nodes === null) return { verdict: "unknown", perNode: [], position };
  const free = freeCapacity(nodes, await liveHolds(store, open));
  const perNode = nodeFits(task.needs, free);
  const fits = perNode.filter((node) => node.fits).length >= task.needs.nodes;
  if (fits) return { verdict: position === 1 && runningOf(open) < maxRunningTasks ? "now" : "later", perNode, position };
  return { verdict: whyNoCapacity(task.needs, free).code === "impossible_now" ? "impossible" : "later", perNode, position };
}
