/** What operators, and the server itself after failures, want of nodes. Pure. */
import { type NodeRecord, type NodeWant, NO_WANT } from "./node-record.ts";
import type { Failure } from "./types.ts";

export type NodeWish = {
  readonly node: string;
  /** Nothing new is placed there, and the node leaves Ray once nothing runs there. Follows its GPUs to whatever node holds them. */
  readonly cordon: boolean;
  /** As a cordon, for this node's name alone: for maintenance. */
  readonly drain: boolean;
  readonly actor: string;
  readonly reason: string | null;
  readonly gpuUuids: readonly string[];
  readonly at: number;
};

type Gpus = { readonly gpuUuids: readonly string[] };

function shares(one: Gpus, other: Gpus): boolean {
  return one.gpuUuids.some((uuid) => other.gpuUuids.includes(uuid));
}

/** The cordon of another node that this one's GPUs were in when it was made. */
export function cordonByGpu(node: string, gpuUuids: readonly string[], wishes: readonly NodeWish[]): NodeWish | null {
  return wishes.find((wish) => wish.cordon && wish.node !== node && shares(wish, { gpuUuids })) ?? null;
}

/** What holds for a node: its own wish, and a cordon that its GPUs brought with them. Null = nothing is wanted. */
export function wishFor(node: string, gpuUuids: readonly string[], wishes: readonly NodeWish[]): NodeWish | null {
  const own = wishes.find((wish) => wish.node === node) ?? null;
  if (own?.cordon === true) return own;
  const other = cordonByGpu(node, gpuUuids, wishes);
  if (other !== null) {
    const reason = `it holds GPUs that were cordoned as ${other.node}${other.reason === null ? "" : `: ${other.reason}`}`;
    return { ...other, node, drain: own?.drain ?? false, reason };
  }
  return own !== null && own.drain ? own : null;
}

export function wantOf(wish: NodeWish | null, instant: (at: number) => string): NodeWant {
  if (wish === null) return NO_WANT;
  const { cordon, drain, actor, reason, gpuUuids, at } = wish;
  return { cordon, drain, by: actor, reason, gpuUuids, at: instant(at) };
}

/** Whether a file that says `written` asks of the agent what is wanted. */
export function isSameWant(written: NodeWant | null, wanted: NodeWant): boolean {
  if (written === null) return !wanted.cordon && !wanted.drain;
  return (
    written.cordon === wanted.cordon &&
    written.drain === wanted.drain &&
    written.reason === wanted.reason &&
    written.gpuUuids.length === wanted.gpuUuids.length &&
    written.gpuUuids.every((uuid) => wanted.gpuUuids.includes(uuid))
  );
}

/** Lifts what is wanted of a node, also the cordon that its GPUs brought: it ends for those GPUs, and with the last of them under its first name too. */
export function uncordoned(
  node: string,
  gpuUuids: readonly string[],
  wishes: readonly NodeWish[],
  by: Pick<NodeWish, "actor" | "reason" | "at">,
): readonly NodeWish[] {
  const own = wishes.find((wish) => wish.node === node);
  const freed = new Set([...gpuUuids, ...(own?.gpuUuids ?? [])]);
  const others = wishes
    .filter((wish) => wish.node !== node && wish.gpuUuids.some((uuid) => freed.has(uuid)))
    .map((wish) => ({ ...wish, gpuUuids: wish.gpuUuids.filter((uuid) => !freed.has(uuid)) }))
    .map((wish) => (wish.gpuUuids.length > 0 ? wish : { ...wish, cordon: false, at: by.at }));
  return [{ node, cordon: false, drain: false, gpuUuids: [], ...by }, ...others];
}

/** A cordon that was made before the node ever told its GPUs takes them over when it does. */
export function withGpus(wishes: readonly NodeWish[], records: readonly NodeRecord[]): readonly NodeWish[] {
  return wishes.flatMap((wish) => {
    const record = records.find((one) => one.node === wish.node);
    if (!wish.cordon || wish.gpuUuids.length > 0 || record === undefined || record.gpus.uuids.length === 0) return [];
    return [{ ...wish, gpuUuids: record.gpus.uuids }];
  });
}

export type NodeFailure = {
  readonly node: string;
  readonly submissionId: string;
  readonly at: number;
  readonly failure: Failure;
  /** Ray's, when the attempt was made. */
  readonly raySession: string | null;
};

const DAY_MS = 24 * 3_600_000;
/** What two nodes suffer within so long is no fault of either. */
const TOGETHER_MS = 120_000;

/** Since when failures can speak against a node. */
export function failuresSince(now: number): number {
  return now - DAY_MS;
}

/** What its user did, a full disk of all or a lost head is no fault of a machine; and what a session took with it when it ended was the head's. */
function isOfNode({ failure, raySession }: NodeFailure, session: string): boolean {
  if (failure.blame === "node") return true;
  return raySession === session && (failure.label === "node_lost" || failure.label === "worker_crash_unknown");
}

/** Nodes that failed `limit` times within a day, by themselves, since anybody last decided about them; with the failures. `limit` 0 = none. */
export function nodesToCordon(
  failures: readonly NodeFailure[],
  wishes: readonly NodeWish[],
  limit: number,
  session: string,
  now: number,
): readonly { readonly node: string; readonly failures: readonly NodeFailure[] }[] {
  if (limit === 0) return [];
  const counted = failures.filter((one) => one.at >= failuresSince(now) && isOfNode(one, session));
  const alone = counted.filter((one) => !counted.some((other) => other.node !== one.node && Math.abs(other.at - one.at) <= TOGETHER_MS));
  return [...new Set(alone.map(({ node }) => node))].flatMap((node) => {
    const wish = wishes.find((one) => one.node === node);
    if (wish?.cordon === true) return [];
    const own = alone.filter((one) => one.node === node && one.at > (wish?.at ?? 0));
    return own.length >= limit ? [{ node, failures: own }] : [];
  });
}
