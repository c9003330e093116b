/**
 * Capacity kept for a gang that others have passed for too long. Without it a large gang starves: small tasks behind it always fit first.
 * What is kept is as little as will do: on the nodes where the gang can start first, the share that it needs.
 */
import type { Needs } from "./types.ts";

/** What is free on a node, and what the node has. */
export type NodeCapacity = {
  readonly node: string;
  readonly gpus: number;
  readonly cpus: number;
  readonly total: { readonly gpusTotal: number; readonly cpusTotal: number };
};

/** A part of a running gang on one node. `endsBy` = when its time limit ends it at the latest; null = it has none and counts as endless. */
export type Occupant = { readonly node: string; readonly gpus: number; readonly cpus: number; readonly endsBy: number | null };

export type Reservation = {
  readonly nodes: readonly string[];
  readonly gpusPerNode: number;
  readonly cpusPerNode: number;
  /** When the gang can start at the latest; null = it waits for something that has no time limit. */
  readonly startsBy: number | null;
};

/** The start of a task and the end of its processes take this long at most, beside the running time that its limit counts. */
export const OVERHEAD_MS = 120_000;

/** Null when too few nodes could ever hold a part of the gang. */
export function reserve(needs: Needs, nodes: readonly NodeCapacity[], occupants: readonly Occupant[], now: number): Reservation | null {
  const ready = nodes
    .filter(({ total }) => total.gpusTotal >= needs.gpusPerNode && total.cpusTotal >= needs.cpusPerNode)
    .map((node) => ({
      node: node.node,
      at: freeFrom(
        needs,
        node,
        occupants.filter((part) => part.node === node.node),
        now,
      ),
      missing: Math.max(0, needs.gpusPerNode - node.gpus),
    }))
    .toSorted((a, b) => (a.at ?? Infinity) - (b.at ?? Infinity) || a.missing - b.missing || a.node.localeCompare(b.node));
  if (ready.length < needs.nodes) return null;
  const chosen = ready.slice(0, needs.nodes);
  const last = Math.max(...chosen.map(({ at }) => at ?? Infinity));
  return {
    nodes: chosen.map(({ node }) => node),
    gpusPerNode: needs.gpusPerNode,
    cpusPerNode: needs.cpusPerNode,
    startsBy: Number.isFinite(last) ? last : null,
  };
}

/** When this node can hold a part of the gang at the latest, or null when that needs the end of something without a time limit. */
function freeFrom(needs: Needs, node: NodeCapacity, occupants: readonly Occupant[], now: number): number | null {
  let { gpus, cpus } = node;
  if (gpus >= needs.gpusPerNode && cpus >= needs.cpusPerNode) return now;
  const ending = occupants.filter((part) => part.endsBy !== null).toSorted((a, b) => (a.endsBy ?? 0) - (b.endsBy ?? 0));
  for (const part of ending) {
    gpus += part.gpus;
    cpus += part.cpus;
    if (gpus >= needs.gpusPerNode && cpus >= needs.cpusPerNode) return Math.max(now, (part.endsBy ?? now) + OVERHEAD_MS);
  }
  return null;
}

/** Whether a task that would start now and run for its whole limit is gone before the reserved gang can start. */
export function endsBefore(reservation: Reservation, maxRuntimeMs: number | null, now: number): boolean {
  return maxRuntimeMs !== null && reservation.startsBy !== null && now + maxRuntimeMs + OVERHEAD_MS <= reservation.startsBy;
}

/** What a task behind may use: the free capacity less what is kept for the reservations that it would delay. */
export function withoutReserved<Node extends NodeCapacity>(nodes: readonly Node[], reservations: readonly Reservation[]): Node[] {
  return nodes.map((node) => {
    const kept = reservations.filter((reservation) => reservation.nodes.includes(node.node));
    return {
      ...node,
      gpus: Math.max(0, node.gpus - kept.reduce((sum, { gpusPerNode }) => sum + gpusPerNode, 0)),
      cpus: Math.max(0, node.cpus - kept.reduce((sum, { cpusPerNode }) => sum + cpusPerNode, 0)),
    };
  });
}
