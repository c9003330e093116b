/** The nodes of the pool as a caller may see them, and what the admin wants of them. */
import { maySee } from "../domain/access.ts";
import { AppError } from "../domain/app-error.ts";
import type { AuditAction } from "../domain/audit.ts";
import { freeCapacity, type Hold } from "../domain/capacity.ts";
import { SILENT_MS } from "../domain/node-evidence.ts";
import { wishText } from "../domain/node-gates.ts";
import { isNodeName, type NodeRecord, type NodeWhy } from "../domain/node-record.ts";
import { type NodeWish, uncordoned, wishFor } from "../domain/node-wishes.ts";
import type { NodeView, Principal } from "../domain/types.ts";
import { auditEntry, type Caller } from "./audit.ts";
import type { NodeFiles, WishChange } from "./node-ports.ts";
import type { Clock, Store } from "./ports.ts";
import { liveHolds } from "./read-pool.ts";
import type { LoopView } from "./scheduler/loop.ts";

export type NodeRow = {
  readonly node: string;
  readonly state: string;
  readonly why: NodeWhy | null;
  /** Null = no agent has ever reported from there. */
  readonly record: NodeRecord | null;
  /** Null = Ray does not show it. */
  readonly view: NodeView | null;
  readonly wish: NodeWish | null;
  readonly gpusFree: number;
  readonly cpusFree: number;
  readonly tasks: readonly { readonly taskId: string | null; readonly gpus: number }[];
  /** Wall clock of this server; null = not in the life of this server. */
  readonly lastSeenAt: number | null;
};

type Deps = { readonly store: Store; readonly clock: Clock; readonly view: () => LoopView };

/** Every node that Ray shows, that ever reported, or of which something is wanted; by name. */
export async function listNodes({ store, clock, view }: Deps, principal: Principal): Promise<readonly NodeRow[]> {
  const { nodes, agents, at } = view();
  const wishes = await store.nodes.wishes();
  const holds = await liveHolds(store, await store.tasks.listOpen());
  const views = new Map((nodes ?? []).map((node) => [node.node, node]));
  const records = new Map(agents.map((one) => [one.record.node, one]));
  const free = new Map(freeCapacity(nodes ?? [], holds).map((node) => [node.node, node]));
  const wanted = wishes.filter(({ cordon, drain }) => cordon || drain).map(({ node }) => node);
  const names = [...new Set([...views.keys(), ...records.keys(), ...wanted])].toSorted((a, b) => (a < b ? -1 : 1));
  const monotonic = clock.monotonicMs();
  return names.map((node): NodeRow => {
    const one = views.get(node) ?? null;
    const sighting = records.get(node) ?? null;
    const record = sighting?.record ?? null;
    const silentMs = sighting === null ? null : monotonic - sighting.movedAt;
    const wish = wishFor(node, record?.gpus.uuids ?? [], wishes);
    const seen = silentMs ?? (one === null || at === null ? null : monotonic - at);
    return {
      node,
      ...stateOf(one, record, silentMs, wish),
      record,
      view: one,
      wish,
      gpusFree: free.get(node)?.gpus ?? 0,
      cpusFree: free.get(node)?.cpus ?? 0,
      tasks: tasksOn(node, holds, principal),
      lastSeenAt: seen === null ? null : Math.round(clock.now() - seen),
    };
  });
}

function tasksOn(node: string, holds: readonly Hold[], principal: Principal): NodeRow["tasks"] {
  return holds.flatMap((hold) => {
    const gpus = hold.placement.filter((part) => part.node === node).reduce((sum, part) => sum + part.gpus, 0);
    const isThere = hold.placement.some((part) => part.node === node);
    return isThere ? [{ taskId: maySee(principal, hold) ? hold.taskId : null, gpus }] : [];
  });
}

/** By the strongest word: silence, then what is wanted, then what the agent says of itself; a worker without an agent is joined while Ray shows it. */
function stateOf(
  view: NodeView | null,
  record: NodeRecord | null,
  silentMs: number | null,
  wish: NodeWish | null,
): Pick<NodeRow, "state" | "why"> {
  const isLost = record !== null && silentMs !== null && silentMs >= SILENT_MS;
  const isItsRun = view !== null && view.rayNodeId === record?.rayNodeId;
  if (isLost && (view === null || isItsRun)) {
    const text = `its agent has been silent for ${Math.round((silentMs ?? 0) / 1000)} s${isItsRun ? "; Ray still shows it" : ""}`;
    return { state: "lost", why: { code: "agent_silent", text } };
  }
  if (wish !== null) return { state: wish.cordon ? "cordoned" : "draining", why: { code: "wanted", text: wishText(wish) } };
  if (record === null || isLost) {
    if (view === null) return { state: "unknown", why: { code: "never_reported", text: "nothing has reported under this name" } };
    return { state: "joined", why: view.closed };
  }
  const dirt = record.dirt[0] ?? null;
  if (record.state !== "joined") return { state: record.state, why: record.why ?? dirt };
  if (view === null) return { state: "joined", why: record.why ?? { code: "not_in_ray", text: "Ray does not show it yet" } };
  return { state: "joined", why: record.why ?? dirt ?? view.closed };
}

export type NodeVerb = "drain" | "cordon" | "uncordon" | "forget";

const ACTIONS: { readonly [verb in NodeVerb]: AuditAction } = {
  drain: "node.drain",
  cordon: "node.cordon",
  uncordon: "node.uncordon",
  forget: "node.forget",
};

/** Durable before it answers; agents read it within a pass of the scheduler. Idempotent. Throws not_found for a name that nobody knows. */
export async function changeNode(
  deps: Deps & { readonly nodeFiles: NodeFiles },
  node: string,
  verb: NodeVerb,
  reason: string | null,
  by: Caller,
): Promise<NodeRow | null> {
  const admin = { kind: "admin" } as const;
  const row = isNodeName(node) ? (await listNodes(deps, admin)).find((one) => one.node === node) : undefined;
  if (row === undefined) throw new AppError("not_found", `no node ${node}`);
  const at = deps.clock.now();
  const audit = auditEntry(by, at, ACTIONS[verb], node, null, { reason });
  const gpuUuids = row.record?.gpus.uuids ?? [];
  const wish = { node, actor: by.actor, reason, at };
  if (verb === "forget") {
    const problem = whyNotForgotten(row);
    if (problem !== null) throw new AppError("wrong_state", `${node} ${problem}`);
    await deps.nodeFiles.forget(node);
    await deps.store.nodes.changeWishes(() => ({ set: [], remove: [node], audit }), null);
    return null;
  }
  await deps.store.nodes.changeWishes((wishes) => changed(verb, wish, gpuUuids, wishes, audit), null);
  // One that was known by its wish alone is on no list any more.
  return (await listNodes(deps, admin)).find((one) => one.node === node) ?? { ...row, ...stateOf(null, null, null, null), wish: null };
}

/** What is so already stays as it is, with the reason and the time that it has. */
function changed(
  verb: Exclude<NodeVerb, "forget">,
  by: Pick<NodeWish, "node" | "actor" | "reason" | "at">,
  gpuUuids: readonly string[],
  wishes: readonly NodeWish[],
  audit: WishChange["audit"],
): WishChange | null {
  const own = wishes.find((wish) => wish.node === by.node) ?? null;
  if (verb === "uncordon") {
    if (wishFor(by.node, gpuUuids, wishes) === null) return null;
    return { set: uncordoned(by.node, gpuUuids, wishes, by), remove: [], audit };
  }
  if (own?.[verb] === true) return null;
  const before = { cordon: own?.cordon ?? false, drain: own?.drain ?? false, gpuUuids: own?.gpuUuids ?? [] };
  const set = verb === "cordon" ? { ...by, ...before, cordon: true, gpuUuids } : { ...by, ...before, drain: true };
  return { set: [set], remove: [], audit };
}

function whyNotForgotten({ state, view, wish, record }: NodeRow): string | null {
  if (wish?.cordon === true) return "is cordoned, and the cordon of its GPUs would be forgotten with it; uncordon it first";
  if (view !== null) return "is in the pool; stop its worker first";
  if (record !== null && state !== "lost") return "reports; stop its agent first, and wait for half a minute";
  return null;
}
