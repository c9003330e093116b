/** Becoming the head of a cluster, and saying every 5 s that we still are. */
import { mkdirSync } from "node:fs";
import type { Clock, Log } from "../control/ports.ts";
import { type HeadOwner, type HeadRecord, highestEpoch, readHeadFile, takeEpoch, writeHeadFile } from "./head-file.ts";
import { bootId, startTicksOf } from "./process-record.ts";

/** A head whose `seq` stood still for so long, by our own clock, is dead (docs/interfaces, Discovery). */
const SILENCE_MS = 30_000;
const BEAT_MS = 5_000;
const LOOK_MS = 1_000;

/**
 * Takes the next epoch once no other head can be alive: head.json absent, released, its owner on this host gone, or its `seq` unmoved for 30 s.
 * Throws when another head lives.
 */
export async function claimHead(discoveryDir: string, owner: HeadOwner, clock: Clock, signal: AbortSignal): Promise<number> {
  mkdirSync(discoveryDir, { recursive: true, mode: 0o755 });
  const first = readHeadFile(discoveryDir);
  if (first !== null && !first.released && !isOwnerGone(first.owner, owner.host)) {
    const since = clock.monotonicMs();
    while (clock.monotonicMs() - since < SILENCE_MS) {
      await clock.sleep(LOOK_MS, signal);
      const now = readHeadFile(discoveryDir);
      if (now === null || now.released) break;
      if (now.seq !== first.seq || now.epoch !== first.epoch) {
        throw new Error(
          `${now.owner.host} is the head of cluster ${now.cluster} already (${now.dashboard_url}): stop it there first, or use another root`,
        );
      }
    }
  }
  return takeEpoch(discoveryDir, owner, new Date(clock.now()).toISOString());
}

function isOwnerGone(owner: HeadOwner, ourHost: string): boolean {
  if (owner.host !== ourHost || typeof owner.pid !== "number") return false;
  return owner.boot_id !== bootId() || startTicksOf(owner.pid) !== owner.start_ticks;
}

export type HeadFacts = Pick<HeadRecord, "cluster" | "session" | "address" | "dashboard_url" | "ray_version" | "python_version">;

export type HeadPublisher = {
  /** Publishes now, with what is true now, and from then on every 5 s until `signal`; resolves `superseded` when a newer head took over. */
  readonly run: (facts: () => HeadFacts, signal: AbortSignal) => Promise<"superseded" | "stopped">;
  readonly publish: (facts: HeadFacts) => void;
  /** Says that this head is gone for good, so that the next one needs not wait. Does nothing when a newer head took over. */
  readonly release: () => void;
};

export function createHeadPublisher(discoveryDir: string, owner: HeadOwner, epoch: number, clock: Clock, log: Log): HeadPublisher {
  let seq = 0;
  let last: HeadRecord | null = null;

  function write(facts: HeadFacts, released: boolean): void {
    seq += 1;
    const at = clock.now();
    const published_at = new Date(at).toISOString();
    const expires_at = new Date(at + SILENCE_MS).toISOString();
    last = { schema: 1, ...facts, epoch, seq, released, owner, published_at, expires_at, mac: null };
    writeHeadFile(discoveryDir, last);
  }

  async function run(facts: () => HeadFacts, signal: AbortSignal): Promise<"superseded" | "stopped"> {
    while (!signal.aborted) {
      try {
        if (highestEpoch(discoveryDir) > epoch) return "superseded";
        write(facts(), false);
      } catch (error) {
        log.warn({ err: error, dir: discoveryDir }, "head.json could not be refreshed");
      }
      await clock.sleep(BEAT_MS, signal).catch(() => undefined);
    }
    return "stopped";
  }

  return {
    run,
    publish: (facts) => write(facts, false),
    release: () => {
      try {
        if (last !== null && highestEpoch(discoveryDir) === epoch) write(last, true);
      } catch (error) {
        log.warn({ err: error, dir: discoveryDir }, "head.json could not be released, so the next head waits 30 s");
      }
    },
  };
}
