/** Follows the steps of running attempts and writes when one stalls and when it goes on (docs/stalls.md). */
import { type Decision, decide } from "../../domain/diagnosis/diagnose.ts";
import { middle } from "../../domain/insight/pace.ts";
import { withStall, withStallEnd, withStep } from "../../domain/held-time.ts";
import { type Stall, type StallSight, stallOf, withoutRequestsOfOthers } from "../../domain/stall.ts";
import type { Attempt, HeadView, NewTaskEvent, Task, UseMarks } from "../../domain/types.ts";
import { type SchedulerDeps, type SchedulerMemory, write } from "./context.ts";
import { markSteps } from "./held-time.ts";
import type { NewSteps } from "./progress.ts";

/** Kept in this process only: after a restart each wait begins anew, which can only make it longer. */
export type StallMemory = {
  /** Healthy time at which the head was first found silent; null = it answers. */
  headSilentSince: number | null;
  readonly attempts: Map<string, StepWatch>;
};

type StepWatch = {
  /** The newest step, and healthy time at which it was first seen to be. */
  step: number | null;
  since: number;
  /** The newest that the metrics file told of. */
  fromFile: number | null;
  isFirstLook: boolean;
  /** Milliseconds between two steps, the newest last. */
  readonly gaps: number[];
  log: { readonly at: number; readonly unplaceable: string | null } | null;
  /** `at`: healthy time. */
  stalled: (Stall & { readonly at: number }) | null;
};

/** A median of fewer says little. */
const LEAST_GAPS = 3;
const MOST_GAPS = 21;
/** Before its first step an attempt's log is read at least so often. */
const LOG_EVERY_MS = 60_000;
const LOG_TAIL_LINES = 400;
const LOG_TAIL_BYTES = 256 * 1024;

/** Agents get so long to collect the stacks of what is to be stopped. */
const FOR_STACKS_MS = 60_000;

export function stallMemory(): StallMemory {
  return { headSilentSince: null, attempts: new Map() };
}

type Memory = Pick<SchedulerMemory, "healthy" | "stalls">;

/** Once a pass. */
export function noteHead({ healthy, stalls }: Memory, head: HeadView): void {
  stalls.headSilentSince = head.kind === "up" ? null : (stalls.headSilentSince ?? healthy.ms());
}

/** Whether it is to be stopped, so that it goes on from its newest checkpoint. */
export function stallEndsIt({ stalls: { policy } }: Pick<SchedulerDeps, "stalls">, memory: Memory, attempt: Attempt): boolean {
  const stalled = memory.stalls.attempts.get(attempt.submissionId)?.stalled ?? null;
  return policy === "resume" && stalled !== null && memory.healthy.ms() - stalled.at >= FOR_STACKS_MS;
}

/** `news`: what its metrics file told of since the last call. */
export async function followSteps(
  deps: SchedulerDeps,
  memory: SchedulerMemory,
  epoch: number,
  task: Task,
  attempt: Attempt,
  news: Pick<NewSteps, "progress" | "lines">,
): Promise<void> {
  const now = memory.healthy.ms();
  const watch = memory.stalls.attempts.get(attempt.submissionId) ?? newWatch(now);
  memory.stalls.attempts.set(attempt.submissionId, watch);
  // The console's steps count where there is no metrics file (verl 0.5), as the look for alerts saw them last.
  watch.fromFile = news.progress?.step ?? watch.fromFile;
  const hasMoved = sawStep(watch, watch.fromFile ?? deps.paceOf(task.taskId)?.step ?? null, now);
  const marks = await markedNow(deps, attempt, watch, news, hasMoved);
  if (hasMoved && attempt.stalled) return goesOn(deps, epoch, task, attempt, watch.step, marks);
  const sight = await sightOf(deps, memory, task, attempt, watch, now);
  const stall = stallOf(sight, deps.stalls);
  const isNews = stall !== null && watch.stalled === null;
  watch.stalled = stall === null ? null : (watch.stalled ?? { ...stall, at: now });
  if (stall === null || !isNews || attempt.stalled) return keepMarks(deps, epoch, task, attempt, marks);
  const event: NewTaskEvent = {
    actor: "system",
    attempt: attempt.attempt,
    type: "stalled",
    reason: { code: stall.code, text: stall.text + (await whatTheLogSays(deps, task, attempt, stall)) },
    data: { step: sight.step, still_s: Math.round(sight.stillMs / 1000) },
  };
  const useMarks = marks === null ? {} : { useMarks: withStall(marks, deps.clock.now() - Math.round(sight.stillMs)) };
  await write(deps, epoch, task, { events: [event], attempt: { attempt: attempt.attempt, patch: { stalled: true, ...useMarks } } });
  await askStacks(deps, attempt);
}

/** They are for people: that none can be asked for changes nothing. */
async function askStacks({ files, log }: SchedulerDeps, { userId, submissionId }: Attempt): Promise<void> {
  try {
    await files.askStacks(userId, submissionId);
  } catch (error) {
    log.warn({ submission_id: submissionId, error: String(error) }, "the stacks of a stalled attempt could not be asked for");
  }
}

/** Steps that only the console tells of came when they were seen. */
async function markedNow(
  deps: SchedulerDeps,
  attempt: Attempt,
  { step, fromFile }: StepWatch,
  { lines }: Pick<NewSteps, "lines">,
  hasMoved: boolean,
): Promise<UseMarks | null> {
  if (attempt.useMarks === null) return null;
  if (fromFile === null && step !== null && hasMoved) return withStep(attempt.useMarks, step, deps.clock.now());
  return markSteps(deps, attempt, attempt.useMarks, lines);
}

async function keepMarks(deps: SchedulerDeps, epoch: number, task: Task, attempt: Attempt, marks: UseMarks | null): Promise<void> {
  if (marks === null || marks === attempt.useMarks) return;
  await write(deps, epoch, task, { attempt: { attempt: attempt.attempt, patch: { useMarks: marks } } });
}

function newWatch(now: number): StepWatch {
  return { step: null, fromFile: null, since: now, isFirstLook: true, gaps: [], log: null, stalled: null };
}

/** True when another step is the newest than at the look before. */
function sawStep(watch: StepWatch, step: number | null, now: number): boolean {
  const { step: before, since, isFirstLook } = watch;
  watch.isFirstLook = false;
  if (step === before) return false;
  // What stood there at the first look came at any time before it.
  if (before !== null && step !== null && step > before) watch.gaps.push((now - since) / (step - before));
  if (watch.gaps.length > MOST_GAPS) watch.gaps.shift();
  Object.assign(watch, { step, since: now, stalled: null });
  return !isFirstLook;
}

async function sightOf(
  deps: SchedulerDeps,
  { healthy, stalls }: Memory,
  task: Task,
  attempt: Attempt,
  watch: StepWatch,
  now: number,
): Promise<StallSight> {
  const { step, since, gaps } = watch;
  const stillMs = now - since;
  const median = deps.paceOf(task.taskId)?.median ?? null;
  const stepMs = gaps.length >= LEAST_GAPS ? middle(gaps) : median === null ? null : median * 1000;
  if (step === null && stillMs >= deps.stalls.minMs && now - (watch.log?.at ?? -LOG_EVERY_MS) >= Math.min(LOG_EVERY_MS, deps.stalls.minMs))
    watch.log = { at: now, unplaceable: await unplaceable(deps, task, attempt) };
  const headSilentMs = stalls.headSilentSince === null ? 0 : healthy.ms() - stalls.headSilentSince;
  return { step, stillMs, stepMs, headSilentMs, unplaceable: step === null ? (watch.log?.unplaceable ?? null) : null };
}

async function goesOn(
  deps: SchedulerDeps,
  epoch: number,
  task: Task,
  attempt: Attempt,
  step: number | null,
  marks: UseMarks | null,
): Promise<void> {
  const event: NewTaskEvent = {
    actor: "system",
    attempt: attempt.attempt,
    type: "stall_ended",
    reason: { code: "step", text: step === null ? "it goes on" : `it goes on: step ${step} has come` },
    data: { step },
  };
  const useMarks = marks === null ? {} : { useMarks: withStallEnd(marks, deps.clock.now()) };
  await write(deps, epoch, task, { events: [event], attempt: { attempt: attempt.attempt, patch: { stalled: false, ...useMarks } } });
}

async function unplaceable(deps: SchedulerDeps, task: Task, attempt: Attempt): Promise<string | null> {
  const found = await ofLog(deps, task, attempt);
  return found?.diagnosis.label === "placement_pending" ? (found.decisive ?? "see its log") : null;
}

async function whatTheLogSays(deps: SchedulerDeps, task: Task, attempt: Attempt, { code }: Stall): Promise<string> {
  if (code === "placement_pending") return "";
  const found = await ofLog(deps, task, attempt);
  const { label } = found?.diagnosis ?? { label: "unknown" };
  return found === null || label === "unknown"
    ? "; its log names no cause"
    : `; its log says ${label}: ${found.decisive?.slice(0, 300) ?? "?"}`;
}

/** A log that can't be read keeps no stall from being told. */
async function ofLog(deps: SchedulerDeps, { needs }: Task, { userId, submissionId }: Attempt): Promise<Decision | null> {
  try {
    const range = await deps.files.tailLog(userId, submissionId, LOG_TAIL_LINES, LOG_TAIL_BYTES);
    const text = withoutRequestsOfOthers(new TextDecoder().decode(range.bytes), needs.gpusPerNode);
    return decide({ log: [{ text, firstLine: null }], rayMessage: "" });
  } catch (error) {
    deps.log.debug({ submission_id: submissionId, error: String(error) }, "the log of a stalled attempt can't be read now");
    return null;
  }
}
