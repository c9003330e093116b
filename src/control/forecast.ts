/** When each waiting task starts and each open one ends, as ranges: worked out when somebody asks, from the queue and the pool as they are then. */
import type { Hold } from "../domain/capacity.ts";
import { type Estimate, estimate, remaining, type Span, typical } from "../domain/estimate.ts";
import { taskEnd } from "../domain/insight/eta.ts";
import type { RunPace } from "../domain/insight/pace.ts";
import type { QueueOrder } from "../domain/queue-order.ts";
import type { SchedulerSettings, UserAllowance } from "../domain/scheduling.ts";
import { isLive } from "../domain/task-state.ts";
import type { Attempt, Task } from "../domain/types.ts";
import type { SchedulerLoop } from "./scheduler/loop.ts";
import type { Clock, NewTask, Store } from "./ports.ts";

export type Forecast = {
  /** By task id; without an entry = not to be told (held, fits nowhere, no head, too far back). `extra` is a task that is only planned. */
  readonly estimates: (extra?: NewTask) => Promise<ReadonlyMap<string, Estimate>>;
};

export type ForecastDeps = {
  readonly store: Store;
  readonly clock: Clock;
  readonly settings: SchedulerSettings;
  readonly order: () => Promise<QueueOrder>;
  /** The pool as the scheduler last saw it; nothing is told while its head does not answer, nor where another server leads. */
  readonly view: SchedulerLoop["view"];
  /** Of a running task, as it is known without waiting for anything. */
  readonly paceOf: (taskId: string) => RunPace | null;
};

/** One answer serves all who ask within this time. */
const FRESH_MS = 2_000;
/** Ended tasks of a workload that are looked through for ones like it. */
const LOOKED_AT = 100;

export function forecaster(deps: ForecastDeps): Forecast {
  let last: { readonly at: number; readonly answer: Promise<ReadonlyMap<string, Estimate>> } | null = null;
  return {
    estimates: async (extra) => {
      if (extra !== undefined) return await forecast(deps, extra);
      const now = deps.clock.monotonicMs();
      if (last === null || now - last.at >= FRESH_MS) last = { at: now, answer: forecast(deps, null) };
      return await last.answer;
    },
  };
}

async function forecast(deps: ForecastDeps, extra: NewTask | null): Promise<ReadonlyMap<string, Estimate>> {
  const { head, nodes } = deps.view();
  if (head?.kind !== "up" || nodes === null) return new Map();
  // An export takes no GPU and nobody's place.
  const known = (await deps.store.tasks.listOpen()).filter((task) => task.exportOf === null);
  const open = extra === null ? known : [...known, queuedLast(extra, known)];
  if (open.length === 0) return new Map();
  const attempts = await deps.store.tasks.latestAttempts(open.filter((task) => isLive(task.state)).map((task) => task.taskId));
  const now = deps.clock.now();
  const users = await allowances(deps.store, open);
  const paused = await deps.store.queue.pause();
  const spans = await spansOf(deps, open, attempts, now);
  return estimate(
    {
      now,
      open,
      nodes,
      holds: holdsOf(attempts),
      ended: [],
      handingOver: [],
      storageLow: null,
      users,
      paused,
      order: await deps.order(),
      settings: deps.settings,
    },
    spans,
  );
}

/** A new task as it would stand in the queue, behind all that are there. */
export function queuedLast(task: NewTask, open: readonly Task[]): Task {
  return {
    ...task,
    state: "QUEUED",
    version: 1,
    attempts: 0,
    held: false,
    nextRunAt: null,
    passedSince: null,
    cancelRequestedAt: null,
    cancelActor: null,
    requeue: null,
    kept: false,
    filesGoneAt: null,
    waiting: null,
    failure: null,
    progress: null,
    startedAt: null,
    endedAt: null,
    seq: Math.max(0, ...open.map(({ seq }) => seq)) + 1,
  };
}

function holdsOf(attempts: ReadonlyMap<string, Attempt>): readonly Hold[] {
  return [...attempts.values()].map(({ taskId, userId, placement }) => ({ taskId, userId, placement }));
}

/** What the limits of each user who has an open task allow. */
export async function allowances(store: Store, open: readonly Task[]): Promise<ReadonlyMap<string, UserAllowance>> {
  const out = new Map<string, UserAllowance>();
  for (const userId of new Set(open.map((task) => task.userId))) {
    const user = await store.users.getUser(userId);
    if (user !== null)
      out.set(userId, { disabled: user.state === "DISABLED", maxRunning: user.limits.maxRunning, maxGpus: user.limits.maxGpus });
  }
  return out;
}

async function spansOf(
  { store, paceOf }: ForecastDeps,
  open: readonly Task[],
  attempts: ReadonlyMap<string, Attempt>,
  now: number,
): Promise<ReadonlyMap<string, Span>> {
  const known = await durations(store, open);
  return new Map(
    open.map((task): [string, Span] => {
      const attempt = attempts.get(task.taskId);
      const like = typical(known.get(kindOf(task)) ?? [], task.maxRuntimeMs);
      if (attempt === undefined || attempt.startedAt === null) return [task.taskId, like];
      const pace = paceOf(task.taskId);
      const end = pace === null ? null : taskEnd(pace, now);
      if (end !== null) return [task.taskId, withinLimit(end, task, attempt.startedAt, now)];
      const own = remaining(task, attempt.startedAt, attempt.resumedFrom?.step ?? 0, now);
      return [task.taskId, own.lowMs > 0 || own.highMs !== null ? own : lessWhatRan(like, now - attempt.startedAt)];
    }),
  );
}

function withinLimit({ lowMs, highMs }: Span, { maxRuntimeMs }: Task, startedAt: number, now: number): Span {
  if (maxRuntimeMs === null || highMs === null) return { lowMs, highMs };
  const limit = Math.max(0, maxRuntimeMs - (now - startedAt));
  return { lowMs: Math.min(lowMs, limit), highMs: Math.min(highMs, limit) };
}

/** Before its first step a running task is taken to last what tasks like it did. */
function lessWhatRan(like: Span, ranMs: number): Span {
  return { lowMs: Math.max(0, like.lowMs - ranMs), highMs: like.highMs === null ? null : Math.max(0, like.highMs - ranMs) };
}

/** What tasks that ended well took, by what makes them alike. */
async function durations(store: Store, open: readonly Task[]): Promise<ReadonlyMap<string, readonly number[]>> {
  const out = new Map<string, number[]>();
  for (const workload of new Set(open.map((task) => task.workload))) {
    const { rows } = await store.tasks.list({ userId: null, states: ["SUCCEEDED"], workload, labels: {} }, null, LOOKED_AT);
    for (const task of rows) {
      if (task.startedAt === null || task.endedAt === null || task.exportOf !== null) continue;
      const kind = kindOf(task);
      out.set(kind, [...(out.get(kind) ?? []), task.endedAt - task.startedAt]);
    }
  }
  return out;
}

function kindOf({ profile, spec }: Task): string {
  const { modelId, trainFile, nnodes, nGpusPerNode, totalEpochs, totalTrainingSteps } = spec;
  return JSON.stringify([profile.name, modelId, trainFile, nnodes, nGpusPerNode, totalEpochs, totalTrainingSteps]);
}
