/**
 * Whether the processes of an attempt have a right to live on this node (docs/protocol.md rule 5), from what the agent saw of the attempt's files on
 * its own monotonic clock. Pure.
 */
import type { AttemptFiles } from "./types.ts";

/** The intervals of `control/attempt.json`, so that both sides use the same numbers. */
export type AttemptTimes = { readonly graceMs: number; readonly selfFenceMs: number };

/** What one agent knows of one attempt. Fold every look into it with `seeAttempt`. */
export type AttemptSight = {
  /** For how long a `result.json`, and a `stop`, has been seen; null = none. */
  readonly resultMs: number | null;
  readonly stopMs: number | null;
  /** The lease as last read; for how long it did not move, over time in which storage answered. Null until the launcher's claim was seen. */
  readonly lease: { readonly text: string | null; readonly stillMs: number } | null;
  readonly lookedAt: number | null;
};

export const NEW_ATTEMPT: AttemptSight = { resultMs: null, stopMs: null, lease: null, lookedAt: null };

/** A longer gap between two looks was not spent watching live storage. */
const LONGEST_GAP_MS = 10_000;

/** `files` null = storage did not answer, or there is no such job directory: neither says anything. */
export function seeAttempt(sight: AttemptSight, files: AttemptFiles | null, now: number): AttemptSight {
  if (files === null) return { ...sight, lookedAt: null };
  const gap = sight.lookedAt === null ? 0 : Math.max(0, now - sight.lookedAt);
  const passed = gap <= LONGEST_GAP_MS ? gap : 0;
  const since = (before: number | null, isThere: boolean): number | null => (isThere ? (before === null ? 0 : before + passed) : before);
  return {
    resultMs: since(sight.resultMs, files.result !== null),
    stopMs: since(sight.stopMs, files.stop !== null),
    lease: leaseSight(sight.lease, files, passed),
    lookedAt: now,
  };
}

/** A lease that was readable and is not now is torn: not read, which is neither moved nor still. */
function leaseSight(before: AttemptSight["lease"], files: AttemptFiles, passed: number): AttemptSight["lease"] {
  if (files.claim === null) return null;
  if (before === null) return { text: files.lease, stillMs: 0 };
  if (files.lease === before.text) return { text: before.text, stillMs: before.stillMs + passed };
  return files.lease === null ? before : { text: files.lease, stillMs: 0 };
}

/** The launcher needs this long to tell Ray its exit code after it has written the result. */
const AFTER_RESULT_MS = 10_000;
const AFTER_STOP_MS = 10_000;

export type OrphanVerdict = { readonly kind: "lives" } | { readonly kind: "kill"; readonly why: "ended" | "stopped" | "silent" };

/** `staleMs`: how old a read of this storage may be (0 local, 65 000 network). */
export function judgeAttempt(sight: AttemptSight, times: AttemptTimes, staleMs: number): OrphanVerdict {
  if (sight.resultMs !== null && sight.resultMs >= AFTER_RESULT_MS) return { kind: "kill", why: "ended" };
  if (sight.stopMs !== null && sight.stopMs >= times.graceMs + AFTER_STOP_MS) return { kind: "kill", why: "stopped" };
  const quarantineMs = times.selfFenceMs + times.graceMs + staleMs + 30_000;
  if (sight.lease !== null && sight.lease.stillMs >= quarantineMs) return { kind: "kill", why: "silent" };
  return { kind: "lives" };
}
