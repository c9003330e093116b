/**
 * Who may be head (docs/protocol.md, rule 11), decided from what one reader saw of head.json on its own monotonic clock. Pure: an agent looks each
 * second, tells what it saw to `seeHead`, and asks.
 */
import type { HeadBeat, HeadOwner, HeadReading, HeadRecord } from "./head-record.ts";

export const HEAD_BEAT_MS = 5_000;

/** A longer gap between two looks was not spent watching (a stopped process, a hung mount), so it proves no silence. */
const LONGEST_GAP_MS = 5_000;

export type HeadTimes = {
  /** A head whose seq stood still for so long is dead to everybody. */
  readonly silenceMs: number;
  /** A head that could not beat for so long kills its Ray. */
  readonly selfFenceMs: number;
  /** After so much silence a head has fenced itself: rule 6c, self_fence + grace + stale + 30 s. */
  readonly quarantineMs: number;
};

/** A network file system may serve old content for 65 s and needs 90 s for a fail-over. */
export function headTimes(isNetworkFileSystem: boolean): HeadTimes {
  return isNetworkFileSystem
    ? { silenceMs: 95_000, selfFenceMs: 180_000, quarantineMs: 295_000 }
    : { silenceMs: 30_000, selfFenceMs: 30_000, quarantineMs: 80_000 };
}

/** What one reader knows of the head. Fold every look into it with `seeHead`. */
export type HeadSight = {
  /** The last record to be believed, whatever the file has become since; null = none was ever seen. Older epochs never replace it while it beats. */
  readonly head: HeadRecord | null;
  /** The newest beat, of a head or of one that is starting. */
  readonly beat: HeadBeat | null;
  /** For how long no beat moved, counting only time in which this reader could read. */
  readonly silentMs: number;
  /** How the last look went; `stale` = an older record than one seen before; `unknown` = storage did not answer. */
  readonly file: HeadReading["kind"] | "stale" | "unknown";
  readonly lookedAt: number | null;
  /** An older epoch that goes on beating: believed once the newer one has been silent as long as it takes. */
  readonly rival: { readonly epoch: number; readonly seq: number; readonly watchedMs: number; readonly movedMs: number } | null;
};

export const NOTHING_SEEN: HeadSight = { head: null, beat: null, silentMs: 0, file: "unknown", lookedAt: null, rival: null };

export type HeadLook = HeadReading | { readonly kind: "unknown" };

/** `now`: this reader's monotonic clock, ms. */
export function seeHead(sight: HeadSight, look: HeadLook, now: number): HeadSight {
  if (look.kind === "unknown") return { ...sight, file: "unknown", lookedAt: null };
  const passed = sight.lookedAt === null ? 0 : Math.max(0, Math.min(now - sight.lookedAt, LONGEST_GAP_MS));
  const silent = { ...sight, silentMs: sight.silentMs + passed, lookedAt: now };
  if (look.kind === "absent" || look.kind === "unreadable") return { ...silent, file: look.kind };
  const beat = look.kind === "ok" ? look.head : look.beat;
  const head = look.kind === "ok" ? look.head : sight.head;
  if (sight.beat === null || isNewer(beat, sight.beat)) return { head, beat, silentMs: 0, file: look.kind, lookedAt: now, rival: null };
  if (!isNewer(sight.beat, beat)) return { ...silent, head, file: look.kind };
  const rival = followRival(sight.rival, beat, passed);
  const { silenceMs } = headTimes(true);
  // Discovery was wiped and began anew at epoch 1, or the newer head died and the older one was never told.
  if (rival.movedMs >= silenceMs && silent.silentMs >= silenceMs)
    return { head, beat, silentMs: 0, file: look.kind, lookedAt: now, rival: null };
  return { ...silent, file: "stale", rival };
}

/** Two owners of one epoch can't be unless somebody wiped the epochs: then the other one is news as well. */
function isNewer(beat: HeadBeat, than: HeadBeat): boolean {
  if (beat.epoch !== than.epoch) return beat.epoch > than.epoch;
  return beat.owner.nonce !== than.owner.nonce || beat.seq > than.seq;
}

/** A cached old file stands still; only the time up to its last move counts. */
function followRival(rival: HeadSight["rival"], beat: HeadBeat, passed: number): NonNullable<HeadSight["rival"]> {
  const { epoch, seq } = beat;
  if (rival === null || rival.epoch !== epoch || seq < rival.seq) return { epoch, seq, watchedMs: 0, movedMs: 0 };
  const watchedMs = rival.watchedMs + passed;
  return { epoch, seq, watchedMs, movedMs: seq > rival.seq ? watchedMs : rival.movedMs };
}

export type ClaimWhy = "absent" | "released" | "owner_gone" | "silent" | "take_over";

export type HeadDecision =
  | { readonly kind: "claim"; readonly why: ClaimWhy }
  | { readonly kind: "stand_by"; readonly why: "beating" | "starting" | "unreadable" | "absent" | "unknown" };

export type HeadScene = {
  readonly sight: HeadSight;
  /** Proven on this very machine: the agent that owns the newest beat, and its Ray, are gone. */
  readonly isOwnerGone: boolean;
  /** The operator said so; for the first claim of a run only. */
  readonly takeOver: boolean;
  readonly times: HeadTimes;
};

/** Whether an agent that is not head may take the next epoch now. */
export function decideHead({ sight, isOwnerGone, takeOver, times }: HeadScene): HeadDecision {
  const { beat, file, silentMs } = sight;
  // Not while blind: the epoch could not be taken either.
  if (file === "unknown") return { kind: "stand_by", why: "unknown" };
  if (takeOver) return { kind: "claim", why: "take_over" };
  if (beat === null && file === "absent") return { kind: "claim", why: "absent" };
  if (beat !== null && file !== "unreadable" && file !== "stale") {
    if (beat.released) return { kind: "claim", why: "released" };
    if (isOwnerGone) return { kind: "claim", why: "owner_gone" };
  }
  // A head that lives replaces a lost or spoilt file with its next beat.
  if (silentMs >= times.silenceMs) return { kind: "claim", why: "silent" };
  if (file === "ok") return { kind: "stand_by", why: "beating" };
  return { kind: "stand_by", why: file === "stale" ? "beating" : file };
}

export type HoldDecision = { readonly kind: "hold" } | { readonly kind: "step_down"; readonly why: "superseded" | "fenced" };

export type HoldScene = {
  readonly epoch: number;
  /** The highest epoch anybody took, as last read. */
  readonly highestEpoch: number;
  /** Since the start of the last beat that reached the storage. */
  readonly unbeatenMs: number;
  readonly times: HeadTimes;
};

/** Whether a head may go on. */
export function decideHold({ epoch, highestEpoch, unbeatenMs, times }: HoldScene): HoldDecision {
  if (highestEpoch > epoch) return { kind: "step_down", why: "superseded" };
  if (unbeatenMs > times.selfFenceMs) return { kind: "step_down", why: "fenced" };
  return { kind: "hold" };
}

/** Where Ray keeps what a killed head comes back with: nowhere, on this machine's own disk, or where another machine's Ray may write too. */
export type HeadMemory = "none" | "own_disk" | "shared";

/** The head before ours, and what is known of its end. */
export type Predecessor = {
  readonly released: boolean;
  /** It wrote, after its Ray was dead, that its epoch has ended. */
  readonly hasEnded: boolean;
  readonly isGone: boolean;
  /** Its GCS still takes connections. */
  readonly answers: boolean;
  readonly silentMs: number;
};

export type StartDecision =
  | { readonly kind: "start" }
  | { readonly kind: "wait"; readonly why: "answers" | "quarantine"; readonly leftMs: number };

/** Whether a head that won its epoch may start Ray on `memory`: never beside another Ray on the same one. */
export function decideStart(memory: HeadMemory, predecessor: Predecessor | null, times: HeadTimes): StartDecision {
  if (memory !== "shared" || predecessor === null) return { kind: "start" };
  if (predecessor.released || predecessor.hasEnded || predecessor.isGone) return { kind: "start" };
  const leftMs = Math.max(0, times.quarantineMs - predecessor.silentMs);
  if (predecessor.answers) return { kind: "wait", why: "answers", leftMs };
  return leftMs > 0 ? { kind: "wait", why: "quarantine", leftMs } : { kind: "start" };
}

/** One taken epoch and who took it. */
export type EpochClaim = { readonly epoch: number; readonly nonce: string };

/**
 * Whether the memory on this machine's disk is the cluster's latest: the highest epoch is one that this machine took, so nobody else was head since.
 * An older memory would bring back jobs and nodes long gone.
 */
export function isMemoryCurrent(own: readonly EpochClaim[], highest: EpochClaim | null): boolean {
  return highest !== null && own.some(({ epoch, nonce }) => epoch === highest.epoch && nonce === highest.nonce);
}

/** What this machine can prove of the owner of a head.json without waiting. */
export function isOwnerGone(
  owner: HeadOwner,
  here: {
    readonly bootId: string;
    readonly pidNamespace: string;
    /** Whether a process with this pid and start time lives here now. */
    readonly isAlive: (pid: number, startTicks: number) => boolean;
    /** Claims that stand on this machine's own disk. */
    readonly own: readonly EpochClaim[];
  },
): boolean {
  if (owner.process === null) return false;
  const { pid, startTicks, bootId, pidNamespace } = owner.process;
  // Started anew since, and no other machine: only this disk knows that nonce. The host's name alone proves nothing, containers share theirs.
  if (bootId !== here.bootId) return here.own.some(({ nonce }) => nonce === owner.nonce);
  return pidNamespace === here.pidNamespace && !here.isAlive(pid, startTicks);
}
