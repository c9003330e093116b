/**
 * What an agent does with its node's raylet (docs/protocol.md rules 4, 5 and 9), decided from what it knows now. Pure: the agent asks several times
 * a second, on its own monotonic clock.
 */
import type { NodeState, NodeWant, NodeWhy } from "./node-record.ts";

/** The head that a raylet belongs to: another address or another memory is another head; an epoch or a heartbeat is not. */
export type HeadTarget = { readonly address: string; readonly session: string };

export type RayletView =
  | { readonly kind: "none"; readonly backoffMs: number }
  | {
      readonly kind: "running";
      readonly head: HeadTarget;
      /** Since when it runs, and for how long the head has not listed it as ALIVE (while it was asked). */
      readonly forMs: number;
      readonly unlistedMs: number;
      /** The head has listed it once. */
      readonly hasJoined: boolean;
    }
  /** `isStuck`: something of it outlives SIGKILL. */
  | { readonly kind: "ending"; readonly isStuck: boolean };

export type WorkerView = {
  /** Since the start of the last beat that reached the storage. */
  readonly unbeatenMs: number;
  readonly selfFenceMs: number;
  /** Another agent beats under this node's name. */
  readonly nameTakenBy: string | null;
  readonly want: NodeWant;
  readonly dirt: readonly NodeWhy[];
  /** What head.json names; null with the reason. */
  readonly head: HeadTarget | null;
  readonly headWhy: NodeWhy;
  /** The last answer of the address that head.json names; `age`: how long ago; null = not asked yet. */
  readonly answer: {
    readonly head: HeadTarget;
    readonly ageMs: number;
    readonly isThatSession: boolean;
    readonly why: NodeWhy;
  } | null;
  readonly raylet: RayletView;
  /** What the last raylet that ended by itself said; "" = none did. */
  readonly lastEnd: string;
  readonly attempts: number;
};

/** `ask`: ask the address whether it is that very head. `end`: kill the raylet and whatever lives by it. */
export type WorkerAct = "none" | "ask" | "start" | "end";

export type WorkerDecision = { readonly state: NodeState; readonly why: NodeWhy | null; readonly act: WorkerAct };

/** An answer older than this is asked for again before anything is done on its word. */
export const ANSWER_MS = 5_000;
/** A raylet that is not ALIVE after so long is started anew: a loaded machine needs 30 s for Python's imports alone. */
export const JOIN_MS = 120_000;
/** A head that answers and has not listed the raylet for so long counts it as dead. */
export const UNLISTED_MS = 60_000;

export function decideWorker(view: WorkerView): WorkerDecision {
  const { raylet } = view;
  if (view.unbeatenMs > view.selfFenceMs) return fenced(view);
  if (raylet.kind === "ending") return endingOf(raylet.isStuck);
  return raylet.kind === "none" ? decideOutside(view, raylet) : decideInside(view, raylet);
}

export function isSameHead(left: HeadTarget, right: HeadTarget): boolean {
  return left.address === right.address && left.session === right.session;
}

function fenced({ raylet, unbeatenMs }: WorkerView): WorkerDecision {
  const text = `this node could not write to the shared storage for ${seconds(unbeatenMs)}: its raylet is down until it can`;
  return decision("fenced", "storage_lost", text, raylet.kind === "running" ? "end" : "none");
}

function endingOf(isStuck: boolean): WorkerDecision {
  if (!isStuck) return decision("leaving", "ending", "what its last raylet left is being ended", "none");
  const text =
    "processes of its last raylet outlive SIGKILL: a hung mount or a broken device holds them; free that, or restart the machine";
  return decision("dirty", "leftover_processes", text, "none");
}

function decideOutside(view: WorkerView, raylet: RayletView & { readonly kind: "none" }): WorkerDecision {
  const away = unwanted(view);
  if (away !== null) return { state: "cordoned", why: away, act: "none" };
  if (view.nameTakenBy !== null) return { state: "searching", why: nameTaken(view.nameTakenBy), act: "none" };
  const [dirt] = view.dirt;
  if (dirt !== undefined) return { state: "dirty", why: dirt, act: "none" };
  if (view.head === null) return { state: "searching", why: view.headWhy, act: "none" };
  const { answer } = view;
  const isFresh = answer !== null && answer.ageMs <= ANSWER_MS && isSameHead(answer.head, view.head);
  if (!isFresh) return decision("searching", "asking", `asking ${view.head.address} whether it is ${view.head.session}`, "ask");
  if (!answer.isThatSession) return { state: "searching", why: answer.why, act: "ask" };
  if (raylet.backoffMs > 0) {
    const why = view.lastEnd === "" ? "" : `its last raylet ${view.lastEnd}; `;
    const text = `${why}it joins again in ${seconds(raylet.backoffMs)}`;
    return decision("searching", "backing_off", text, "ask");
  }
  return decision("joining", "joining", `joining ${view.head.address}`, "start");
}

function decideInside(view: WorkerView, raylet: RayletView & { readonly kind: "running" }): WorkerDecision {
  const away = unwanted(view) ?? (view.nameTakenBy === null ? null : nameTaken(view.nameTakenBy));
  if (away !== null) {
    if (view.attempts === 0) return { state: "leaving", why: away, act: "end" };
    const code = `${away.code}_waits`;
    return decision("leaving", code, `${away.text}; it leaves Ray when the ${view.attempts} attempts on it have ended`, "none");
  }
  const moved = decideMove(view, raylet);
  if (moved !== null) return moved;
  if (raylet.unlistedMs >= (raylet.hasJoined ? UNLISTED_MS : JOIN_MS)) {
    const text = `the head has not listed this node as alive for ${seconds(raylet.unlistedMs)}; it joins anew`;
    return decision("leaving", "not_listed", text, "end");
  }
  if (!raylet.hasJoined) return decision("joining", "joining", `joining ${raylet.head.address} for ${seconds(raylet.forMs)}`, "none");
  const [dirt] = view.dirt;
  if (dirt !== undefined) return { state: "dirty", why: dirt, act: "none" };
  return { state: "joined", why: weakness(view, raylet.head), act: "none" };
}

/** It leaves a head only for one that answers: a head.json that is wrong, or early, moves nobody. */
function decideMove(view: WorkerView, raylet: RayletView & { readonly kind: "running" }): WorkerDecision | null {
  const { head, answer } = view;
  if (head === null || isSameHead(head, raylet.head)) return null;
  const stays: NodeState = raylet.hasJoined ? "joined" : "joining";
  const isFresh = answer !== null && answer.ageMs <= ANSWER_MS && isSameHead(answer.head, head);
  if (!isFresh) return decision(stays, "asking", `head.json names ${head.address} with ${head.session}: asking whether it answers`, "ask");
  if (!answer.isThatSession) return { state: stays, why: answer.why, act: "ask" };
  const what = head.address === raylet.head.address ? "came back without its memory" : `moved to ${head.address}`;
  return decision("leaving", "head_changed", `the head ${what}; this node joins it anew`, "end");
}

/** Why it is to stay out of Ray, or null. */
function unwanted({ want }: WorkerView): NodeWhy | null {
  const tail = want.reason === null ? "" : `: ${want.reason}`;
  if (want.cordon) return { code: "cordoned", text: `cordoned by ${want.by}${tail}` };
  if (want.drain) return { code: "drained", text: `drained by ${want.by}${tail}` };
  return null;
}

function nameTaken(host: string): NodeWhy {
  return { code: "name_taken", text: `the agent on ${host} uses the same node name: start one of them with another --node-name` };
}

/** Joined, and yet something is to be told: the head may be gone, which its raylet outlives for a while. */
function weakness(view: WorkerView, joined: HeadTarget): NodeWhy | null {
  return view.head === null ? { ...view.headWhy, text: `${view.headWhy.text}; still on ${joined.address}` } : null;
}

function decision(state: NodeState, code: string, text: string, act: WorkerAct): WorkerDecision {
  return { state, why: { code, text }, act };
}

function seconds(ms: number): string {
  return `${Math.max(1, Math.round(ms / 1000))} s`;
}
