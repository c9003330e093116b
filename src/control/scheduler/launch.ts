/** Starts one attempt: intent committed first, then one POST with our own id, then what Ray said of it (docs/protocol.md rule 1). */
import { AppError } from "../../domain/app-error.ts";
import { formatSubmissionId } from "../../domain/ids.ts";
import type { Attempt, Failure, NewTaskEvent, Placement, Task } from "../../domain/types.ts";
import type { SubmitOutcome } from "../ports.ts";
import { isGone, type SchedulerDeps, write } from "./context.ts";
import { resumePoint } from "./resume.ts";
import { timeIsUpAt } from "./time-limits.ts";

/** `null` when the decision was stale or the task could not be built (it is FAILED then, with the reason). */
export async function launch(
  deps: SchedulerDeps,
  epoch: number,
  task: Task,
  previous: Attempt | null,
  placement: Placement,
  session: string,
  signal: AbortSignal,
): Promise<SubmitOutcome | null> {
  const attempt = task.attempts + 1;
  const submissionId = formatSubmissionId(task.taskId, attempt);
  if (previous?.state === "LOST") await tellSuperseded(deps, previous);
  const resume = await resumePoint(deps, task, attempt);
  const built: Built = { submissionId, attempt, resumedFrom: resume.from, createdAt: deps.clock.now() };
  const command = await buildOrFail(deps, epoch, task, built, session);
  if (command === null) return null;
  await deps.files.prepare({
    userId: task.userId,
    submissionId,
    specText: task.specText,
    argv: command.argv,
    env: command.env,
    profileText: command.profileText,
    attemptJson: command.attemptJson,
  });
  deps.failpoint("before_claim_commit");
  const nodes = placement.map((part) => part.node).join(", ");
  const event: NewTaskEvent = {
    actor: "system",
    attempt,
    type: "state_changed",
    reason: { code: "launch", text: `attempt ${attempt} fits on ${nodes}` },
    data: {},
  };
  const outcome = await write(deps, epoch, task, {
    to: "SUBMITTING",
    patch: { attempts: attempt, waiting: null, nextRunAt: null, passedSince: null, progress: resume.progress },
    events: [event, { ...event, type: "attempt_created", data: { submission_id: submissionId, placement } }, ...resume.events],
    newAttempt: { attempt, submissionId, placement, raySession: session, resumedFrom: resume.from, again: resume.again },
  });
  if (outcome.kind === "stale") return null;
  deps.failpoint("after_claim_commit");
  return postAttempt(deps, epoch, outcome.task, built, session, signal);
}

async function tellSuperseded(deps: SchedulerDeps, previous: Attempt): Promise<void> {
  try {
    await deps.files.stop(previous.userId, previous.submissionId, "superseded");
  } catch (error) {
    if (!isGone(previous, error)) throw error;
  }
}

type Built = Pick<Attempt, "attempt" | "submissionId" | "resumedFrom" | "createdAt">;

async function build(deps: SchedulerDeps, task: Task, { attempt, submissionId, resumedFrom, createdAt }: Built, session: string | null) {
  const deadline = await timeIsUpAt(deps, task, attempt, createdAt);
  return deps.commands.build(task, submissionId, attempt, session, resumedFrom, deadline);
}

async function buildOrFail(deps: SchedulerDeps, epoch: number, task: Task, attempt: Built, session: string) {
  try {
    return await build(deps, task, attempt, session);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const failure: Failure = {
      label: "config_invalid_value",
      blame: "config",
      retryable: false,
      text: error.message,
      fix: "Submit it again with a profile that exists (verlpool profiles).",
    };
    const event: NewTaskEvent = {
      actor: "system",
      attempt: null,
      type: "state_changed",
      reason: { code: error.code, text: error.message },
      data: {},
    };
    await write(deps, epoch, task, {
      to: "FAILED",
      patch: { failure, waiting: null, nextRunAt: null, endedAt: deps.clock.now() },
      events: [event],
    });
    return null;
  }
}

/**
 * POSTs an attempt whose row is committed, and records SUBMITTED when Ray says 200. Any other answer leaves SUBMITTING: the next pass asks
 * Ray for the id and, if it is absent there, comes back here with the same id. A second start is harmless: the launcher's claim is single-use.
 */
export async function postAttempt(
  deps: SchedulerDeps,
  epoch: number,
  task: Task,
  built: Built,
  session: string | null,
  signal: AbortSignal,
): Promise<SubmitOutcome | null> {
  const { submissionId, attempt } = built;
  const command = await build(deps, task, built, session);
  deps.failpoint("during_post");
  const outcome = await deps.ray.submit(
    {
      submissionId,
      entrypoint: command.entrypoint,
      envVars: command.env,
      metadata: {
        task_id: task.taskId,
        user_id: task.userId,
        attempt: String(attempt),
        nnodes: String(task.spec.nnodes),
        n_gpus_per_node: String(task.spec.nGpusPerNode),
      },
      resources: { worker_node: 1 },
    },
    signal,
  );
  deps.failpoint("after_post_before_record");
  if (outcome.kind === "unknown") {
    deps.log.warn({ submission_id: submissionId, error: outcome.error }, "Ray did not confirm the job; it will be asked for the id");
    return outcome;
  }
  if (task.state !== "SUBMITTING") return outcome;
  await write(deps, epoch, task, submittedChange(attempt, deps.clock.now()));
  return outcome;
}

/** SUBMITTED = Ray knows the id, by its answer to our POST or to a later look. */
export function submittedChange(attempt: number, now: number) {
  const reason = { code: "submitted", text: "Ray knows the job" };
  return {
    to: "SUBMITTED",
    patch: { waiting: null },
    events: [{ actor: "system", attempt, type: "state_changed", reason, data: {} }],
    attempt: { attempt, patch: { state: "SUBMITTED", submittedAt: now } },
  } as const;
}
