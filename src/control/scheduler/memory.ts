/**
 * What the scheduler remembers between passes, in this process only: a restart starts every interval anew, which can only lengthen a wait.
 * Waits for a silent launcher count healthy time: time in which our own write to the same storage succeeded at least every 10 s.
 */
import { type Hold, isHandedOver } from "../../domain/capacity.ts";
import type { AttemptFiles, NodeView } from "../../domain/types.ts";

const MAX_PROBE_GAP_MS = 10_000;

export type HealthyTime = { readonly probeOk: (monotonicMs: number) => void; readonly probeFailed: () => void; readonly ms: () => number };

/** A clock that runs only while probes succeed. */
export function healthyTime(): HealthyTime {
  let total = 0;
  let last: number | null = null;
  return {
    probeOk: (now) => {
      if (last !== null && now - last <= MAX_PROBE_GAP_MS) total += now - last;
      last = now;
    },
    probeFailed: () => {
      last = null;
    },
    ms: () => total,
  };
}

type Watched = { readonly value: string; readonly since: number; readonly moved: boolean };

/** For how long something has shown the same value, by the clock of whoever asks. */
export type Stillness = {
  readonly observe: (key: string, value: string, now: number) => number;
  /** Whether the last look saw another value than the one before it. The first look shows no movement. */
  readonly moved: (key: string) => boolean;
  readonly forget: (keep: ReadonlySet<string>) => void;
};

export function stillness(): Stillness {
  const seen = new Map<string, Watched>();
  return {
    observe: (key, value, now) => {
      const before = seen.get(key);
      const since = before?.value === value ? before.since : now;
      seen.set(key, { value, since, moved: before !== undefined && before.value !== value });
      return now - since;
    },
    moved: (key) => seen.get(key)?.moved === true,
    forget: (keep) => {
      for (const key of seen.keys()) if (!keep.has(key)) seen.delete(key);
    },
  };
}

/** What must stand still for a launcher to count as silent: the claim with its lease; a missing lease after the claim stands still too. */
export function signOfLife(files: AttemptFiles): string {
  return files.claim === null ? "unclaimed" : `claimed ${files.claim.nonce} ${files.lease ?? "no lease"}`;
}

/**
 * Capacity of ended attempts, kept until the agents of all nodes say that they are clean of it; where one has no agent, until Ray shows it free
 * twice, `cooldownMs` apart: Ray's own view is stale by up to 5 s.
 */
export type HandOver = {
  readonly add: (submissionId: string, hold: Hold, monotonicMs: number) => void;
  /** Updates from fresh nodes; `live` is what running attempts hold. `isClean`: what agents say of an attempt that ended by then; null = not all have one. */
  readonly observe: (
    nodes: readonly NodeView[],
    live: readonly Hold[],
    monotonicMs: number,
    isClean: (submissionId: string, endedBy: number) => boolean | null,
  ) => void;
  readonly holds: () => readonly Hold[];
  /** Those that ended less than a minute ago. What stays longer is no hand-over but a leftover, and must not hold up the queue. */
  readonly fresh: () => readonly Hold[];
};

const FRESH_MS = 60_000;

export function handOver(cooldownMs: number): HandOver {
  const ended = new Map<
    string,
    { readonly hold: Hold; readonly endedBy: number; cleanSince: number | null; firstSeen: number | null; isFresh: boolean }
  >();
  return {
    add: (submissionId, hold, endedBy) => {
      ended.set(submissionId, { hold, endedBy, cleanSince: null, firstSeen: null, isFresh: true });
    },
    observe: (nodes, live, now, isClean) => {
      for (const [submissionId, entry] of ended) {
        entry.firstSeen ??= now;
        entry.isFresh = now - entry.firstSeen < FRESH_MS;
        const told = isClean(submissionId, entry.endedBy);
        if (told === true) {
          ended.delete(submissionId);
          continue;
        }
        const clean = told === null && isHandedOver(entry.hold, nodes, live);
        if (!clean) entry.cleanSince = null;
        else if (entry.cleanSince === null) entry.cleanSince = now;
        if (entry.cleanSince !== null && now - entry.cleanSince >= cooldownMs) ended.delete(submissionId);
      }
    },
    holds: () => [...ended.values()].map((entry) => entry.hold),
    fresh: () => [...ended.values()].filter((entry) => entry.isFresh).map((entry) => entry.hold),
  };
}
