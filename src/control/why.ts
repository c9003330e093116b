/** One answer to why a task is as it is: from the database and its own files, so also with Ray gone. */
import type { Diagnosis } from "../domain/diagnosis/diagnose.ts";
import type { Estimate } from "../domain/estimate.ts";
import { type EtaRange, taskEnd } from "../domain/insight/eta.ts";
import type { RunPace } from "../domain/insight/pace.ts";
import { finitePoints, type Series } from "../domain/insight/series.ts";
import { whatHelps } from "../domain/insight/sooner.ts";
import { headlineKeys } from "../domain/insight/training-log.ts";
import { isLive, isTerminal, isWaiting } from "../domain/task-state.ts";
import type { Attempt, Failure, Task, TaskEvent } from "../domain/types.ts";
import { goneText } from "./files-gone.ts";
import type { Forecast } from "./forecast.ts";
import type { Insight } from "./insight.ts";
import type { DiagnosisOf } from "./known-diagnoses.ts";
import type { Clock, JobFiles, Store } from "./ports.ts";
import { fitOf, type PoolView } from "./read-pool.ts";
import { resumePoint } from "./scheduler/resume.ts";
import { readSigns } from "./task-signs.ts";
import { inOrder } from "../domain/queue-order.ts";

export type WhyDeps = {
  readonly store: Store;
  readonly files: JobFiles;
  readonly diagnosisOf: DiagnosisOf;
  readonly insight: Insight;
  readonly forecast: Forecast;
  readonly clock: Clock;
  readonly pool: () => Promise<PoolView>;
};

export type MetricChange = { readonly key: string; readonly first: number; readonly last: number; readonly best: number };
export type Checkpoint = { readonly submissionId: string; readonly step: number };

export type WhyWaiting = {
  readonly position: number | null;
  readonly fit: "now" | "later" | "impossible" | "unknown";
  readonly perNode: Awaited<ReturnType<typeof fitOf>>["perNode"];
  readonly estimate: Estimate | null;
  readonly sooner: readonly string[];
};

export type WhyRunning = {
  readonly attempt: Attempt;
  readonly pace: RunPace;
  readonly metric: MetricChange | null;
  readonly end: EtaRange | null;
  /** Why it counts as stalled; null = it does not. */
  readonly stall: string | null;
};

export type Again = { readonly resumesFrom: Checkpoint | null; readonly text: string };

export type Why = {
  readonly task: Task;
  readonly at: number;
  readonly attempts: readonly Attempt[];
  readonly waiting: WhyWaiting | null;
  readonly running: WhyRunning | null;
  readonly failed: { readonly failure: Failure; readonly explanation: string; readonly evidence: Diagnosis["evidence"] } | null;
  readonly ended: { readonly step: number | null; readonly metric: MetricChange | null; readonly checkpoint: Checkpoint | null } | null;
  readonly again: Again | null;
  readonly alerts: readonly TaskEvent[];
  /** What could not be read, in words. */
  readonly notes: readonly string[];
};

export async function explain(deps: WhyDeps, task: Task): Promise<Why> {
  const notes: string[] = [];
  /** An answer without one of its parts is better than none. */
  const orNote = async <T>(what: string, none: T, read: () => Promise<T>): Promise<T> => {
    try {
      return await read();
    } catch (error) {
      notes.push(`${what} can't be read now: ${error instanceof Error ? error.message : String(error)}`);
      return none;
    }
  };
  const attempts = await deps.store.tasks.attempts(task.taskId);
  const latest = attempts.at(-1) ?? null;
  const gone = task.filesGoneAt !== null;
  if (gone) notes.push(goneText(task));
  const line =
    attempts.length === 0 || gone ? null : await orNote("the metrics", null, async () => (await deps.insight.task(task)).line.series);
  const metric = line === null ? null : metricChange(task, line);
  const told = await readSigns(deps.store, task);
  const hasEnded = isTerminal(task.state);
  const again =
    hasEnded && task.state !== "SUCCEEDED" && task.exportOf === null
      ? await orNote("the checkpoints", null, () => whereAgain(deps, task))
      : null;
  return {
    task,
    at: deps.clock.now(),
    attempts,
    waiting: isWaiting(task.state) ? await waitingOf(deps, task) : null,
    running:
      isLive(task.state) && latest !== null
        ? await orNote("the pace", null, () => runningOf(deps, task, latest, metric, told.stall?.reason?.text ?? null))
        : null,
    failed: task.failure === null || !hasEnded ? null : await failedOf(deps, task.failure, gone ? null : latest, orNote),
    ended: hasEnded
      ? {
          step: line?.steps.at(-1) ?? task.progress?.step ?? null,
          metric,
          checkpoint:
            task.state === "SUCCEEDED" && !gone
              ? await orNote("the checkpoints", null, () => newestCheckpoint(deps, task))
              : (again?.resumesFrom ?? null),
        }
      : null,
    again,
    alerts: told.alerts,
    notes,
  };
}

async function waitingOf({ store, forecast, pool }: WhyDeps, task: Task): Promise<WhyWaiting> {
  const view = await pool();
  const fit = await fitOf(store, task, view);
  const place = inOrder(await store.tasks.listOpen(), view.order).findIndex(({ taskId }) => taskId === task.taskId);
  const owner = await store.users.getUser(task.userId);
  const hasRoom = fit.perNode.filter(({ fits }) => fits).length >= task.needs.nodes;
  return {
    position: place < 0 ? null : place + 1,
    fit: fit.verdict === "later" && hasRoom ? "now" : fit.verdict,
    perNode: fit.perNode,
    estimate: (await forecast.estimates()).get(task.taskId) ?? null,
    sooner: whatHelps(task, owner?.limits.maxPriority ?? null),
  };
}

async function runningOf(
  deps: WhyDeps,
  task: Task,
  attempt: Attempt,
  metric: MetricChange | null,
  stall: string | null,
): Promise<WhyRunning> {
  const pace = await deps.insight.pace(task, attempt);
  const text = attempt.stalled ? (stall ?? "no new step for much longer than its steps take") : null;
  return { attempt, pace, metric, end: taskEnd(pace, deps.clock.now()), stall: text };
}

type OrNote = <T>(what: string, none: T, read: () => Promise<T>) => Promise<T>;

/** The label is what the task was closed with; the log's lines are shown where they say the same. */
async function failedOf(
  { diagnosisOf }: WhyDeps,
  failure: Failure,
  latest: Attempt | null,
  orNote: OrNote,
): Promise<NonNullable<Why["failed"]>> {
  const none = { failure, explanation: failure.text, evidence: [] };
  if (latest === null || latest.startedAt === null) return none;
  const found = await orNote("the log", null, () => diagnosisOf(latest));
  if (found === null || (found.label !== failure.label && failure.label !== "unknown")) return none;
  return { failure, explanation: found.explanation, evidence: found.evidence };
}

async function whereAgain({ store, files }: WhyDeps, task: Task): Promise<Again> {
  const nothing = { resumesFrom: null, text: "it would begin at step 0: no attempt of it left a complete checkpoint" };
  if (task.filesGoneAt !== null) return { resumesFrom: null, text: "it would begin at step 0: its checkpoints were removed by retention" };
  if (task.attempts === 0) return nothing;
  const { from, events } = await resumePoint({ store, files }, task, task.attempts + 1);
  if (from === null) return nothing;
  const text = events[0]?.reason?.text ?? `goes on from step ${from.step}`;
  return { resumesFrom: from, text: `it would ${text.replace(/^goes on/, "go on")}` };
}

async function newestCheckpoint({ store, files }: WhyDeps, task: Task): Promise<Checkpoint | null> {
  return task.attempts === 0 ? null : (await resumePoint({ store, files }, task, task.attempts + 1)).from;
}

function metricChange({ workload }: Task, line: Series): MetricChange | null {
  for (const key of headlineKeys(workload)) {
    const values = finitePoints(line, key).map(({ value }) => value);
    const [first, last] = [values[0], values.at(-1)];
    if (first === undefined || last === undefined) continue;
    const best = values.reduce((a, b) => (workload === "sft" ? Math.min(a, b) : Math.max(a, b)));
    return { key, first, last, best };
  }
  return null;
}
