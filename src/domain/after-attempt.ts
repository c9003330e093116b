/** What an ended attempt means for its task: the end, another attempt, or a wait. Pure. */
import { beforeStart, classify, timeLimit } from "./failure.ts";
import type { Ending } from "./reconciliation.ts";
import { withoutRequestsOfOthers } from "./stall.ts";
import type { AttemptResult, AttemptState, Failure, RayJobView, StopWhy, Task, TaskState, Waiting } from "./types.ts";

export type RetryPolicy = {
  /** Infrastructure losses a task may have; resource waits and attempts that never started cost nothing. */
  readonly maxLosses: number;
  readonly backoffMs: number;
  readonly retryIntervalMs: number;
};

export type AttemptEnd = {
  readonly attempt: {
    readonly state: AttemptState;
    readonly exitCode: number | null;
    readonly signal: string | null;
    readonly failure: Failure | null;
  };
  readonly task: {
    readonly to: Extract<TaskState, "SUCCEEDED" | "FAILED" | "CANCELED" | "QUEUED" | "PENDING_RESOURCES">;
    readonly failure: Failure | null;
    readonly waiting: Waiting | null;
    readonly nextRunAt: number | null;
  };
  readonly reason: { readonly code: string; readonly text: string };
};

export type EndContext = {
  readonly now: number;
  readonly attempt: number;
  /** Infrastructure losses of earlier attempts of this task. */
  readonly losses: number;
  /** How many attempts right before this one never started, for no reason of their own. */
  readonly neverStarted: number;
  readonly logTail: string;
  readonly ray: RayJobView;
  readonly headLost: boolean;
  /** In [-0.2, 0.2]: spreads retries, so that a pool never tries in step. */
  readonly jitter: number;
  readonly timeIsUp: boolean;
  /** What stands in `control/stop`: what the server asked for, which Ray's own stop may have overtaken on its way to the launcher. */
  readonly stop: StopWhy | null;
  readonly policy: RetryPolicy;
};

const MAX_BACKOFF_MS = 30 * 60_000;

export function afterAttempt(task: Task, ending: Ending, context: EndContext): AttemptEnd {
  if (ending.kind === "never_started") return afterNeverStarted(task, context);
  const result = ending.kind === "result" ? ending.result : null;
  const base = { exitCode: result?.exitCode ?? null, signal: result?.signal ?? null };
  if (result?.outcome === "exited" && result.exitCode === 0) {
    return final({ ...base, state: "SUCCEEDED", failure: null }, "SUCCEEDED", null, {
      code: "exited",
      text: "the driver ended with exit code 0",
    });
  }
  if (task.cancelRequestedAt !== null) {
    return final({ ...base, state: "CANCELED", failure: null }, "CANCELED", null, { code: "cancel", text: "canceled while it ran" });
  }
  const stalled = context.stop === "stalled" && result?.outcome === "stopped";
  const logTail = withoutRequestsOfOthers(context.logTail, task.needs.gpusPerNode);
  const failure = ofStall(classify({ result, logTail, ray: context.ray, headLost: context.headLost, stalled }), context);
  const state: AttemptState = result === null || result.outcome === "self_fenced" ? "LOST" : "FAILED";
  const requeued = isRequeued(result, context);
  if (isOverrun(result, failure, context) || (requeued && context.timeIsUp)) return outOfTime(task, { ...base, state });
  if (requeued) return backToQueue({ ...base, state: "CANCELED", failure: null });
  const attempt = { ...base, state, failure };
  if (failure.label === "gpu_shortage") return waitForResources(attempt, failure, context);
  if (!failure.retryable) return final(attempt, "FAILED", failure, { code: failure.label, text: failure.text });
  return retryLoss(attempt, failure, context);
}

function final(
  attempt: AttemptEnd["attempt"],
  to: "SUCCEEDED" | "FAILED" | "CANCELED",
  failure: Failure | null,
  reason: AttemptEnd["reason"],
): AttemptEnd {
  return { attempt, task: { to, failure, waiting: null, nextRunAt: null }, reason };
}

/**
 * Ray's own stop, which we send together with ours, reaches the launcher first, so `stopWhy` is often null (measured): the clock decides too.
 * An attempt that would be tried again has no time left for it.
 */
function isOverrun(result: AttemptResult | null, failure: Failure, context: EndContext): boolean {
  const stopped = result?.outcome === "stopped";
  return (stopped && result.stopWhy === "deadline") || (context.timeIsUp && (stopped || failure.retryable));
}

const NO_CAUSE: ReadonlySet<string> = new Set(["interrupted", "unknown", "worker_crash_unknown"]);

/** We stopped it because nothing moved: that is the reason, unless its log names a cause. */
function ofStall(failure: Failure, { stop }: EndContext): Failure {
  if (stop !== "stalled" || !NO_CAUSE.has(failure.label)) return failure;
  return {
    label: "hang_unknown",
    blame: "unknown",
    retryable: true,
    text: "it made no progress and was stopped for that (stalls.policy)",
    fix: "Nothing to do: it goes on from its newest checkpoint. If it stalls again, read its log around the last step (verlpool logs ID).",
  };
}

/** A launcher that fell silent or fenced itself is a loss all the same. */
function isRequeued(result: AttemptResult | null, { stop }: EndContext): boolean {
  return stop === "requeue" && (result?.outcome === "stopped" || result?.outcome === "exited");
}

function backToQueue(attempt: AttemptEnd["attempt"]): AttemptEnd {
  return {
    attempt,
    task: { to: "QUEUED", failure: null, waiting: null, nextRunAt: null },
    reason: { code: "requeue", text: "stopped to go back to the queue, as was asked" },
  };
}

function outOfTime(task: Task, base: Omit<AttemptEnd["attempt"], "failure">): AttemptEnd {
  const failure = timeLimit(
    task.maxRuntimeMs === null
      ? "its deadline passed"
      : `it ran for its max_runtime_s of ${task.maxRuntimeMs / 1000} s, or its deadline passed`,
  );
  return final({ ...base, failure }, "FAILED", failure, { code: failure.label, text: failure.text });
}

function afterNeverStarted(task: Task, context: EndContext): AttemptEnd {
  const attempt = { state: "NEVER_STARTED" as const, exitCode: null, signal: null, failure: null };
  if (task.cancelRequestedAt !== null)
    return final({ ...attempt, state: "CANCELED" }, "CANCELED", null, { code: "cancel", text: "canceled before it started" });
  if (context.timeIsUp) {
    const failure = timeLimit("its deadline passed before it started");
    return final({ ...attempt, failure }, "FAILED", failure, { code: failure.label, text: failure.text });
  }
  if (task.requeue?.now === true) return backToQueue(attempt);
  const failure = beforeStart(context.ray);
  if (failure?.label === "gpu_shortage") return waitForResources({ ...attempt, failure }, failure, context);
  if (failure !== null) return retryLoss({ ...attempt, failure }, failure, context);
  const text = "the attempt never started (Ray lost it, or it did not start in time), so a new one is made";
  const reason = { code: "never_started", text };
  if (context.neverStarted === 0) return { attempt, task: { to: "QUEUED", failure: null, waiting: null, nextRunAt: null }, reason };
  return { attempt, task: { to: "QUEUED", failure: null, ...waitBetweenStarts(context) }, reason };
}

/** Free of budget, but not of time: a pool that loses each start would else be given a new attempt as fast as it loses them. */
function waitBetweenStarts(context: EndContext): Pick<AttemptEnd["task"], "waiting" | "nextRunAt"> {
  const delay = backoff(context.neverStarted - 1, context);
  const nextRunAt = context.now + delay;
  const waiting: Waiting = {
    code: "cooling_down",
    text: `${context.neverStarted + 1} attempts in a row never started; the next one is made after a wait`,
    details: { never_started: context.neverStarted + 1, wait_ms: delay },
    until: nextRunAt,
  };
  return { waiting, nextRunAt };
}

function backoff(earlier: number, { policy, jitter }: EndContext): number {
  return Math.round(Math.min(policy.backoffMs * 2 ** earlier, MAX_BACKOFF_MS) * (1 + jitter));
}

function waitForResources(attempt: AttemptEnd["attempt"], failure: Failure, context: EndContext): AttemptEnd {
  const nextRunAt = context.now + context.policy.retryIntervalMs;
  const waiting: Waiting = {
    code: "no_capacity",
    text: `attempt ${context.attempt} found too few free GPUs: ${failure.text}`,
    details: { after_attempt: context.attempt, wait_ms: context.policy.retryIntervalMs },
    until: nextRunAt,
  };
  return {
    attempt,
    task: { to: "PENDING_RESOURCES", failure: null, waiting, nextRunAt },
    reason: { code: failure.label, text: failure.text },
  };
}

/** Back-off 30 s × 2ⁿ ± 20 %, at most 30 min; beyond the budget the task fails, with the last loss as its reason. */
function retryLoss(attempt: AttemptEnd["attempt"], failure: Failure, context: EndContext): AttemptEnd {
  const { policy, losses } = context;
  if (losses + 1 > policy.maxLosses) {
    const spent = {
      ...failure,
      retryable: false,
      text: `${failure.text} (lost ${losses + 1} times, the budget is ${policy.maxLosses})`,
      fix: `${failure.fix} Then retry it (verlpool retry ID): it goes on from the last checkpoint.`,
    };
    return final(attempt, "FAILED", spent, { code: "attempts_spent", text: spent.text });
  }
  const delay = backoff(losses, context);
  const nextRunAt = context.now + delay;
  const waiting: Waiting = {
    code: "cooling_down",
    text: `attempt ${context.attempt} was lost (${failure.text}); loss ${losses + 1} of at most ${policy.maxLosses}`,
    details: { losses: losses + 1, budget: policy.maxLosses, wait_ms: delay },
    until: nextRunAt,
  };
  return { attempt, task: { to: "QUEUED", failure: null, waiting, nextRunAt }, reason: { code: failure.label, text: failure.text } };
}

/**
 * When a stored wait is over, as the clock stands now: never later than the wait itself, or than the longest there is, whatever the wall
 * clock has jumped since (docs/protocol.md rule 12). Null = at once.
 */
export function dueAt(task: Pick<Task, "nextRunAt" | "waiting">, now: number): number | null {
  if (task.nextRunAt === null) return null;
  const wait = task.waiting?.details["wait_ms"];
  return Math.min(task.nextRunAt, now + (typeof wait === "number" ? wait : MAX_BACKOFF_MS * 1.2));
}

/** How many of the newest attempts never started, for no reason of their own. */
export function neverStartedInRow(attempts: readonly { readonly state: AttemptState; readonly failure: Failure | null }[]): number {
  return attempts.length - 1 - attempts.findLastIndex((attempt) => attempt.state !== "NEVER_STARTED" || attempt.failure !== null);
}

/** Whether an ended attempt counts against the budget of infrastructure losses. */
export function isLoss(attempt: { readonly state: AttemptState; readonly failure: Failure | null }): boolean {
  return attempt.failure !== null && attempt.failure.retryable && attempt.failure.label !== "gpu_shortage" && attempt.state !== "SUCCEEDED";
}
