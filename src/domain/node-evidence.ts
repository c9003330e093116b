/**
 * What the agents' beats prove (docs/protocol.md rules 5, 6b, 9): that nothing of an attempt lives on any node. Pure; times are milliseconds of the
 * reader's own monotonic clock. Every doubt is "not proven": an attempt then ends by its lease alone.
 */
import type { NodeRecord } from "./node-record.ts";

/** A node whose beats stand still for so long has no agent that could vouch for anything. */
export const SILENT_MS = 30_000;
/** Longer without a look at the whole pool, and a worker may have come and gone unseen. Ray itself takes a minute to call a node dead. */
const MAX_GAP_MS = 60_000;
/** A worker without an agent that was there so shortly before a start may be there again, unseen. */
const MARGIN_MS = 600_000;
const KEPT_BEATS = 64;
const KEPT_IDS = 4_096;

/** One beat as it was read: its bytes were here first at `readAt`, and the last look that still found it was begun at `stoodAt`. */
export type Beat = {
  readonly stoodAt: number;
  readonly readAt: number;
  /** The agent process that wrote it. */
  readonly agent: string;
  readonly seq: number;
  readonly incarnation: string | null;
  readonly attempts: readonly string[];
};

export type NodeTrace = {
  /** The newest ones, each once, oldest first; never empty. */
  readonly beats: readonly Beat[];
  /** When its newest beat was first seen. */
  readonly movedAt: number;
  /** Incarnations that its agents have killed and seen gone, with the time at which this was read first. */
  readonly dead: ReadonlyMap<string, number>;
  /** Until when each incarnation may have taken something on. */
  readonly lived: ReadonlyMap<string, number>;
};

export type PoolSight = {
  readonly nodes: ReadonlyMap<string, NodeTrace>;
  /** Ray's ids of workers, and when Ray last showed each of them alive. */
  readonly workers: ReadonlyMap<string, number>;
  /** Whose each of Ray's ids is, by the word of its agent. */
  readonly owners: ReadonlyMap<string, { readonly node: string; readonly incarnation: string }>;
  /** When the newest look that saw both Ray's list and the beats was begun. */
  readonly completeAt: number | null;
  /** The end of the last time in which too long nothing was seen. */
  readonly blindAt: number | null;
};

export const NOTHING_SEEN: PoolSight = { nodes: new Map(), workers: new Map(), owners: new Map(), completeAt: null, blindAt: null };

export type PoolLook = {
  readonly askedAt: number;
  readonly readAt: number;
  /** Null = they can't be read now. Of a file that is torn, the last good record may stand in: it moves nothing. */
  readonly records: readonly NodeRecord[] | null;
  /** Ray's ids of the workers that are alive; null = Ray does not say. */
  readonly workers: readonly string[] | null;
};

export function observePool(sight: PoolSight, look: PoolLook): PoolSight {
  const owners = new Map(sight.owners);
  const workers = new Map(sight.workers);
  const nodes = new Map(sight.nodes);
  for (const record of look.records ?? []) {
    const { node, rayNodeId, incarnation } = record;
    if (rayNodeId !== null && incarnation !== null) owners.set(rayNodeId, { node, incarnation });
    nodes.set(node, traceAfter(sight.nodes.get(node), record, look));
  }
  for (const id of look.workers ?? []) {
    workers.set(id, look.readAt);
    const owner = owners.get(id);
    const trace = owner === undefined ? undefined : nodes.get(owner.node);
    if (owner !== undefined && trace !== undefined)
      nodes.set(owner.node, { ...trace, lived: new Map(trace.lived).set(owner.incarnation, look.readAt) });
  }
  const complete = look.records !== null && look.workers !== null;
  const gap = complete && sight.completeAt !== null && look.askedAt - sight.completeAt > MAX_GAP_MS;
  return {
    nodes,
    workers: newest(workers),
    owners: newest(owners),
    completeAt: complete ? look.askedAt : sight.completeAt,
    blindAt: gap ? look.askedAt : sight.blindAt,
  };
}

function traceAfter(before: NodeTrace | undefined, record: NodeRecord, { askedAt, readAt }: PoolLook): NodeTrace {
  const last = before?.beats.at(-1);
  const moved = last === undefined || last.seq !== record.seq || last.agent !== record.agent.nonce;
  const beat: Beat = {
    stoodAt: askedAt,
    readAt: moved || last === undefined ? readAt : last.readAt,
    agent: record.agent.nonce,
    seq: record.seq,
    incarnation: record.incarnation,
    attempts: record.attempts,
  };
  const movedAt = moved || before === undefined ? readAt : before.movedAt;
  const dead = new Map(before?.dead);
  for (const incarnation of record.deadIncarnations) if (!dead.has(incarnation)) dead.set(incarnation, readAt);
  const lived = new Map(before?.lived);
  if (record.incarnation !== null && readAt - movedAt < SILENT_MS) lived.set(record.incarnation, readAt);
  const earlier = before?.beats ?? [];
  return { beats: [...(moved ? earlier : earlier.slice(0, -1)), beat].slice(-KEPT_BEATS), movedAt, dead, lived };
}

/** Maps keep the order in which keys came; what came first is forgotten first. */
function newest<V>(all: Map<string, V>): Map<string, V> {
  return all.size <= KEPT_IDS ? all : new Map([...all].slice(-KEPT_IDS));
}

export function isSilent(trace: NodeTrace, now: number): boolean {
  return now - trace.movedAt >= SILENT_MS;
}

/**
 * When two beats that were begun after `after` had been read, neither of which shows a process of the attempt; null = not yet. The beat that is in
 * the file at `after` may have been followed by one that was begun before it, so the second one after it is the first that counts. What is read
 * may be `staleMs` old.
 */
function cleanFrom(trace: NodeTrace, incarnation: string, submissionId: string, after: number, staleMs: number): number | null {
  let base: Beat | null = null;
  let clean = 0;
  let from: number | null = null;
  for (const beat of trace.beats) {
    if (beat.stoodAt < after + staleMs) continue;
    const counts = beat.incarnation === incarnation && !beat.attempts.includes(submissionId);
    if (base === null || beat.agent !== base.agent || beat.seq < base.seq || !counts) {
      base = beat;
      clean = 0;
      from = null;
    } else if (beat.seq >= base.seq + 2) {
      clean += 1;
      if (clean === 2) from = beat.readAt;
    }
  }
  return from;
}

function goneFrom(trace: NodeTrace, incarnation: string, submissionId: string, after: number, staleMs: number): number | null {
  return trace.dead.get(incarnation) ?? cleanFrom(trace, incarnation, submissionId, after, staleMs);
}

/** What this process has seen of one attempt. */
export type AttemptWatch = {
  /** A complete look at the pool while nobody had claimed it yet: from here on, every worker that could take a part of it was seen. Null = none was. */
  readonly since: number | null;
  /** When the claim had been read. */
  readonly claimSeenAt: number | null;
};

export type AttemptPlace = {
  readonly submissionId: string;
  /** The raylet that the launcher was started by, by its claim; null = of a worker without an agent. */
  readonly incarnation: string | null;
};

/** `all_gone`: nothing of it lives on any node that it could be on. `driver_gone`: nothing of it on its driver's node. */
export type NodesWord = { readonly kind: "all_gone" | "driver_gone" | "nothing"; readonly text: string };

/** Rule 6b. First the driver's node, since a driver that lives may start a process anywhere; then every node, by beats begun after that. */
export function nodesWord(sight: PoolSight, watch: AttemptWatch, place: AttemptPlace, staleMs: number): NodesWord {
  const nothing = (text: string): NodesWord => ({ kind: "nothing", text });
  const { submissionId, incarnation } = place;
  if (watch.claimSeenAt === null) return nothing("it is not claimed");
  if (incarnation === null) return nothing("it runs on a node without an agent");
  const [name, trace] = [...sight.nodes].find(([, one]) => one.lived.has(incarnation) || one.dead.has(incarnation)) ?? [];
  if (name === undefined || trace === undefined) return nothing("the agent of its driver's node is not known");
  const driverGoneAt = goneFrom(trace, incarnation, submissionId, watch.claimSeenAt, staleMs);
  if (driverGoneAt === null) return nothing(`${name} does not say that it is gone`);
  const driverGone = (text: string): NodesWord => ({ kind: "driver_gone", text });
  const { since } = watch;
  if (since === null) return driverGone("this server did not see its start, so not every node that it may be on is known");
  if (sight.blindAt !== null && sight.blindAt > since) return driverGone("the pool was not in sight all the time since its start");
  if (sight.completeAt === null || sight.completeAt < driverGoneAt) return driverGone("the pool was not looked at since");
  const unowned = [...sight.workers].find(([id, at]) => at >= since - MARGIN_MS && !sight.owners.has(id));
  if (unowned !== undefined) return driverGone("a worker without an agent is or was in the pool");
  for (const [node, other] of sight.nodes) {
    for (const [one, at] of other.lived) {
      if (at >= since && goneFrom(other, one, submissionId, driverGoneAt, staleMs) === null)
        return driverGone(`${node} does not say yet that nothing of it is left`);
    }
  }
  return { kind: "all_gone", text: `${name} and every other node say that no process of it is left` };
}

/**
 * Rule 9: whether the nodes of an attempt that ended before `after` are clean of it. Null = some worker has no agent that could tell.
 */
export function isClean(sight: PoolSight, workers: readonly string[], submissionId: string, after: number, now: number, staleMs: number) {
  let clean = true;
  for (const id of workers) {
    const owner = sight.owners.get(id);
    const trace = owner === undefined ? undefined : sight.nodes.get(owner.node);
    if (owner === undefined || trace === undefined || isSilent(trace, now)) return null;
    clean &&= goneFrom(trace, owner.incarnation, submissionId, after, staleMs) !== null;
  }
  return workers.length === 0 ? null : clean;
}
