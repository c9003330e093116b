/** A result that appears after its attempt was given up (docs/protocol.md rule 7). */
import { afterAttempt } from "../../domain/after-attempt.ts";
import type { Attempt, AttemptFiles, NewTaskEvent, Task } from "../../domain/types.ts";
import { isGone, type SchedulerDeps, write } from "./context.ts";

/** The result of the attempt before, if it was given up without one: until a new attempt's row commits, a late result still wins (rule 7). */
export async function lateResult(
  deps: SchedulerDeps,
  task: Task,
): Promise<{ readonly attempt: Attempt; readonly files: AttemptFiles } | null> {
  if (task.attempts === 0) return null;
  const last = (await deps.store.tasks.latestAttempts([task.taskId])).get(task.taskId);
  if (last?.state !== "LOST") return null;
  try {
    return { attempt: last, files: await deps.files.look(task.userId, last.submissionId) };
  } catch (error) {
    if (!isGone(last, error)) throw error;
    return { attempt: last, files: { claim: null, lease: null, stop: null, result: null } };
  }
}

/** Rule 7: a result that appeared after the attempt was given up, but before a new one exists, closes the task. */
export async function closeByLateResult(
  deps: SchedulerDeps,
  epoch: number,
  task: Task,
  attempt: Attempt,
  files: AttemptFiles,
): Promise<boolean> {
  const { result, claim } = files;
  if (result === null || claim === null || result.nonce !== claim.nonce || result.exitCode !== 0 || result.outcome !== "exited")
    return false;
  const now = deps.clock.now();
  const outcome = afterAttempt(
    task,
    { kind: "result", result },
    {
      now,
      attempt: attempt.attempt,
      losses: 0,
      neverStarted: 0,
      logTail: "",
      headLost: false,
      ray: { kind: "absent" },
      jitter: 0,
      timeIsUp: false,
      stop: files.stop,
      policy: deps.settings,
    },
  );
  const event: NewTaskEvent = {
    actor: "system",
    attempt: attempt.attempt,
    type: "state_changed",
    reason: { code: "late_result", text: "the attempt counted as lost, but its result arrived before a new one was made" },
    data: {},
  };
  const done = await write(deps, epoch, task, {
    to: outcome.task.to,
    patch: { waiting: null, nextRunAt: null, failure: outcome.task.failure, endedAt: now },
    events: [event, { ...event, type: "late_result" }],
    attempt: { attempt: attempt.attempt, patch: outcome.attempt },
  });
  return done.kind === "applied";
}
