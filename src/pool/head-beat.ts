/** Saying every 5 s that we are head, and noticing that we may not be any more: one loop writes, another only watches the clock. */
import type { Clock, Log } from "../control/ports.ts";
import type { HeadOwner, HeadRecord } from "../domain/head-record.ts";
import { decideHold, HEAD_BEAT_MS, type HeadTimes } from "../domain/head-watch.ts";
import type { HeadFiles } from "./head-files.ts";

const WATCH_MS = 500;

export type HeadFacts = Pick<HeadRecord, "session" | "address" | "dashboardUrl" | "rayVersion" | "pythonVersion">;

export type HeadBeating = {
  /** Why we may not be head any more. Never rejects. */
  readonly ended: Promise<"superseded" | "fenced" | "stopped">;
  /** What is true from now on; null = our Ray does not answer yet. Resolves once it is published, or this head has ended. */
  readonly tell: (facts: HeadFacts | null) => Promise<void>;
  /** Since the start of the last beat that reached the storage. */
  readonly unbeatenMs: () => number;
  /** Beats no more. `release`: says that this head is gone for good, so that the next one needs not wait; nothing when a newer one took over. */
  readonly stop: (release: boolean) => Promise<void>;
};

export type Beating = {
  readonly files: HeadFiles;
  readonly cluster: string;
  readonly owner: HeadOwner;
  readonly epoch: number;
  readonly times: HeadTimes;
  readonly clock: Clock;
  readonly log: Log;
};

/** Begins at once, with a head that is starting. */
export function startBeating({ files, cluster, owner, epoch, times, clock, log }: Beating): HeadBeating {
  const stopping = new AbortController();
  let facts: HeadFacts | null = null;
  let seq = 0;
  let beatenAt = clock.monotonicMs();
  let highestEpoch = epoch;
  let nudge = new AbortController();
  let complaint = "";
  const told: (() => void)[] = [];

  async function beat(released: boolean): Promise<void> {
    seq += 1;
    const startedAt = clock.monotonicMs();
    const head = { cluster, epoch, seq, released, owner };
    highestEpoch = await files.beat(facts === null ? head : { ...head, ...facts }, times.silenceMs);
    if (highestEpoch === epoch) beatenAt = startedAt;
  }

  async function write(): Promise<void> {
    while (!stopping.signal.aborted) {
      const publishing = told.splice(0);
      try {
        await beat(false);
        for (const done of publishing) done();
        if (complaint !== "") log.info({ epoch }, "head.json is refreshed again");
        complaint = "";
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        if (why !== complaint) log.warn({ epoch, why }, "head.json could not be refreshed");
        complaint = why;
        told.push(...publishing);
      }
      await clock.sleep(HEAD_BEAT_MS, AbortSignal.any([stopping.signal, nudge.signal])).catch(() => undefined);
      nudge = new AbortController();
    }
    for (const done of told.splice(0)) done();
  }

  async function watch(): Promise<"superseded" | "fenced" | "stopped"> {
    while (!stopping.signal.aborted) {
      const decision = decideHold({ epoch, highestEpoch, unbeatenMs: clock.monotonicMs() - beatenAt, times });
      if (decision.kind === "step_down") return decision.why;
      await clock.sleep(WATCH_MS, stopping.signal).catch(() => undefined);
    }
    return "stopped";
  }

  const writing = write();
  const ended = watch().finally(() => stopping.abort());
  return {
    ended,
    tell: (now) => {
      facts = now;
      return new Promise((resolve) => {
        if (stopping.signal.aborted) return resolve();
        told.push(resolve);
        nudge.abort();
      });
    },
    unbeatenMs: () => clock.monotonicMs() - beatenAt,
    stop: async (release) => {
      stopping.abort();
      await ended;
      if (!release) return;
      // A beat in flight must not come after the release.
      await writing;
      if (highestEpoch > epoch) return;
      await beat(true).catch((error: unknown) =>
        log.warn({ epoch, err: error }, "head.json could not be released, so the next head waits"),
      );
    },
  };
}
