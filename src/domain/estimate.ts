/**
 * When a task starts and ends, as a range. The queue is played forward with the very rules that start tasks (`decide`): once as if everything
 * that runs ended as early as it may, once as late as it may. Nobody who comes later is foreseen, nor a node that joins or leaves.
 */
import type { Hold } from "./capacity.ts";
import { inOrder } from "./queue-order.ts";
import { decide, type Snapshot } from "./scheduling.ts";
import { isWaiting } from "./task-state.ts";
import type { Task } from "./types.ts";

/** How long something still lasts: at least, and at most; null = nothing bounds it. */
export type Span = { readonly lowMs: number; readonly highMs: number | null };

/** Epoch ms; null = not to be told. */
export type Estimate = {
  readonly startLow: number | null;
  readonly startHigh: number | null;
  readonly endLow: number | null;
  readonly endHigh: number | null;
};

/** How much faster or slower than so far the rest of a run is taken to go. */
const FASTER = 0.8;
const SLOWER = 1.3;
/** Waiting tasks that are played forward; those behind them get no estimate. */
const HORIZON = 100;

/**
 * What is left of a running task, by its own pace: the mean of its steps so far, which includes the time to load and to validate. A time limit
 * bounds it. `resumedAt` = the step that its attempt began with.
 */
export function remaining(task: Pick<Task, "progress" | "maxRuntimeMs">, startedAt: number, resumedAt: number, now: number): Span {
  const ran = Math.max(0, now - startedAt);
  const limit = task.maxRuntimeMs === null ? null : Math.max(0, task.maxRuntimeMs - ran);
  const { progress } = task;
  const done = progress === null ? 0 : progress.step - resumedAt;
  if (progress === null || progress.totalSteps === null || done < 1) return { lowMs: 0, highMs: limit };
  const pace = Math.max(0, progress.updatedAt - startedAt) / done;
  const left = Math.max(0, progress.totalSteps - progress.step) * pace;
  const since = Math.max(0, now - progress.updatedAt);
  const low = Math.max(0, left * FASTER - since);
  const high = Math.max(0, left * SLOWER + pace - since);
  return { lowMs: bounded(low, limit), highMs: bounded(high, limit) };
}

function bounded(ms: number, limit: number | null): number {
  return limit === null ? ms : Math.min(ms, limit);
}

/** What a task lasts, from the durations of tasks like it; none known = its time limit, if it has one. */
export function typical(durationsMs: readonly number[], maxRuntimeMs: number | null): Span {
  if (durationsMs.length === 0) return { lowMs: 0, highMs: maxRuntimeMs };
  const low = Math.min(...durationsMs) * FASTER;
  const high = Math.max(...durationsMs) * SLOWER;
  return { lowMs: bounded(low, maxRuntimeMs), highMs: bounded(high, maxRuntimeMs) };
}

/** By task id. `spans`: what is left of each running task, and what each waiting one lasts once it runs; unknown ones may be left out. */
export function estimate(snapshot: Snapshot, spans: ReadonlyMap<string, Span>): ReadonlyMap<string, Estimate> {
  const early = play(snapshot, (taskId) => spans.get(taskId)?.lowMs ?? 0);
  const late = play(snapshot, (taskId) => spans.get(taskId)?.highMs ?? Infinity);
  const out = new Map<string, Estimate>();
  for (const task of snapshot.open) {
    const first = early.get(task.taskId);
    if (first === undefined) continue;
    const last = late.get(task.taskId);
    // More time for one task can let another start sooner than it else would: a range is still a range.
    const [startLow, startHigh] = ordered(first.start, last?.start ?? Infinity);
    const [endLow, endHigh] = ordered(first.end, last?.end ?? Infinity);
    const isRunning = !isWaiting(task.state);
    out.set(task.taskId, {
      startLow: isRunning ? null : startLow,
      startHigh: isRunning ? null : finite(startHigh),
      endLow: finite(endLow),
      endHigh: finite(endHigh),
    });
  }
  return out;
}

type Played = { readonly start: number; readonly end: number };

function play(snapshot: Snapshot, lastsMs: (taskId: string) => number): ReadonlyMap<string, Played> {
  const played = new Map<string, Played>();
  let { now } = snapshot;
  let open: readonly Task[] = [...snapshot.open.filter((task) => !isWaiting(task.state)), ...firstWaiting(snapshot)];
  const holds = new Map<string, Hold>(snapshot.holds.map((hold) => [hold.taskId, hold]));
  for (const { taskId, state } of open) if (!isWaiting(state)) played.set(taskId, { start: now, end: now + lastsMs(taskId) });
  if (snapshot.nodes === null) return played;
  // What Ray shows as used is what our own ledger holds; in the play only the ledger moves.
  const nodes = snapshot.nodes.map((node) => ({ ...node, gpusUsed: 0, cpusUsed: 0 }));
  for (;;) {
    for (const decision of decide({ ...snapshot, now, open, nodes, holds: [...holds.values()], ended: [], handingOver: [] })) {
      const { taskId, userId } = decision.task;
      if (decision.kind === "expire") open = open.filter((task) => task.taskId !== taskId);
      if (decision.kind !== "launch") continue;
      played.set(taskId, { start: now, end: now + lastsMs(taskId) });
      holds.set(taskId, { taskId, userId, placement: decision.placement });
      open = open.map((task) => (task.taskId === taskId ? { ...task, state: "RUNNING", waiting: null, nextRunAt: null } : task));
    }
    const next = nextEvent(open, played, now);
    if (next === null) return played;
    now = next;
    const ended = open.filter((task) => !isWaiting(task.state) && (played.get(task.taskId)?.end ?? Infinity) <= next);
    for (const { taskId } of ended) holds.delete(taskId);
    open = open.filter((task) => !ended.includes(task));
  }
}

function firstWaiting({ open, order }: Snapshot): readonly Task[] {
  return inOrder(open, order)
    .filter((task) => !task.held)
    .slice(0, HORIZON);
}

/** The next end of what runs, or the next time at which something that waits is due; null = nothing more will change. */
function nextEvent(open: readonly Task[], played: ReadonlyMap<string, Played>, now: number): number | null {
  if (!open.some((task) => isWaiting(task.state))) return null;
  const ends = open.filter((task) => !isWaiting(task.state)).map((task) => Math.max(now, played.get(task.taskId)?.end ?? Infinity));
  const dues = open.flatMap((task) => (isWaiting(task.state) && task.nextRunAt !== null && task.nextRunAt > now ? [task.nextRunAt] : []));
  const next = Math.min(...ends, ...dues);
  return Number.isFinite(next) ? next : null;
}

function ordered(a: number, b: number): readonly [number, number] {
  return a <= b ? [a, b] : [b, a];
}

function finite(at: number): number | null {
  return Number.isFinite(at) ? at : null;
}
