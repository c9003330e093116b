/** A retry of an ended task: a new task that asks for the same, checked like any submission, and goes on where the old one stopped. */
import { AppError } from "../domain/app-error.ts";
import { whyNot } from "../domain/task-state.ts";
import type { Limits, Task } from "../domain/types.ts";
import type { Caller } from "./audit.ts";
import type { Idempotency } from "./ports.ts";
import { admit, type Created, type SubmitAnswer, type SubmitDeps, submitTask, type Submission, type Warning } from "./submit-task.ts";

export type RetryOptions = {
  readonly fromScratch: boolean;
  /** undefined = as the old task had it. */
  readonly deadline: number | undefined;
  readonly maxRuntimeMs: number | undefined;
};

/** The owner stays the owner, whoever asks. Throws wrong_state for a task that has not ended, and all that a submission throws. */
export async function retryTask(
  deps: SubmitDeps,
  old: Task,
  options: RetryOptions,
  by: Caller,
  idempotency: Idempotency | null,
  render: (created: Created) => string,
): Promise<SubmitAnswer> {
  const problem = whyNot("retry", old);
  if (problem !== null) throw new AppError("wrong_state", problem);
  if (old.exportOf !== null)
    throw new AppError("wrong_state", "an export is not retried; export the task it is of again: `verlpool export`");
  const owner = await deps.store.users.getUser(old.userId);
  const submission = submissionOf(old, options, by, owner?.limits ?? null, deps.clock.now());
  const admitted = await admit(deps, submission);
  return submitTask(deps, submission, admitted, idempotency, render, { taskId: old.taskId, fromScratch: options.fromScratch });
}

function submissionOf(old: Task, options: RetryOptions, by: Caller, limits: Limits | null, now: number): Submission {
  const { deadline, warnings } = deadlineOf(old, options, now);
  return {
    userId: old.userId,
    by,
    specText: old.specText,
    spec: old.spec,
    specWarnings: [...warnings, ...littleToDo(old, options)],
    lineOf: () => ({ line: null, column: null }),
    name: old.name,
    // `name@version`: the very one, since a newer version could train something else than what the checkpoint is of.
    profile: old.profile.name,
    priority: Math.min(old.priority, limits?.maxPriority ?? old.priority),
    labels: old.labels,
    deadline,
    maxRuntimeMs: options.maxRuntimeMs ?? old.maxRuntimeMs,
  };
}

/** A deadline that has passed would end the retry before it begins. */
function deadlineOf(
  old: Task,
  options: RetryOptions,
  now: number,
): { readonly deadline: number | null; readonly warnings: readonly Warning[] } {
  if (options.deadline !== undefined) return { deadline: options.deadline, warnings: [] };
  if (old.deadline === null || old.deadline > now) return { deadline: old.deadline, warnings: [] };
  const text = "the deadline of the old task has passed, so this one has none; give a new one with deadline";
  return { deadline: null, warnings: [{ code: "deadline_passed", field: null, text }] };
}

function littleToDo(old: Task, { fromScratch }: RetryOptions): readonly Warning[] {
  if (old.state !== "SUCCEEDED" || fromScratch) return [];
  const text = "the old task SUCCEEDED: from its last checkpoint there may be nothing left to train; from_scratch begins anew";
  return [{ code: "already_succeeded", field: null, text }];
}
