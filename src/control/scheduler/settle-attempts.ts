/** Looks at every open attempt and does what `domain/reconciliation` says of it. */
import { afterAttempt, isLoss, neverStartedInRow } from "../../domain/after-attempt.ts";
import { type Ending, type Observation, settle } from "../../domain/reconciliation.ts";
import type { Hold } from "../../domain/capacity.ts";
import type { Attempt, AttemptFiles, Claim, HeadView, NodeView, RayJobView, Task } from "../../domain/types.ts";
import type { NewTaskEvent } from "../../domain/types.ts";
import { eachBounded, isGone, type SchedulerDeps, type SchedulerMemory, write } from "./context.ts";
import { follow, showWaiting } from "./follow.ts";
import { markEnd } from "./held-time.ts";
import { postAttempt, submittedChange } from "./launch.ts";
import { signOfLife } from "./memory.ts";
import { readProgress } from "./progress.ts";
import { requeueDone, requeueDue } from "./requeue.ts";
import { quarantine } from "./quarantine.ts";
import { noteHead, stallEndsIt } from "./stalls.ts";
import { isTimeUp } from "./time-limits.ts";
import { askNodes } from "./watch.ts";

export type World = {
  readonly head: HeadView;
  readonly nodes: readonly NodeView[] | null;
  /** This look saw both Ray's list and the agents' beats. */
  readonly isComplete: boolean;
};

const AT_ONCE = 8;
/** What an end reads of the metrics at most, of 1 MiB each: all but the last is known where this server followed the run. */
const MOST_READS = 16;
const LOG_TAIL_LINES = 400;
const LOG_TAIL_BYTES = 256 * 1024;
/** Ray shows a ghost record when a job is deleted within about 1 s of its end. */
const REMOVE_AFTER_MS = 5_000;

const SYSTEM = { actor: "system", attempt: null, data: {} } as const;

/** True when some task moved, so that another pass is worth making at once. */
export async function settleAttempts(
  deps: SchedulerDeps,
  memory: SchedulerMemory,
  epoch: number,
  live: readonly (readonly [Task, Attempt])[],
  world: World,
  signal: AbortSignal,
): Promise<boolean> {
  let moved = false;
  noteHead(memory, world.head);
  await eachBounded(live, AT_ONCE, async ([task, attempt]) => {
    try {
      moved = (await settleOne(deps, memory, epoch, task, attempt, world, signal)) || moved;
    } catch (error) {
      // One bad task must never keep the others from being looked at.
      signal.throwIfAborted();
      deps.log.error(
        { task_id: task.taskId, submission_id: attempt.submissionId, error: messageOf(error) },
        "an attempt could not be settled; the next pass tries again",
      );
    }
  });
  const open = new Set(live.map(([, attempt]) => attempt.submissionId));
  memory.still.forget(open);
  for (const map of [memory.metricOffsets, memory.running, memory.watches, memory.stalls.attempts])
    for (const key of map.keys()) if (!open.has(key)) map.delete(key);
  return moved;
}

async function settleOne(
  deps: SchedulerDeps,
  memory: SchedulerMemory,
  epoch: number,
  task: Task,
  attempt: Attempt,
  world: World,
  signal: AbortSignal,
): Promise<boolean> {
  let files: AttemptFiles;
  try {
    files = await deps.files.look(task.userId, attempt.submissionId);
  } catch (error) {
    if (isGone(attempt, error)) return endUnseen(deps, memory, epoch, task, attempt);
    const text = `the shared storage does not answer (${messageOf(error)}); nothing is decided until it does`;
    await showWaiting(deps, epoch, task, { code: "storage_lost", text, details: {}, until: null });
    return false;
  }
  // Judged by the time at which it was read: Ray may take long to answer, and a launcher that beats meanwhile is not silent.
  const stillMs = memory.still.observe(attempt.submissionId, signOfLife(files), memory.healthy.ms());
  const word = askNodes(deps, memory, attempt.submissionId, files, world.isComplete, stillMs);
  const ray = await askRay(deps, files, attempt, world, signal);
  const requeue = await requeueDue(deps, epoch, task, attempt, files);
  const seen: Observation = {
    files,
    ray,
    session: world.head.kind === "up" ? world.head.session : null,
    unclaimedMs: files.claim === null ? stillMs : 0,
    leaseStillMs: files.claim === null ? 0 : stillMs,
    nodesSay: word.kind,
    timeIsUp: await isTimeUp(deps, memory, task),
    requeueIsDue: requeue.isDue,
    stallIsDue: stallEndsIt(deps, memory, attempt),
  };
  return act(deps, memory, epoch, requeue.task, attempt, seen, word.text, world, signal);
}

/** Its directory can't be read, and an operator vouches for its death: nothing more will be known of it. */
function endUnseen(deps: SchedulerDeps, memory: SchedulerMemory, epoch: number, task: Task, attempt: Attempt): Promise<boolean> {
  const files: AttemptFiles = { claim: null, lease: null, stop: null, result: null };
  const ray: RayJobView = { kind: "absent" };
  const seen: Observation = {
    files,
    ray,
    session: null,
    unclaimedMs: 0,
    leaseStillMs: 0,
    nodesSay: "nothing",
    timeIsUp: false,
    requeueIsDue: false,
    stallIsDue: false,
  };
  return end(deps, memory, epoch, task, attempt, { kind: "lost", evidence: "operator" }, seen);
}

/** A result says all but the node; a head that is down is not asked once for each attempt. */
async function askRay(deps: SchedulerDeps, files: AttemptFiles, attempt: Attempt, world: World, signal: AbortSignal): Promise<RayJobView> {
  if (files.result !== null && attempt.state === "RUNNING") return { kind: "absent" };
  if (world.head.kind === "down") return { kind: "unknown", error: world.head.error };
  return deps.ray.get(attempt.submissionId, signal);
}

async function act(
  deps: SchedulerDeps,
  memory: SchedulerMemory,
  epoch: number,
  task: Task,
  attempt: Attempt,
  seen: Observation,
  nodesText: string,
  world: World,
  signal: AbortSignal,
): Promise<boolean> {
  const settlement = settle(task, attempt, seen, deps.settings);
  switch (settlement.kind) {
    case "wait":
      await follow(deps, memory, epoch, task, attempt, seen, world.head);
      return false;
    case "post_again":
      // Not worth another pass at once: a Ray that accepts the job and then denies it would be asked without a pause.
      await postAttempt(deps, epoch, task, attempt, seen.session, signal);
      return false;
    case "submitted":
      return applied(await write(deps, epoch, task, submittedChange(attempt.attempt, deps.clock.now())));
    case "claimed":
      return claimed(deps, epoch, task, attempt, seen, settlement.claim, world);
    case "revoke": {
      const { kind, claim } = await deps.files.revoke(task.userId, attempt.submissionId, settlement.why, deps.ids.hex(16));
      if (kind === "lost") return false;
      // The courtesy comes after the end is durable: whatever Ray answers, nothing of this attempt will run.
      const done = await end(deps, memory, epoch, task, attempt, { kind: "never_started", why: claim.why }, seen);
      if (done && world.head.kind === "up") await deps.ray.stop(attempt.submissionId, signal);
      return done;
    }
    case "stop":
      await deps.files.stop(task.userId, attempt.submissionId, settlement.why);
      if (world.head.kind === "up") await deps.ray.stop(attempt.submissionId, signal);
      return false;
    case "quarantine":
      await quarantine(deps, epoch, task, attempt, settlement.remainingMs, nodesText);
      return false;
    case "end":
      return end(deps, memory, epoch, task, attempt, settlement.ending, seen);
  }
}

async function claimed(
  deps: SchedulerDeps,
  epoch: number,
  task: Task,
  attempt: Attempt,
  seen: Observation,
  claim: Claim,
  world: World,
): Promise<boolean> {
  const now = deps.clock.now();
  const startedAt = instantWithin(claim.at, attempt.createdAt, now);
  const node = nodeOf(seen.ray, world) ?? claim.host;
  const event: NewTaskEvent = {
    ...SYSTEM,
    attempt: attempt.attempt,
    type: "state_changed",
    reason: { code: "claimed", text: `its launcher started on ${node}` },
  };
  const outcome = await write(deps, epoch, task, {
    to: "RUNNING",
    patch: { waiting: null, startedAt: task.startedAt ?? startedAt },
    events: [event, { ...event, type: "attempt_claimed", data: { node } }],
    attempt: {
      attempt: attempt.attempt,
      patch: { state: "RUNNING", node, claimNonce: claim.nonce, startedAt, submittedAt: attempt.submittedAt ?? startedAt },
    },
  });
  if (applied(outcome) && task.startedAt === null) deps.meters.queueWait((startedAt - task.createdAt) / 1000);
  return applied(outcome);
}

/** What a worker's wall clock says of an instant that this server knows to lie between two of its own: clocks may differ by hours. */
function instantWithin(text: string, low: number, high: number): number {
  const at = Date.parse(text);
  return Number.isNaN(at) ? high : Math.max(low, Math.min(at, high));
}

function nodeOf(ray: RayJobView, world: World): string | null {
  if (ray.kind !== "found" || ray.nodeId === null) return null;
  return world.nodes?.find((node) => node.rayNodeId === ray.nodeId)?.node ?? null;
}

async function end(
  deps: SchedulerDeps,
  memory: SchedulerMemory,
  epoch: number,
  task: Task,
  attempt: Attempt,
  ending: Ending,
  seen: Observation,
): Promise<boolean> {
  const earlier = (await deps.store.tasks.attempts(task.taskId)).filter((other) => other.attempt < attempt.attempt);
  const wantsLog = ending.kind === "lost" || (ending.kind === "result" && ending.result.exitCode !== 0);
  const outcome = afterAttempt(task, ending, {
    now: deps.clock.now(),
    attempt: attempt.attempt,
    losses: earlier.filter(isLoss).length,
    neverStarted: neverStartedInRow(earlier),
    logTail: wantsLog ? await logTail(deps, task.userId, attempt.submissionId) : "",
    ray: seen.ray,
    headLost: seen.session !== null && attempt.raySession !== null && seen.session !== attempt.raySession,
    jitter: (Number.parseInt(deps.ids.hex(2), 16) / 65_535 - 0.5) * 0.4,
    timeIsUp: seen.timeIsUp,
    stop: seen.files.stop,
    policy: deps.settings,
  });
  const news = ending.kind === "never_started" ? null : await readProgress(deps, memory, task, attempt, MOST_READS);
  const progress = ending.kind === "result" ? (news?.progress ?? null) : null;
  const useMarks = news === null ? null : await markEnd(deps, attempt, news, outcome.attempt.state === "SUCCEEDED");
  deps.failpoint("after_status_before_commit");
  const now = deps.clock.now();
  const endedAt = ending.kind === "result" ? instantWithin(ending.result.endedAt, attempt.startedAt ?? attempt.createdAt, now) : now;
  const { to } = outcome.task;
  const ended = to === "SUCCEEDED" || to === "FAILED" || to === "CANCELED";
  const event: NewTaskEvent = { ...SYSTEM, attempt: attempt.attempt, type: "state_changed", reason: outcome.reason };
  const evidence = ending.kind === "lost" ? { evidence: ending.evidence } : {};
  const data = { state: outcome.attempt.state, exit_code: outcome.attempt.exitCode, ...evidence };
  const done = await write(deps, epoch, task, {
    to,
    patch: {
      waiting: outcome.task.waiting,
      nextRunAt: outcome.task.nextRunAt,
      failure: outcome.task.failure,
      ...(progress === null ? {} : { progress }),
      ...(ended ? { endedAt } : requeueDone(task)),
    },
    events: [event, { ...event, type: "attempt_ended", data }],
    attempt: {
      attempt: attempt.attempt,
      patch: { ...outcome.attempt, quarantined: false, stalled: false, endedAt, ...(useMarks === null ? {} : { useMarks }) },
    },
  });
  if (!applied(done)) return false;
  deps.meters.attemptEnded(outcome.attempt.state);
  memory.disagreed.delete(attempt.submissionId);
  memory.toRemove.set(attempt.submissionId, deps.clock.monotonicMs() + REMOVE_AFTER_MS);
  if (ending.kind !== "never_started") memory.handOver.add(attempt.submissionId, holdOf(task, attempt), deps.clock.monotonicMs());
  return true;
}

export function holdOf(task: Task, attempt: Attempt): Hold {
  return { taskId: task.taskId, userId: task.userId, placement: attempt.placement };
}

/** The log is evidence, not a condition: an unreadable one must not keep an ended attempt open. */
async function logTail(deps: SchedulerDeps, userId: string, submissionId: string): Promise<string> {
  try {
    const range = await deps.files.tailLog(userId, submissionId, LOG_TAIL_LINES, LOG_TAIL_BYTES);
    return new TextDecoder().decode(range.bytes);
  } catch (error) {
    deps.log.warn(
      { submission_id: submissionId, error: messageOf(error) },
      "the log of an ended attempt can't be read; its failure is classified without it",
    );
    return "";
  }
}

function applied(outcome: { readonly kind: string }): boolean {
  return outcome.kind === "applied";
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
