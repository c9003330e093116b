/** Where a new attempt goes on: the newest complete checkpoint of the attempts before it, named explicitly, or step 0, said plainly (docs/resume.md). */
import { shapeOf } from "../../domain/checkpoint.ts";
import type { Attempt, NewTaskEvent, Progress, Task } from "../../domain/types.ts";
import type { CheckpointReading } from "../ports.ts";
import { isGone, type SchedulerDeps } from "./context.ts";

export type ResumePoint = {
  readonly from: Attempt["resumedFrom"];
  /** One event that says it; none for the first attempt of a task that continues nothing. */
  readonly events: readonly NewTaskEvent[];
  /** As far as the task has come by what is kept: steps that are done again do not count. */
  readonly progress: Progress | null;
  /** The furthest step that was done before and is done again; null = none is. */
  readonly again: number | null;
};

type Deps = Pick<SchedulerDeps, "store" | "files">;
/** An attempt that may have saved something, with the task it is of. */
type Saver = { readonly task: Task; readonly attempt: Attempt };

/** Retries of retries are followed so far back. */
const MAX_RETRIES = 100;
const SHOWN = 3;

/** Throws where storage can't tell: the launch is put off then, and nothing starts from step 0 for a mount that is away. */
export async function resumePoint(deps: Deps, task: Task, attempt: number): Promise<ResumePoint> {
  if (task.exportOf !== null) return { from: null, events: [], progress: null, again: null };
  if (task.attempts === 0 && (task.retryOf === null || task.fromScratch)) return { from: null, events: [], progress: null, again: null };
  const notes: string[] = [];
  let reached = task.progress?.step ?? null;
  let furthest = 0;
  for await (const saver of savers(deps, task)) {
    reached ??= saver.task.progress?.step ?? null;
    furthest = Math.max(furthest, reached ?? 0, saver.attempt.useMarks?.again ?? 0);
    const name = saver.task.taskId === task.taskId ? `attempt ${saver.attempt.attempt}` : saver.attempt.submissionId;
    const found = await look(deps, saver);
    if (found.kind === "gone") notes.push(`the files of ${name} are gone`);
    else {
      for (const { step, why } of found.skipped) notes.push(`the checkpoint of step ${step} of ${name} was passed over: ${why}`);
      if (found.newest !== null) {
        const from = { submissionId: saver.attempt.submissionId, step: found.newest };
        return {
          from,
          events: [resumed(attempt, from, name, reached, notes)],
          progress: keptProgress(task, from.step),
          again: beyond(furthest, from.step),
        };
      }
    }
  }
  return { from: null, events: [fromStart(attempt, reached, notes)], progress: null, again: beyond(furthest, 0) };
}

function beyond(furthest: number, step: number): number | null {
  return furthest > step ? furthest : null;
}

/** The metric was of a step that is lost. */
function keptProgress({ progress }: Task, step: number): Progress | null {
  return progress === null || progress.step <= step ? progress : { ...progress, step, metric: null };
}

/** The newest first; then those of the task that this one is a retry of. What never started, or got no GPUs, saved nothing. */
async function* savers(deps: Deps, task: Task): AsyncGenerator<Saver> {
  let at: Task | null = task;
  for (let i = 0; at !== null && i < MAX_RETRIES; i += 1) {
    const attempts = await deps.store.tasks.attempts(at.taskId);
    for (const attempt of attempts.toReversed()) {
      if (attempt.startedAt !== null && attempt.failure?.label !== "gpu_shortage") yield { task: at, attempt };
    }
    at = at.retryOf === null || at.fromScratch ? null : await deps.store.tasks.get(at.retryOf);
  }
}

async function look({ files }: Deps, { task, attempt }: Saver): Promise<CheckpointReading> {
  try {
    return await files.checkpoints(task.userId, attempt.submissionId, shapeOf(task.spec));
  } catch (error) {
    if (isGone(attempt, error)) return { kind: "gone" };
    throw error;
  }
}

function resumed(
  attempt: number,
  from: NonNullable<Attempt["resumedFrom"]>,
  name: string,
  reached: number | null,
  notes: readonly string[],
): NewTaskEvent {
  const lost = Math.max(0, (reached ?? 0) - from.step);
  const text = said(`goes on from step ${from.step}, saved by ${name}`, doneAgain(from.step, lost), notes);
  const data = { submission_id: from.submissionId, step: from.step, lost_steps: lost };
  return { actor: "system", attempt, type: "resumed", reason: { code: "resumed", text }, data };
}

function fromStart(attempt: number, reached: number | null, notes: readonly string[]): NewTaskEvent {
  const lost = reached ?? 0;
  const text = said("starts from step 0: no attempt before it left a complete checkpoint", doneAgain(0, lost), notes);
  return { actor: "system", attempt, type: "alert", reason: { code: "from_start", text }, data: { step: 0, lost_steps: lost } };
}

function doneAgain(step: number, lost: number): readonly string[] {
  if (lost === 0) return [];
  return [lost === 1 ? `step ${step + 1} is done again` : `steps ${step + 1} to ${step + lost} are done again`];
}

function said(first: string, lost: readonly string[], notes: readonly string[]): string {
  const more = notes.length > SHOWN ? [`and ${notes.length - SHOWN} more`] : [];
  return [first, ...lost, ...notes.slice(0, SHOWN), ...more].join("; ");
}
