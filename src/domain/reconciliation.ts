/**
 * What to do about one open attempt, from what storage, the nodes' agents and Ray say of it (docs/protocol.md rules 1–3, 6–8). Pure.
 * Storage decides: the claim says whether it started, `result.json` how it ended. Ray's word alone never ends a started attempt.
 */
import type { Attempt, AttemptFiles, AttemptResult, Claim, RayJobView, StopWhy, Task } from "./types.ts";

export type Observation = {
  readonly files: AttemptFiles;
  readonly ray: RayJobView;
  /** The session of the head that answers now; null = no head answers. */
  readonly session: string | null;
  /** For how long, by this process's monotonic clock and over time in which storage answered, the attempt has had no claim. */
  readonly unclaimedMs: number;
  /** The same for a lease that did not move (or is absent after the claim). */
  readonly leaseStillMs: number;
  /** What the nodes' agents prove of it (rule 6b). */
  readonly nodesSay: "all_gone" | "driver_gone" | "nothing";
  /** Set when the task's time is over: deadline or max_runtime_s. */
  readonly timeIsUp: boolean;
  /** Set when the attempt is to stop now and its task to go back to the queue. */
  readonly requeueIsDue: boolean;
  /** Set when it makes no progress and is to be stopped for that (docs/stalls.md). */
  readonly stallIsDue: boolean;
};

export type Timing = {
  readonly startTimeoutMs: number;
  readonly selfFenceMs: number;
  /** Q of rule 6c: after so long without a moving lease a contained attempt is dead. */
  readonly quarantineMs: number;
};

export type Ending =
  | { readonly kind: "result"; readonly result: AttemptResult }
  /** The server holds the claim: nothing of this attempt ever ran. */
  | { readonly kind: "never_started"; readonly why: Claim["why"] }
  /** Rules 6b and 6c: every node's agent says that nothing of it lives; or an operator does; or the lease stood still for Q and what cannot outlive its launcher, or its node says so, is gone. */
  | { readonly kind: "lost"; readonly evidence: "nodes" | "operator" | "silence" };

export type Settlement =
  | { readonly kind: "wait" }
  /** POST the same id again: it never arrived. */
  | { readonly kind: "post_again" }
  | { readonly kind: "submitted" }
  | { readonly kind: "claimed"; readonly claim: Claim }
  | { readonly kind: "revoke"; readonly why: NonNullable<Claim["why"]> }
  | { readonly kind: "stop"; readonly why: StopWhy }
  | { readonly kind: "end"; readonly ending: Ending }
  | { readonly kind: "quarantine"; readonly remainingMs: number | null };

/** Two beats: an agent that sees nothing of a launcher which renews its lease is blind. */
const WORD_NEEDS_STILL_MS = 10_000;

/** The result counts only with the nonce of the claim; any other was not written by the launcher that started. */
function validResult(files: AttemptFiles): AttemptResult | null {
  const { claim, result } = files;
  return claim !== null && claim.by === "launcher" && result !== null && result.nonce === claim.nonce ? result : null;
}

export function settle(task: Task, attempt: Attempt, seen: Observation, timing: Timing): Settlement {
  const { claim } = seen.files;
  if (claim === null) return settleUnclaimed(task, attempt, seen, timing);
  if (claim.by === "server") return { kind: "end", ending: { kind: "never_started", why: claim.why } };
  return settleStarted(task, attempt, seen, claim, timing);
}

function wantsStop(task: Task, seen: Observation): StopWhy | null {
  if (task.cancelRequestedAt !== null) return "cancel";
  if (seen.timeIsUp) return "deadline";
  if (seen.requeueIsDue) return "requeue";
  return seen.stallIsDue ? "stalled" : null;
}

function settleUnclaimed(task: Task, attempt: Attempt, seen: Observation, timing: Timing): Settlement {
  if (wantsStop(task, seen) !== null) return { kind: "revoke", why: "cancel" };
  const { ray } = seen;
  if (seen.session === null) return { kind: "wait" };
  if (seen.unclaimedMs >= timing.startTimeoutMs) return { kind: "revoke", why: isOver(ray) ? "ray_lost" : "start_timeout" };
  if (ray.kind === "unknown") return { kind: "wait" };
  if (ray.kind === "absent") return seen.session === attempt.raySession ? { kind: "post_again" } : { kind: "revoke", why: "ray_lost" };
  if (isOver(ray)) return { kind: "revoke", why: "ray_lost" };
  return attempt.state === "SUBMITTING" ? { kind: "submitted" } : { kind: "wait" };
}

function isOver(ray: RayJobView): boolean {
  return ray.kind === "found" && ray.status !== "PENDING" && ray.status !== "RUNNING";
}

function settleStarted(task: Task, attempt: Attempt, seen: Observation, claim: Claim, timing: Timing): Settlement {
  // The start is recorded also when the end is there already: else a short attempt would have no start, no node and no running time.
  if (attempt.state !== "RUNNING") return { kind: "claimed", claim };
  const result = validResult(seen.files);
  if (result !== null) return { kind: "end", ending: { kind: "result", result } };
  const why = wantsStop(task, seen);
  if (why !== null && seen.files.stop === null) return { kind: "stop", why };
  const lost = (evidence: "nodes" | "operator" | "silence"): Settlement => ({ kind: "end", ending: { kind: "lost", evidence } });
  if (seen.nodesSay === "all_gone" && seen.leaseStillMs >= WORD_NEEDS_STILL_MS) return lost("nodes");
  if (attempt.declaredDead !== null && seen.leaseStillMs >= timing.selfFenceMs) return lost("operator");
  const contained = claim.containment === "pidns" || claim.containment === "userns" || seen.nodesSay !== "nothing";
  if (contained && seen.leaseStillMs >= timing.quarantineMs) return lost("silence");
  if (seen.leaseStillMs >= timing.selfFenceMs) {
    return { kind: "quarantine", remainingMs: contained ? timing.quarantineMs - seen.leaseStillMs : null };
  }
  return { kind: "wait" };
}
