/** What only an operator can say: that nothing is to start for now, and that an attempt is dead which no machine can vouch for. */
import { AppError } from "../domain/app-error.ts";
import { parseSubmissionId } from "../domain/ids.ts";
import { isAttemptOpen } from "../domain/task-state.ts";
import type { Attempt, NewTaskEvent, Pause, Task } from "../domain/types.ts";
import { auditEntry, type Caller } from "./audit.ts";
import type { Clock, Store } from "./ports.ts";

type Deps = { readonly store: Store; readonly clock: Clock };

/** Nothing is started from the next pass on; what runs goes on. Idempotent: the first pause stays. */
export async function pauseQueue({ store, clock }: Deps, reason: string | null, by: Caller): Promise<Pause | null> {
  const at = clock.now();
  await store.queue.setPause({ at, actor: by.actor, reason }, auditEntry(by, at, "queue.pause", "queue", null, { reason }));
  return store.queue.pause();
}

export async function resumeQueue({ store, clock }: Deps, by: Caller): Promise<Pause | null> {
  await store.queue.setPause(null, auditEntry(by, clock.now(), "queue.resume", "queue", null));
  return store.queue.pause();
}

const TRIES = 50;

/**
 * Evidence for a silent attempt (docs/protocol.md rule 6): the operator has made sure that its nodes are off or restarted. The next pass ends it
 * as LOST, and the task gets a new attempt within its budget. Throws wrong_state for an attempt that shows life, has not started or has ended.
 */
export async function declareDead({ store, clock }: Deps, submissionId: string, reason: string, by: Caller): Promise<Attempt> {
  for (let i = 0; i < TRIES; i += 1) {
    const { task, attempt } = await find(store, submissionId);
    if (attempt.declaredDead !== null) return attempt;
    const problem = whyNotDead(task, attempt);
    if (problem !== null) throw new AppError("wrong_state", `${submissionId} ${problem}`);
    const at = clock.now();
    const event: NewTaskEvent = {
      attempt: attempt.attempt,
      actor: by.actor,
      type: "declared_dead",
      reason: { code: "declared_dead", text: reason },
      data: {},
    };
    const outcome = await store.tasks.change({
      taskId: task.taskId,
      version: task.version,
      epoch: null,
      at,
      events: [event],
      attempt: { attempt: attempt.attempt, patch: { declaredDead: { at, actor: by.actor, reason } } },
      audit: auditEntry(by, at, "attempt.declare_dead", submissionId, task.userId, { reason }),
    });
    if (outcome.kind === "applied") return (await find(store, submissionId)).attempt;
  }
  throw new AppError("database_unavailable", `the task of ${submissionId} changes too fast; try again`, { retryAfterS: 1 });
}

async function find(store: Store, submissionId: string): Promise<{ readonly task: Task; readonly attempt: Attempt }> {
  const parsed = parseSubmissionId(submissionId);
  const task = parsed === null ? null : await store.tasks.get(parsed.taskId, null);
  const attempts = task === null ? [] : await store.tasks.attempts(task.taskId);
  const attempt = attempts.find((one) => one.submissionId === submissionId);
  if (task === null || attempt === undefined) throw new AppError("not_found", `no attempt ${submissionId}`);
  return { task, attempt };
}

function whyNotDead(task: Task, attempt: Attempt): string | null {
  if (!isAttemptOpen(attempt.state)) return `has ended (${attempt.state}); there is nothing to declare`;
  if (attempt.state !== "RUNNING") return "has not started; cancel the task, or wait: it is given up by itself";
  if (attempt.quarantined || task.waiting?.code === "storage_lost") return null;
  return "shows signs of life: its launcher renews its lease. Cancel the task instead";
}
