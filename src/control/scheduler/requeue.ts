/** A running task that was asked back into the queue: when its attempt is to stop (docs/scheduling.md), and what is left of the request then. */
import { shapeOf } from "../../domain/checkpoint.ts";
import type { Attempt, AttemptFiles, Task } from "../../domain/types.ts";
import type { TaskPatch } from "../ports.ts";
import { type SchedulerDeps, write } from "./context.ts";

type Due = { readonly task: Task; readonly isDue: boolean };

/**
 * At once, or when a complete checkpoint is there that is newer than the newest at the first look after the request. That one is written down, so
 * that a restart waits for no later one. `task` is as it stands after that.
 */
export async function requeueDue(deps: SchedulerDeps, epoch: number, task: Task, attempt: Attempt, files: AttemptFiles): Promise<Due> {
  const { requeue } = task;
  if (requeue === null) return { task, isDue: false };
  if (requeue.now || files.stop === "requeue") return { task, isDue: true };
  if (attempt.state !== "RUNNING" || files.result !== null) return { task, isDue: false };
  const newest = await newestStep(deps, task, attempt);
  if (newest === undefined) return { task, isDue: false };
  if (requeue.since !== null) return { task, isDue: newest !== null && newest > (requeue.since.step ?? 0) };
  const outcome = await write(deps, epoch, task, { patch: { requeue: { ...requeue, since: { step: newest } } } });
  return { task: outcome.kind === "applied" ? outcome.task : task, isDue: false };
}

/** Undefined where it can't be read now: the next pass looks again. */
async function newestStep(deps: SchedulerDeps, task: Task, attempt: Attempt): Promise<number | null | undefined> {
  try {
    const found = await deps.files.checkpoints(task.userId, attempt.submissionId, shapeOf(task.spec));
    return found.kind === "gone" ? undefined : found.newest;
  } catch (error) {
    deps.log.warn({ submission_id: attempt.submissionId, error: String(error) }, "checkpoints can't be read now; a requeue waits for it");
    return undefined;
  }
}

/** However the attempt ended, the task is in the queue again, which is all that was asked; held, if that was asked too. */
export function requeueDone({ requeue, held }: Task): TaskPatch {
  return requeue === null ? {} : { requeue: null, held: held || requeue.hold };
}
