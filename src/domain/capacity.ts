/** What is free on each node, whether a gang fits there, and if not, why: in words that name the nodes. */
import type { Needs, NodeView, Placement, Waiting } from "./types.ts";

/** What a live or just-ended attempt holds, by our own ledger. */
export type Hold = { readonly taskId: string; readonly userId: string; readonly placement: Placement };

/** `gpus` and `cpus` are what may be given away; `idle` is what stands free there, also on a node that is closed. */
export type Free = {
  readonly node: string;
  readonly total: NodeView;
  readonly idle: { readonly gpus: number; readonly cpus: number };
  gpus: number;
  cpus: number;
};

export function gpusOf(needs: Needs): number {
  return needs.nodes * needs.gpusPerNode;
}

/**
 * Once Ray shows as many GPUs used as our ledger holds, Ray's own word says where they are: it places drivers and gangs itself, not where they were
 * planned. Until then (a gang still starting, Ray's report late by seconds) each node counts the larger of the two.
 */
export function freeCapacity(nodes: readonly NodeView[], holds: readonly Hold[]): Free[] {
  const parts = holds.flatMap((hold) => hold.placement);
  const held = parts.reduce((sum, part) => sum + part.gpus, 0);
  const allShown = held > 0 && gpusUsed(nodes) >= held;
  return nodes.map((node) => {
    const planned = allShown ? [] : parts.filter((part) => part.node === node.node);
    const gpus = planned.reduce((sum, part) => sum + part.gpus, 0);
    const cpus = planned.reduce((sum, part) => sum + part.cpus, 0);
    const idle = {
      gpus: Math.max(0, node.gpusTotal - Math.max(node.gpusUsed, gpus)),
      cpus: Math.max(0, node.cpusTotal - Math.max(node.cpusUsed, cpus)),
    };
    return { node: node.node, total: node, idle, ...(node.closed === null ? idle : { gpus: 0, cpus: 0 }) };
  });
}

function gpusUsed(nodes: readonly NodeView[]): number {
  return nodes.reduce((sum, node) => sum + node.gpusUsed, 0);
}

/** Nothing is left of an ended attempt: its nodes, or the pool as a whole, use no more GPUs than live attempts hold. */
export function isHandedOver(ended: Hold, nodes: readonly NodeView[], live: readonly Hold[]): boolean {
  const parts = live.flatMap((hold) => hold.placement);
  if (gpusUsed(nodes) <= parts.reduce((sum, part) => sum + part.gpus, 0)) return true;
  return ended.placement.every(({ node: name }) => {
    const node = nodes.find((candidate) => candidate.node === name);
    const held = parts.filter((part) => part.node === name).reduce((sum, part) => sum + part.gpus, 0);
    return node === undefined || node.gpusUsed <= held;
  });
}

function fitsOn(needs: Needs, gpus: number, cpus: number): boolean {
  return gpus >= needs.gpusPerNode && cpus >= needs.cpusPerNode;
}

/** Best fit: the fullest nodes first, so that large gaps stay whole. */
export function place(needs: Needs, free: readonly Free[]): Placement | null {
  const candidates = free
    .filter((node) => fitsOn(needs, node.gpus, node.cpus))
    .toSorted((a, b) => a.gpus - b.gpus || a.node.localeCompare(b.node));
  if (candidates.length < needs.nodes) return null;
  return candidates.slice(0, needs.nodes).map(({ node }) => ({ node, gpus: needs.gpusPerNode, cpus: needs.cpusPerNode }));
}

/** Takes a placement out of what is free. */
export function take(free: Free[], placement: Placement): void {
  for (const part of placement) {
    const node = free.find((candidate) => candidate.node === part.node);
    if (node === undefined) continue;
    node.gpus -= part.gpus;
    node.cpus -= part.cpus;
  }
}

export function shapeText(needs: Needs): string {
  return `${needs.nodes} × ${needs.gpusPerNode} ${needs.gpusPerNode === 1 ? "GPU" : "GPUs"} and ${needs.cpusPerNode} CPUs a node`;
}

/** One line a node: why it can't take a part of this gang, or that it can. */
export function nodeFits(
  needs: Needs,
  free: readonly Free[],
): readonly { node: string; gpusFree: number; cpusFree: number; fits: boolean; why: string | null }[] {
  return free.map((node) => {
    const fits = fitsOn(needs, node.gpus, node.cpus);
    const { closed } = node.total;
    if (closed !== null && !fits) return { node: node.node, gpusFree: node.gpus, cpusFree: node.cpus, fits, why: closed.text };
    const lacks = [
      ...(node.gpus < needs.gpusPerNode ? [`${node.gpus} of ${node.total.gpusTotal} GPUs free`] : []),
      ...(node.cpus < needs.cpusPerNode ? [`${node.cpus} of ${node.total.cpusTotal} CPUs free`] : []),
    ];
    return { node: node.node, gpusFree: node.gpus, cpusFree: node.cpus, fits, why: fits ? null : lacks.join(", ") };
  });
}

/** Why a gang does not fit: the pool as it is could never hold it, the free GPUs are spread too thin, or there are too few. */
export function whyNoCapacity(needs: Needs, free: readonly Free[]): Waiting {
  const perNode = nodeFits(needs, free);
  const couldEver = free.filter((node) => fitsOn(needs, node.total.gpusTotal, node.total.cpusTotal)).length;
  const details = { needs, nodes: perNode };
  const listed = perNode.length === 0 ? "no worker has joined" : perNode.map((node) => `${node.node}: ${node.why ?? "fits"}`).join("; ");
  if (couldEver < needs.nodes) {
    const missing = needs.nodes - couldEver;
    return {
      code: "impossible_now",
      text: `needs ${shapeText(needs)}; ${missing} more ${missing === 1 ? "node" : "nodes"} of that shape would have to join (${listed})`,
      details,
      until: null,
    };
  }
  const closed = whyClosed(needs, free);
  if (closed !== null) return { code: closed, text: `needs ${shapeText(needs)}; ${listed}`, details, until: null };
  const gpusFree = free.reduce((sum, node) => sum + node.gpus, 0);
  const code = gpusFree >= gpusOf(needs) ? "fragmented" : "no_capacity";
  return { code, text: `needs ${shapeText(needs)}; ${listed}`, details, until: null };
}

/** It would fit now if no node were closed. A node that is only not ready is a want of capacity like any other, which passes. Null = it would not. */
function whyClosed(needs: Needs, free: readonly Free[]): "cordoned" | "storage_low" | "no_capacity" | null {
  const opened = free.map((node) => ({ ...node, ...node.idle }));
  if (place(needs, opened) === null) return null;
  const codes = opened.filter((node) => fitsOn(needs, node.gpus, node.cpus)).map((node) => node.total.closed?.code ?? null);
  return (["cordoned", "storage_low"] as const).find((code) => codes.includes(code)) ?? "no_capacity";
}
