/**
 * Who starts next, as a function of one snapshot: nothing here reads a clock, a database or Ray.
 * A gang fits only if each of its nodes has the GPUs *and* the CPUs verl will ask Ray for: verl itself sums GPUs over all nodes and then
 * waits for ever for a placement group (docs/scheduling.md), so the check has to be made before launch.
 */
import type { Needs, NodeView, Placement, Task, Waiting } from "./types.ts";
import { dueAt } from "./after-attempt.ts";
import { isWaiting } from "./task-state.ts";

/** What a live or just-ended attempt holds, by our own ledger. */
export type Hold = { readonly taskId: string; readonly userId: string; readonly placement: Placement };

export type Snapshot = {
  readonly now: number;
  /** Every task that is not terminal. */
  readonly open: readonly Task[];
  /** Null = Ray's head does not answer: nothing can start. */
  readonly nodes: readonly NodeView[] | null;
  /** Placements of live attempts. */
  readonly holds: readonly Hold[];
  /** Placements of ended attempts whose capacity is not yet seen free. */
  readonly ended: readonly Hold[];
  /** Those of `ended` that ended a moment ago: nobody overtakes a task that only waits for them. */
  readonly handingOver: readonly Hold[];
  readonly users: ReadonlyMap<string, UserAllowance>;
  readonly settings: SchedulerSettings;
};

export type UserAllowance = { readonly disabled: boolean; readonly maxRunning: number | null; readonly maxGpus: number | null };

export type SchedulerSettings = { readonly maxRunningTasks: number; readonly retryIntervalMs: number };

type HoldBack = {
  readonly kind: "hold";
  readonly task: Task;
  readonly to: "QUEUED" | "PENDING_RESOURCES";
  readonly waiting: Waiting;
  readonly nextRunAt: number | null;
};

export type Decision =
  | { readonly kind: "launch"; readonly task: Task; readonly placement: Placement }
  | HoldBack
  | { readonly kind: "expire"; readonly task: Task };

type Free = { readonly node: string; readonly total: NodeView; gpus: number; cpus: number };

/** Queue order: higher priority first, then first come, first served. */
export function inOrder(tasks: readonly Task[]): readonly Task[] {
  return tasks.filter((task) => isWaiting(task.state)).toSorted((a, b) => b.priority - a.priority || a.seq - b.seq);
}

/** One decision for every waiting task, in queue order. */
export function decide(snapshot: Snapshot): readonly Decision[] {
  const live = snapshot.open.filter((task) => !isWaiting(task.state));
  const free = freeCapacity(snapshot.nodes ?? [], [...snapshot.holds, ...snapshot.ended]);
  const soon = soonFree(snapshot);
  const running: Task[] = [...live];
  const decisions: Decision[] = [];
  let ahead = 0;
  let blocked = false;
  for (const task of inOrder(snapshot.open)) {
    const decision = decideOne(task, snapshot, running, blocked ? null : free, ahead);
    const waitsForHandOver =
      soon !== null && decision.kind === "hold" && decision.to === "PENDING_RESOURCES" && place(task.needs, soon) !== null;
    if (waitsForHandOver) {
      blocked = true;
      ahead += 1;
      decisions.push(handOverWait(task));
      continue;
    }
    decisions.push(decision);
    if (decision.kind === "launch") running.push(task);
    else if (decision.kind === "hold" && decision.waiting.code !== "held") ahead += 1;
  }
  return decisions;
}

function decideOne(task: Task, snapshot: Snapshot, running: readonly Task[], free: Free[] | null, ahead: number): Decision {
  const { now, settings } = snapshot;
  const queued = (code: Waiting["code"], text: string, details: Waiting["details"] = {}, until: number | null = null): HoldBack => ({
    kind: "hold",
    task,
    to: "QUEUED",
    waiting: { code, text, details, until },
    nextRunAt: until,
  });
  const behind = (): HoldBack => queued("behind", "behind other waiting tasks; `verlpool queue` shows its place");
  if (task.deadline !== null && now >= task.deadline) return { kind: "expire", task };
  const allowance = snapshot.users.get(task.userId);
  const due = isCapacityWait(task) ? null : dueAt(task, now);
  // A hold does not shorten a back-off.
  if (task.held) return { ...queued("held", "held; `verlpool release` lets it start"), nextRunAt: due };
  if (allowance?.disabled === true) return { ...queued("held", "its user is disabled"), nextRunAt: due };
  if (due !== null && now < due) return notDue(task, due, queued);
  if (snapshot.nodes === null) return queued("head_lost", "Ray's head does not answer; the task starts when it is back");
  if (running.length >= settings.maxRunningTasks) {
    if (ahead > 0) return behind();
    return queued("running_limit", `${running.length} of at most ${settings.maxRunningTasks} running (scheduler.max_running_tasks)`, {
      running: running.length,
      limit: settings.maxRunningTasks,
    });
  }
  const limited = userLimit(task, allowance, running);
  if (limited !== null) return queued("user_limit", limited.text, limited.details);
  const shared = whyExclusive(task, running);
  if (shared !== null) return queued("exclusive", shared);
  // Null = a task ahead waits for capacity that is being handed over to it.
  if (free === null) return behind();
  const placement = place(task.needs, free);
  if (placement !== null) return { kind: "launch", task, placement };
  const waiting = whyNoCapacity(task.needs, free);
  const stored = Math.min(task.nextRunAt ?? 0, now + settings.retryIntervalMs);
  const next = now < stored ? stored : now + settings.retryIntervalMs;
  return { kind: "hold", task, to: "PENDING_RESOURCES", waiting: { ...waiting, until: next }, nextRunAt: next };
}

/** What is free once the attempts that ended a moment ago are gone from their nodes; null = none did. */
function soonFree({ nodes, holds, ended, handingOver }: Snapshot): Free[] | null {
  if (nodes === null || handingOver.length === 0) return null;
  const leaving = new Set(handingOver.flatMap((hold) => hold.placement.map((part) => part.node)));
  const settled = nodes.map((node) => (leaving.has(node.node) ? { ...node, gpusUsed: 0, cpusUsed: 0 } : node));
  return freeCapacity(settled, [...holds, ...ended.filter((hold) => !handingOver.includes(hold))]);
}

/** A gang that fits as soon as the last one is gone from its nodes keeps its place: a smaller task behind it must not take them in those seconds. */
function handOverWait(task: Task): Decision {
  const text = "starts as soon as the GPUs of a task that has just ended are free again";
  return { kind: "hold", task, to: "QUEUED", waiting: { code: "cooling_down", text, details: {}, until: null }, nextRunAt: null };
}

/** A wait for capacity that we decided ourselves is looked at in every pass; one that verl or Ray reported waits for its time. */
function isCapacityWait(task: Task): boolean {
  return task.state === "PENDING_RESOURCES" && task.waiting?.details["after_attempt"] === undefined;
}

function notDue(
  task: Task,
  due: number,
  queued: (code: Waiting["code"], text: string, details: Waiting["details"], until: number | null) => Decision,
): Decision {
  if (task.waiting !== null && (task.waiting.code === "cooling_down" || task.state === "PENDING_RESOURCES")) {
    return {
      kind: "hold",
      task,
      to: task.state === "PENDING_RESOURCES" ? "PENDING_RESOURCES" : "QUEUED",
      waiting: { ...task.waiting, until: due },
      nextRunAt: due,
    };
  }
  return queued("not_due", "its next try is not due yet", {}, due);
}

function userLimit(
  task: Task,
  allowance: UserAllowance | undefined,
  running: readonly Task[],
): { text: string; details: Waiting["details"] } | null {
  const own = running.filter((other) => other.userId === task.userId);
  const maxRunning = allowance?.maxRunning ?? null;
  if (maxRunning !== null && own.length >= maxRunning) {
    return {
      text: `${own.length} of this user's at most ${maxRunning} running (limit max_running)`,
      details: { limit: "max_running", value: maxRunning },
    };
  }
  const maxGpus = allowance?.maxGpus ?? null;
  const gpus = own.reduce((sum, other) => sum + gpusOf(other.needs), 0);
  if (maxGpus !== null && gpus + gpusOf(task.needs) > maxGpus) {
    return {
      text: `needs ${gpusOf(task.needs)} GPUs; this user holds ${gpus} of at most ${maxGpus} (limit max_gpus)`,
      details: { limit: "max_gpus", value: maxGpus },
    };
  }
  return null;
}

function whyExclusive(task: Task, running: readonly Task[]): string | null {
  if (task.workload === "sft") return null;
  const others = running.filter((other) => other.workload !== "sft");
  if (others.length === 0) return null;
  if (task.profile.exclusive)
    return `profile ${task.profile.name} is not known to be safe beside another RL task on one Ray cluster, so it waits to run alone`;
  return others.some((other) => other.profile.exclusive) ? "an RL task that must run alone on the Ray cluster is running" : null;
}

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
    return {
      node: node.node,
      total: node,
      gpus: Math.max(0, node.gpusTotal - Math.max(node.gpusUsed, gpus)),
      cpus: Math.max(0, node.cpusTotal - Math.max(node.cpusUsed, cpus)),
    };
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

/** Best fit: the fullest nodes first, so that large gaps stay whole. Takes the capacity out of `free` when it returns a placement. */
function place(needs: Needs, free: Free[]): Placement | null {
  const candidates = free
    .filter((node) => fitsOn(needs, node.gpus, node.cpus))
    .toSorted((a, b) => a.gpus - b.gpus || a.node.localeCompare(b.node));
  if (candidates.length < needs.nodes) return null;
  const chosen = candidates.slice(0, needs.nodes);
  for (const node of chosen) {
    node.gpus -= needs.gpusPerNode;
    node.cpus -= needs.cpusPerNode;
  }
  return chosen.map((node) => ({ node: node.node, gpus: needs.gpusPerNode, cpus: needs.cpusPerNode }));
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
  const gpusFree = free.reduce((sum, node) => sum + node.gpus, 0);
  const code = gpusFree >= gpusOf(needs) ? "fragmented" : "no_capacity";
  return { code, text: `needs ${shapeText(needs)}; ${listed}`, details, until: null };
}
