/** The life of an agent's raylet from one start to the next: started, listed by the head, ended, and proven dead before another one starts. */
import type { Clock, Log, RayCluster } from "../control/ports.ts";
import type { HeadRecord } from "../domain/head-record.ts";
import type { HeadTarget, RayletView } from "../domain/worker-watch.ts";
import type { Exit } from "./ray-process.ts";
import { endText, type Raylet, type RayletKeeper, type StartOrder } from "./worker-raylet.ts";

type Life =
  | { readonly kind: "none" }
  | {
      readonly kind: "running";
      readonly head: HeadTarget;
      readonly dashboardUrl: string;
      readonly since: number;
      readonly starting: AbortController;
      raylet: Raylet | null;
      hasJoined: boolean;
      unlistedMs: number;
      listedAt: number;
      rayNodeId: string | null;
    }
  | { readonly kind: "ending"; isStuck: boolean };

export type WorkerLife = {
  readonly view: () => RayletView;
  readonly running: () => {
    readonly session: string;
    readonly rayNodeId: string | null;
    readonly install: Raylet["install"] | null;
  } | null;
  readonly start: (head: HeadRecord, order: Omit<StartOrder, "head">) => void;
  /** Kills it and all that lives by it; `spreadMs`: how much later than at once the next one starts, at most. */
  readonly end: (spreadMs: number) => void;
  /** Asks the head whether it lists the raylet as ALIVE, unless that was asked a moment ago. */
  readonly askListed: (signal: AbortSignal) => void;
  /** What the last raylet that ended by itself said; "" = it did not. */
  readonly lastEnd: () => string;
};

const QUICK_MS = 60_000;
const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 30_000;
const END_AGAIN_MS = 5_000;
const ASK_JOINING_MS = 500;
const ASK_JOINED_MS = 10_000;
/** A longer gap between two answers of the head says nothing about the time in it. */
const LONGEST_GAP_MS = 15_000;

export type LifeOptions = {
  readonly keeper: RayletKeeper;
  readonly connect: (dashboardUrl: () => string | null) => RayCluster;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
};

export function createWorkerLife({ keeper, connect, clock, random, log }: LifeOptions): WorkerLife {
  let life: Life = { kind: "none" };
  let failures = 0;
  let startsAt = 0;
  let lastEnd = "";
  let isAsking = false;
  let askedAt = Number.NEGATIVE_INFINITY;
  const ray = connect(() => (life.kind === "running" ? life.dashboardUrl : null));
  const forever = new AbortController().signal;

  function start(head: HeadRecord, order: Omit<StartOrder, "head">): void {
    if (life.kind !== "none") return;
    const target = { address: head.address, session: head.session };
    const now = clock.monotonicMs();
    const mine: Life & { readonly kind: "running" } = {
      kind: "running",
      head: target,
      dashboardUrl: head.dashboardUrl,
      since: now,
      starting: new AbortController(),
      raylet: null,
      hasJoined: false,
      unlistedMs: 0,
      listedAt: now,
      rayNodeId: null,
    };
    life = mine;
    const run = async (): Promise<void> => {
      let exit: Exit;
      let tail = "";
      try {
        mine.raylet = await keeper.start({ ...order, head: target }, mine.starting.signal);
        log.info({ address: head.address, session: head.session, incarnation: mine.raylet.incarnation }, "a raylet was started");
        exit = await mine.raylet.ended;
        tail = mine.raylet.logTail();
      } catch (error) {
        exit = { code: null, signal: null, error: error instanceof Error ? error.message : String(error) };
      }
      if (life !== mine) return;
      lastEnd = endText(exit, tail);
      log.warn(
        { end: lastEnd, joined: mine.hasJoined, ran_ms: Math.round(clock.monotonicMs() - mine.since) },
        "the raylet ended by itself",
      );
      failures = mine.hasJoined && clock.monotonicMs() - mine.since > QUICK_MS ? 1 : failures + 1;
      clear(backoffMs(failures, random()));
    };
    void run();
  }

  /** Until nothing of it lives: the next raylet waits for that. */
  function clear(waitMs: number): void {
    const mine: Life & { readonly kind: "ending" } = { kind: "ending", isStuck: false };
    life = mine;
    const run = async (): Promise<void> => {
      for (;;) {
        try {
          await keeper.end();
          break;
        } catch (error) {
          mine.isStuck = true;
          log.error({ error: String(error) }, "a raylet's processes can't be ended; no other one is started beside them");
          await clock.sleep(END_AGAIN_MS, forever);
        }
      }
      startsAt = clock.monotonicMs() + waitMs;
      life = { kind: "none" };
    };
    void run();
  }

  async function ask(mine: Life & { readonly kind: "running" }, signal: AbortSignal): Promise<void> {
    mine.rayNodeId ??= mine.raylet?.rayNodeId() ?? null;
    const id = mine.rayNodeId;
    const nodes = id === null ? null : await ray.nodes(signal).catch(() => null);
    const now = clock.monotonicMs();
    // Without an answer the time counts as well while it has never joined: a head that is silent must not hold it for ever.
    if (nodes === null && mine.hasJoined) return void (mine.listedAt = now);
    if (id !== null && nodes?.some((node) => node.rayNodeId === id || node.rivals.includes(id)) === true) {
      if (!mine.hasJoined) log.info({ ray_node_id: id, after_ms: Math.round(now - mine.since) }, "joined");
      mine.hasJoined = true;
      mine.unlistedMs = 0;
      failures = 0;
    } else mine.unlistedMs += Math.min(now - mine.listedAt, LONGEST_GAP_MS);
    mine.listedAt = now;
  }

  return {
    start,
    view: () => {
      const now = clock.monotonicMs();
      if (life.kind === "none") return { kind: "none", backoffMs: Math.max(0, startsAt - now) };
      if (life.kind === "ending") return { kind: "ending", isStuck: life.isStuck };
      const { head, hasJoined, unlistedMs, since } = life;
      return { kind: "running", head, forMs: now - since, unlistedMs, hasJoined };
    },
    running: () => {
      if (life.kind !== "running") return null;
      return { session: life.head.session, rayNodeId: life.hasJoined ? life.rayNodeId : null, install: life.raylet?.install ?? null };
    },
    end: (spreadMs) => {
      if (life.kind === "ending") return;
      if (life.kind === "running") life.starting.abort(new Error("the raylet is not wanted any more"));
      clear(random() * spreadMs);
    },
    askListed: (signal) => {
      if (life.kind !== "running" || isAsking) return;
      if (clock.monotonicMs() - askedAt < (life.hasJoined ? ASK_JOINED_MS : ASK_JOINING_MS)) return;
      isAsking = true;
      askedAt = clock.monotonicMs();
      void ask(life, signal).finally(() => (isAsking = false));
    },
    lastEnd: () => lastEnd,
  };
}

/** 0.5 s, 1 s, 2 s, … 30 s, less up to a half, so that the nodes of a pool don't come back in step. */
export function backoffMs(failures: number, random: number): number {
  const whole = Math.min(FIRST_BACKOFF_MS * 2 ** Math.max(0, failures - 1), LONGEST_BACKOFF_MS);
  return whole * (1 - random / 2);
}
