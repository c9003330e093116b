/** The head as one worker sees it: what head.json names, and what answers there. */
import type { Clock, Log, RayCluster } from "../control/ports.ts";
import { type HeadSight, headTimes, NOTHING_SEEN, seeHead } from "../domain/head-watch.ts";
import type { HeadReading, HeadRecord } from "../domain/head-record.ts";
import type { NodeWhy } from "../domain/node-record.ts";
import { isSameHead, type WorkerView } from "../domain/worker-watch.ts";

export type WorkerHead = {
  /** Reads head.json once. Never rejects. */
  readonly look: () => Promise<void>;
  /** The head to belong to; null with the reason. */
  readonly named: () => { readonly head: HeadRecord | null; readonly why: NodeWhy };
  readonly answer: () => WorkerView["answer"];
  /** Asks the address that head.json names who it is, unless it is being asked or was asked a moment ago. */
  readonly ask: (signal: AbortSignal) => void;
};

const ASK_EVERY_MS = 1_000;

export type HeadOptions = {
  readonly cluster: string;
  readonly readHead: () => Promise<HeadReading>;
  readonly connect: (dashboardUrl: () => string | null) => RayCluster;
  readonly clock: Clock;
  readonly log: Log;
};

export function createWorkerHead({ cluster, readHead, connect, clock, log }: HeadOptions): WorkerHead {
  let sight: HeadSight = NOTHING_SEEN;
  let complaint = "";
  let asked: { readonly head: HeadRecord; readonly at: number; readonly isThatSession: boolean; readonly why: NodeWhy } | null = null;
  let asking: HeadRecord | null = null;
  let askedAt = Number.NEGATIVE_INFINITY;
  const ray = connect(() => asking?.dashboardUrl ?? null);

  async function look(): Promise<void> {
    const reading = await readHead().catch(() => ({ kind: "unknown" }) as const);
    sight = seeHead(sight, reading, clock.monotonicMs());
    const now = reading.kind === "unreadable" ? reading.why : "";
    if (now !== "" && now !== complaint) log.warn({ why: now }, "head.json is not to be believed; the last good one is kept");
    complaint = now;
  }

  async function askNow(head: HeadRecord, signal: AbortSignal): Promise<void> {
    asking = head;
    askedAt = clock.monotonicMs();
    try {
      const view = await ray.head(signal);
      const isThatSession = view.kind === "up" && view.session === head.session;
      const text =
        view.kind === "down"
          ? `the head at ${head.dashboardUrl} does not answer yet: ${view.error}`
          : `${head.dashboardUrl} is ${view.session}, and head.json names ${head.session}: waiting until they agree`;
      const why = { code: view.kind === "down" ? "head_silent" : "other_session", text };
      asked = { head, at: clock.monotonicMs(), isThatSession, why };
    } catch {
      // Only our own signal makes it reject: the agent ends.
    } finally {
      asking = null;
    }
  }

  return {
    look,
    named: () => namedBy(sight, cluster),
    answer: () => {
      if (asked === null) return null;
      const { head, at, isThatSession, why } = asked;
      return { head: { address: head.address, session: head.session }, ageMs: clock.monotonicMs() - at, isThatSession, why };
    },
    ask: (signal) => {
      const { head } = namedBy(sight, cluster);
      if (head === null || asking !== null) return;
      const isKnown = asked !== null && isSameHead(asked.head, head) && asked.head.dashboardUrl === head.dashboardUrl;
      if (isKnown && clock.monotonicMs() - askedAt < ASK_EVERY_MS) return;
      void askNow(head, signal);
    },
  };
}

/** Which head a sight names. A head that fell silent names nobody: its address may be another's by now. */
export function namedBy(sight: HeadSight, cluster: string): { readonly head: HeadRecord | null; readonly why: NodeWhy } {
  const { head, beat, silentMs, file } = sight;
  const none = (code: string, text: string) => ({ head: null, why: { code, text } });
  const silence = headTimes(false).silenceMs;
  if (head !== null && beat !== null && silentMs < silence) {
    if (head.cluster !== cluster)
      return none("other_cluster", `head.json names cluster ${head.cluster}, and this node belongs to ${cluster}`);
    if (beat.released) return none("head_released", `the head on ${beat.owner.host} was stopped; waiting for the next one`);
    return { head, why: { code: "head_named", text: `head.json names ${head.address}` } };
  }
  if (beat !== null && silentMs >= silence)
    return none(
      "head_gone",
      `head.json is ${Math.round(silentMs / 1000)} s old: the head on ${beat.owner.host} seems gone; waiting for the next one`,
    );
  if (beat !== null) return none("head_starting", `the head on ${beat.owner.host} is starting`);
  if (file === "unreadable") return none("head_unreadable", "head.json is there and is not to be believed; the log says why");
  if (file === "absent")
    return none("no_head", `there is no head.json of cluster ${cluster} yet: start one with verlpool head --cluster ${cluster}`);
  return none("storage_silent", "the shared storage does not answer");
}
