/** What the scheduler sees of the pool beside Ray: the agents' beats, the wishes of operators, and how full the storage is. */
import { closedNodes, type Floors } from "../../domain/node-gates.ts";
import { isSilent, NOTHING_SEEN, observePool, type PoolSight } from "../../domain/node-evidence.ts";
import type { NodeRecord, NodeWant } from "../../domain/node-record.ts";
import { isSameWant, type NodeWish, wantOf, wishFor } from "../../domain/node-wishes.ts";
import type { NodeView } from "../../domain/types.ts";
import type { SchedulerDeps } from "./context.ts";

/** A node as its agent told last. */
export type NodeSighting = {
  readonly record: NodeRecord;
  /** Monotonic: when its newest beat was first read. */
  readonly movedAt: number;
};

export type PoolMemory = {
  sight: PoolSight;
  /** The last good record of each node. */
  readonly records: Map<string, NodeRecord>;
  /** The wishes that stand beside them; null = a file that can't be read. */
  readonly wants: Map<string, NodeWant | null>;
  free: { readonly bytes: number | null; readonly at: number } | null;
};

export function poolMemory(): PoolMemory {
  return { sight: NOTHING_SEEN, records: new Map(), wants: new Map(), free: null };
}

/** How full the storage is changes slowly. */
const FREE_EVERY_MS = 10_000;

type Deps = Pick<SchedulerDeps, "nodeFiles" | "clock" | "log">;

/** False when the beats can't be read now: what was read before stands, and gets older. */
async function readBeats({ nodeFiles, log }: Deps, memory: PoolMemory): Promise<readonly NodeRecord[] | null> {
  try {
    const { names, records, wants } = await nodeFiles.read();
    // Forgotten by an operator; a file that is only torn keeps its last good record.
    for (const node of memory.records.keys()) if (!names.includes(node)) memory.records.delete(node);
    for (const record of records) memory.records.set(record.node, record);
    memory.wants.clear();
    for (const { node, want } of wants) memory.wants.set(node, want);
    return records;
  } catch (error) {
    log.debug({ error: String(error) }, "the nodes' beats can't be read now");
    return null;
  }
}

/** Takes a look at the beats beside Ray's own list; true when it saw both, and so every worker that could take something on. */
export async function lookAtPool(
  deps: Deps,
  memory: PoolMemory,
  workers: () => Promise<readonly NodeView[] | null>,
): Promise<{ readonly nodes: readonly NodeView[] | null; readonly isComplete: boolean }> {
  const askedAt = deps.clock.monotonicMs();
  const [records, nodes] = await Promise.all([readBeats(deps, memory), workers()]);
  const ids = nodes === null ? null : nodes.flatMap((node) => [node.rayNodeId, ...node.rivals]);
  memory.sight = observePool(memory.sight, { askedAt, readAt: deps.clock.monotonicMs(), records, workers: ids });
  return { nodes, isComplete: records !== null && nodes !== null };
}

/** The nodes with what keeps each of them closed. */
export function withClosed(
  nodes: readonly NodeView[],
  memory: PoolMemory,
  wishes: readonly NodeWish[],
  floors: Floors,
  now: number,
): readonly NodeView[] {
  const heard = (node: string): boolean => {
    const trace = memory.sight.nodes.get(node);
    return trace !== undefined && !isSilent(trace, now);
  };
  return closedNodes(nodes, memory.records, heard, wishes, floors);
}

export function sightings(memory: PoolMemory): readonly NodeSighting[] {
  return [...memory.records.values()].map((record) => ({ record, movedAt: memory.sight.nodes.get(record.node)?.movedAt ?? 0 }));
}

/** The `.want` files are copies of what the database holds; each pass sets right what differs. */
export async function keepWants({ nodeFiles, clock, log }: Deps, memory: PoolMemory, wishes: readonly NodeWish[]): Promise<void> {
  const named = new Set([...memory.records.keys(), ...memory.wants.keys(), ...wishes.map(({ node }) => node)]);
  for (const node of named) {
    const uuids = memory.records.get(node)?.gpus.uuids ?? [];
    const wanted = wantOf(wishFor(node, uuids, wishes), (at) => new Date(at).toISOString());
    const written = memory.wants.get(node);
    // A file that can't be read is made good: its agent keeps the last wish that it could read.
    if (written !== null && isSameWant(written ?? null, wanted)) continue;
    try {
      await nodeFiles.want(node, { ...wanted, at: wanted.at === "" ? new Date(clock.now()).toISOString() : wanted.at });
      memory.wants.set(node, wanted);
      log.info({ node, cordon: wanted.cordon, drain: wanted.drain, by: wanted.by }, "the wish for a node was written");
    } catch (error) {
      log.warn({ node, error: String(error) }, "the wish for a node can't be written now; the next pass tries again");
      // A storage that hangs would let each of them wait for its deadline.
      if (error instanceof Error && "kind" in error && error.kind === "hang") return;
    }
  }
}

/** Null = there is room, or it can't be told. */
export async function storageLow({ nodeFiles, clock, log }: Deps, memory: PoolMemory, minFreeBytes: number): Promise<string | null> {
  const now = clock.monotonicMs();
  if (memory.free === null || now - memory.free.at >= FREE_EVERY_MS) {
    const bytes = await nodeFiles.freeBytes().catch((error: unknown) => {
      log.debug({ error: String(error) }, "it can't be told now how full the shared storage is");
      return null;
    });
    memory.free = { bytes, at: now };
  }
  const { bytes } = memory.free;
  if (bytes === null || bytes >= minFreeBytes) return null;
  return `the shared storage has ${gib(bytes)} GiB left, less than storage.min_free_gib (${gib(minFreeBytes)}); nothing is started until there is more`;
}

function gib(bytes: number): string {
  return String(Math.round((bytes / 2 ** 30) * 10) / 10);
}
