/** From standing by to holding an epoch (docs/protocol.md, rule 11). */
import type { Clock, Log } from "../control/ports.ts";
import type { HeadOwner } from "../domain/head-record.ts";
import {
  type ClaimWhy,
  decideHead,
  type EpochClaim,
  type HeadDecision,
  type HeadLook,
  type HeadSight,
  type HeadTimes,
  NOTHING_SEEN,
  seeHead,
} from "../domain/head-watch.ts";
import type { HeadFiles } from "./head-files.ts";

const LOOK_MS = 1_000;
/** A planted head.json may name any epoch: one beyond this is no reason to skip there. */
const PLAUSIBLE_EPOCH = 1_000_000_000;

export type Election = {
  readonly files: HeadFiles;
  readonly owner: HeadOwner;
  readonly times: HeadTimes;
  readonly takeOver: boolean;
  readonly isGone: (owner: HeadOwner) => boolean;
  /** Before a claim, so that this machine knows of it whatever happens next. `before`: the highest epoch that was taken. */
  readonly remember: (claim: EpochClaim, before: EpochClaim | null) => void;
  /** Each second while another one is head. May throw, to give up. */
  readonly onStandBy: (decision: HeadDecision & { readonly kind: "stand_by" }, sight: HeadSight) => void;
  readonly clock: Clock;
  readonly log: Log;
};

export type Elected = {
  readonly epoch: number;
  readonly why: ClaimWhy;
  /** The highest epoch before ours. */
  readonly before: EpochClaim | null;
  /** What was seen of the head before us. */
  readonly sight: HeadSight;
};

/** Resolves once an epoch is ours; until then stands by. Rejects by the signal, or with what `onStandBy` throws. */
export async function becomeHead(election: Election, signal: AbortSignal): Promise<Elected> {
  const { files, owner, times, takeOver, isGone, clock, log } = election;
  let sight = NOTHING_SEEN;
  let complaint = "";
  /** A claim whose answer was lost with the storage: the next look tells. */
  let asked: Elected | null = null;
  for (;;) {
    const look = await lookOnce(files, signal);
    sight = seeHead(sight, look.kind === "looked" ? look.reading : { kind: "unknown" }, clock.monotonicMs());
    const trouble = look.kind === "unknown" ? look.why : look.reading.kind === "unreadable" ? look.reading.why : "";
    if (trouble !== "" && trouble !== complaint) log.warn({ why: trouble }, "head.json can't be read, or is not to be believed");
    complaint = trouble;
    if (look.kind === "looked") {
      const { highest } = look;
      if (asked !== null && highest?.nonce === owner.nonce && highest.epoch === asked.epoch) return asked;
      asked = null;
      const decision = decideHead({ sight, isOwnerGone: sight.beat !== null && isGone(sight.beat.owner), takeOver, times });
      if (decision.kind === "claim") {
        const epoch = nextEpoch(highest, sight);
        const elected = { epoch, why: decision.why, before: highest, sight };
        election.remember({ epoch, nonce: owner.nonce }, highest);
        try {
          if (await files.claim(epoch, owner)) return elected;
          log.info({ epoch }, "another agent took this epoch first");
        } catch (error) {
          asked = elected;
          log.warn({ epoch, err: error }, "whether the epoch was taken is not known yet");
        }
      } else election.onStandBy(decision, sight);
    } else election.onStandBy({ kind: "stand_by", why: "unknown" }, sight);
    await clock.sleep(LOOK_MS, signal);
  }
}

type Looked = ({ readonly kind: "looked" } & Awaited<ReturnType<HeadFiles["look"]>>) | { readonly kind: "unknown"; readonly why: string };

async function lookOnce(files: HeadFiles, signal: AbortSignal): Promise<Looked> {
  try {
    return { kind: "looked", ...(await files.look()) } satisfies Looked & { readonly reading: HeadLook };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: "unknown", why: error instanceof Error ? error.message : String(error) };
  }
}

/** Beyond a record whose epoch file was wiped, too: readers hold on to the highest epoch they saw. */
function nextEpoch(highest: EpochClaim | null, sight: HeadSight): number {
  const seen = sight.beat?.epoch ?? 0;
  return Math.max(highest?.epoch ?? 0, seen < PLAUSIBLE_EPOCH ? seen : 0) + 1;
}
