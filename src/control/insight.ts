/**
 * What a task's own files say of its training: its metrics as columns, read on from where the last look ended, and the total of its steps. A cache in
 * this process, bounded; everything in it can be read again.
 */
import { seriesBuilder, type Series, type SeriesBuilder } from "../domain/insight/series.ts";
import { type Line, type Source, type Strand, stitch } from "../domain/insight/stitch.ts";
import { type FileTime, lastStepAt, paceOf, type RunPace } from "../domain/insight/pace.ts";
import { CONSOLE_STEP, parseConsoleLine, parseMetricLine } from "../domain/insight/training-log.ts";
import { TOTAL_STEPS_PATTERN, totalSteps } from "../domain/insight/total-steps.ts";
import type { Attempt, Task } from "../domain/types.ts";
import { linesOf } from "./file-lines.ts";
import { markedLines } from "./marked-lines.ts";
import type { LogFiles } from "./file-ports.ts";
import type { JobFiles, Store } from "./ports.ts";

export type InsightDeps = { readonly store: Store; readonly files: JobFiles; readonly logs: LogFiles };

/** 1 MiB each: what one look reads of a file that is new to it. */
const MOST_READS = 64;
/** Parts of a log that one look goes through for console lines. */
const MOST_SCANS = 8;
/** A log's head in which the total stands, in scans. */
const TOTAL_SCANS = 2;
/** Numbers in the cache, 8 bytes each. */
const MAX_CACHED = 6_000_000;
/** Retries of retries are followed so far back. */
const MAX_RETRIES = 20;

export type AttemptMetrics = {
  readonly attempt: Attempt;
  /** Null = neither a file nor console lines. */
  readonly source: Source | null;
  readonly series: Series;
  /** False = there was more to read than one look may. */
  readonly complete: boolean;
};

export type TaskMetrics = { readonly attempts: readonly AttemptMetrics[]; readonly line: Line; readonly complete: boolean };

export type Insight = {
  readonly attempt: (attempt: Attempt) => Promise<AttemptMetrics>;
  /** All attempts, and the line that they make together with those of the tasks that this one is a retry of. */
  readonly task: (task: Task) => Promise<TaskMetrics>;
  readonly pace: (task: Task, attempt: Attempt) => Promise<RunPace>;
};

type Entry = {
  source: Source | null;
  builder: SeriesBuilder;
  metricsAt: number;
  consoleAt: number;
  total: { readonly value: number | null; readonly scans: number; readonly at: number };
  looking: Promise<boolean> | null;
};

export function insight(deps: InsightDeps): Insight {
  // In the order of use: the first goes first.
  const cache = new Map<string, Entry>();

  const entryOf = (submissionId: string): Entry => {
    const known = cache.get(submissionId) ?? newEntry();
    cache.delete(submissionId);
    cache.set(submissionId, known);
    return known;
  };

  const letGo = (): void => {
    let held = [...cache.values()].reduce((sum, entry) => sum + sizeOf(entry.builder.series), 0);
    for (const [submissionId, entry] of cache) {
      if (held <= MAX_CACHED || cache.size === 1) return;
      if (entry.looking !== null) continue;
      held -= sizeOf(entry.builder.series);
      cache.delete(submissionId);
    }
  };

  /** Those who ask at the same time share one look. */
  const look = async (attempt: Attempt): Promise<{ readonly entry: Entry; readonly complete: boolean }> => {
    const entry = entryOf(attempt.submissionId);
    entry.looking ??= readOn(deps, attempt, entry).finally(() => {
      entry.looking = null;
    });
    const complete = await entry.looking;
    letGo();
    return { entry, complete };
  };

  const attemptMetrics = async (attempt: Attempt): Promise<AttemptMetrics> => {
    // What never started has no directory to look into for ever.
    if (attempt.startedAt === null) return { attempt, source: null, series: seriesBuilder().series, complete: true };
    const { entry, complete } = await look(attempt);
    return { attempt, source: entry.source, series: entry.builder.series, complete };
  };

  const readAll = async (attempts: readonly Attempt[]): Promise<readonly AttemptMetrics[]> => {
    const out: AttemptMetrics[] = [];
    for (const attempt of attempts) out.push(await attemptMetrics(attempt));
    return out;
  };

  const task = async (of: Task): Promise<TaskMetrics> => {
    const attempts = await readAll(await deps.store.tasks.attempts(of.taskId));
    const before = await ancestors(
      deps.store,
      of,
      attempts.map(({ attempt }) => attempt),
      readAll,
    );
    const all = [...before, ...attempts];
    return { attempts, line: stitch(all.map(strandOf)), complete: all.every(({ complete }) => complete) };
  };

  const pace = async (of: Task, attempt: Attempt): Promise<RunPace> => {
    const { series } = await attemptMetrics(attempt);
    const times: readonly FileTime[] = attempt.startedAt === null ? [] : await deps.logs.times(attempt.userId, attempt.submissionId);
    const total = attempt.startedAt === null ? of.spec.totalTrainingSteps : await totalOf(deps, of, attempt, entryOf(attempt.submissionId));
    return { ...paceOf(series, times), step: series.steps.at(-1) ?? null, totalSteps: total, lastStepAt: lastStepAt(series, times) };
  };

  return { attempt: attemptMetrics, task, pace };
}

function newEntry(): Entry {
  return { source: null, builder: seriesBuilder(), metricsAt: 0, consoleAt: 0, total: { value: null, scans: 0, at: 0 }, looking: null };
}

function sizeOf({ steps, columns }: Series): number {
  return steps.length * (columns.size + 2);
}

function strandOf({ attempt, source, series }: AttemptMetrics): Strand {
  const { taskId, submissionId, resumedFrom } = attempt;
  return { taskId, submissionId, attempt: attempt.attempt, resumedFrom, source: source ?? "file", series };
}

/** Attempts of the tasks before, as far as a checkpoint of theirs was gone on from; oldest first. */
async function ancestors(
  store: Store,
  task: Task,
  attempts: readonly Attempt[],
  readAll: (attempts: readonly Attempt[]) => Promise<readonly AttemptMetrics[]>,
): Promise<readonly AttemptMetrics[]> {
  const out: AttemptMetrics[] = [];
  let known = attempts;
  let at: Task | null = task;
  for (let i = 0; i < MAX_RETRIES; i += 1) {
    const ids: ReadonlySet<string> = new Set(known.map(({ submissionId }) => submissionId));
    const isContinued = known.some(({ resumedFrom }) => resumedFrom !== null && !ids.has(resumedFrom.submissionId));
    at = at.retryOf === null || !isContinued ? null : await store.tasks.get(at.retryOf, task.userId);
    if (at === null) return out;
    known = await store.tasks.attempts(at.taskId);
    out.unshift(...(await readAll(known)));
  }
  return out;
}

/** True when nothing is left to read for now. */
async function readOn(deps: InsightDeps, attempt: Attempt, entry: Entry): Promise<boolean> {
  const complete = await readMetrics(deps, attempt, entry);
  if (entry.source === "file") return complete;
  return readConsole(deps, attempt, entry);
}

async function readMetrics({ files }: InsightDeps, attempt: Attempt, entry: Entry): Promise<boolean> {
  for (let i = 0; i < MOST_READS; i += 1) {
    const range = await files.readMetrics(attempt.userId, attempt.submissionId, entry.metricsAt);
    // Another file in its place: what was read of the old one does not count.
    if (range.size < entry.metricsAt) {
      Object.assign(entry, newEntry(), { looking: entry.looking });
      continue;
    }
    if (range.end <= entry.metricsAt) return true;
    for (const { text, end } of linesOf(range.bytes, entry.metricsAt)) {
      const point = parseMetricLine(text);
      if (point === null) continue;
      if (entry.source !== "file") Object.assign(entry, { source: "file", builder: seriesBuilder() });
      entry.builder.add(point, end);
    }
    entry.metricsAt = range.end;
  }
  return false;
}

/** verl 0.5 has no file logger, and an operator's profile may leave it out; then the console is all there is. */
async function readConsole({ logs }: InsightDeps, attempt: Attempt, entry: Entry): Promise<boolean> {
  for (let i = 0; i < MOST_SCANS; i += 1) {
    const request = { pattern: CONSOLE_STEP, offset: entry.consoleAt, maxLines: 10_000, lastLine: attempt.endedAt !== null };
    const scan = await logs.scan(attempt.userId, attempt.submissionId, request);
    if (scan.size < entry.consoleAt) {
      Object.assign(entry, newEntry(), { looking: entry.looking });
      continue;
    }
    for (const { bytes, end } of markedLines(scan)) {
      for (const piece of new TextDecoder().decode(bytes).split("\r")) {
        const point = parseConsoleLine(piece);
        if (point !== null) entry.builder.add(point, end);
      }
    }
    if (entry.builder.series.steps.length > 0) entry.source = "console";
    if (scan.end <= entry.consoleAt) return true;
    entry.consoleAt = scan.end;
    if (scan.end >= scan.size) return true;
  }
  return false;
}

async function totalOf({ logs }: InsightDeps, task: Task, attempt: Attempt, entry: Entry): Promise<number | null> {
  const cap = task.spec.totalTrainingSteps;
  if (entry.total.value !== null || entry.total.scans >= TOTAL_SCANS) return entry.total.value ?? cap;
  const request = { pattern: TOTAL_STEPS_PATTERN, offset: entry.total.at, maxLines: 20, lastLine: false };
  const scan = await logs.scan(attempt.userId, attempt.submissionId, request);
  const lines = new TextDecoder()
    .decode(scan.bytes)
    .split("\n")
    .filter((line) => line !== "");
  const found = lines.length === 0 ? null : totalSteps(lines, cap);
  // A scan that came to the end of what was written so far has not used up a try.
  const isFull = scan.end < scan.size;
  entry.total = { value: found, scans: entry.total.scans + (isFull ? 1 : 0), at: scan.end };
  return found ?? cap;
}
