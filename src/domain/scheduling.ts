/**
 * Who starts next, as a function of one snapshot: nothing here reads a clock, a database or Ray.
 * A gang fits only if each of its nodes has the GPUs *and* the CPUs verl will ask Ray for: verl itself sums GPUs over all nodes and then
 * waits for ever for a placement group (docs/scheduling.md), so the check has to be made before launch.
 */
import { dueAt } from "./after-attempt.ts";
import { freeCapacity, type Free, gpusOf, type Hold, place, take, whyNoCapacity } from "./capacity.ts";
import { inOrder, type QueueOrder } from "./queue-order.ts";
import { isExport, placeExport } from "./export.ts";
import { endsBefore, type Occupant, type Reservation, reserve, withoutReserved } from "./reservation.ts";
import type { NodeView, Pause, Placement, Task, Waiting } from "./types.ts";
import { isWaiting } from "./task-state.ts";

export type Snapshot = {
  readonly now: number;
  /** Every task that is not terminal. */
  readonly open: readonly Task[];
  /** Null = Ray's head does not answer: nothing can start. */
  readonly nodes: readonly NodeView[] | null;
  /** Why nothing at all is to be started, though Ray could: the shared storage is nearly full. */
  readonly storageLow: string | null;
  /** Placements of live attempts. */
  readonly holds: readonly Hold[];
  /** Placements of ended attempts whose capacity is not yet seen free. */
  readonly ended: readonly Hold[];
  /** Those of `ended` that ended a moment ago: nobody overtakes a task that only waits for them. */
  readonly handingOver: readonly Hold[];
  readonly users: ReadonlyMap<string, UserAllowance>;
  readonly paused: Pause | null;
  readonly order: QueueOrder;
  readonly settings: SchedulerSettings;
};

export type UserAllowance = { readonly disabled: boolean; readonly maxRunning: number | null; readonly maxGpus: number | null };

export type SchedulerSettings = {
  readonly maxRunningTasks: number;
  readonly retryIntervalMs: number;
  /** For how long others may pass a gang that waits for capacity, before capacity is kept for it. */
  readonly reserveAfterMs: number;
};

type HoldBack = {
  readonly kind: "hold";
  readonly task: Task;
  readonly to: "QUEUED" | "PENDING_RESOURCES";
  readonly waiting: Waiting;
  readonly nextRunAt: number | null;
  /** Waits for capacity that the pool has, while a task behind it starts. */
  readonly passed: boolean;
};

export type Decision =
  | { readonly kind: "launch"; readonly task: Task; readonly placement: Placement }
  | HoldBack
  | { readonly kind: "expire"; readonly task: Task };

/** What the tasks already decided on leave for the next one. */
type Round = {
  readonly snapshot: Snapshot;
  /** Live tasks that train, and those that this round launches. */
  readonly running: Task[];
  /** An export runs, or is launched in this round. */
  exporting: boolean;
  readonly free: Free[];
  readonly reservations: Reservation[];
  /** How many tasks wait before this one, the held ones aside. */
  ahead: number;
  /** One of them waits for capacity that is being handed over to it. */
  blocked: boolean;
};

/** One decision for every waiting task, in queue order. */
export function decide(snapshot: Snapshot): readonly Decision[] {
  const soon = soonFree(snapshot);
  const round: Round = {
    snapshot,
    running: snapshot.open.filter((task) => !isWaiting(task.state) && !isExport(task)),
    exporting: snapshot.open.some((task) => !isWaiting(task.state) && isExport(task)),
    free: freeCapacity(snapshot.nodes ?? [], [...snapshot.holds, ...snapshot.ended]),
    reservations: [],
    ahead: 0,
    blocked: false,
  };
  const decisions = inOrder(snapshot.open, snapshot.order).map((task) => decideOne(task, round, soon));
  const lastLaunch = decisions.findLastIndex((decision) => decision.kind === "launch" && !isExport(decision.task));
  return decisions.map((decision, index) =>
    decision.kind === "hold" && index < lastLaunch && isPassable(decision.waiting.code) ? { ...decision, passed: true } : decision,
  );
}

function decideOne(task: Task, round: Round, soon: Free[] | null): Decision {
  const decision = startOrHold(task, round);
  // It takes nothing that others wait for, and stands in nobody's way.
  if (isExport(task)) return decision;
  if (decision.kind === "launch") {
    round.running.push(task);
    if (soon !== null) take(soon, decision.placement);
  }
  if (decision.kind !== "hold") return decision;
  // A shortage that verl or Ray reported waits for its time, whatever is being handed over.
  const waitsForUs = decision.to === "PENDING_RESOURCES" && decision.waiting.details["after_attempt"] === undefined;
  const waitsForHandOver = soon !== null && waitsForUs && place(task.needs, soon) !== null;
  if (waitsForHandOver) round.blocked = true;
  if (decision.waiting.code !== "held") round.ahead += 1;
  return waitsForHandOver ? handOverWait(task) : decision;
}

/** What a task waits for while others may pass it: capacity that the pool as it is could give. */
function isPassable(code: Waiting["code"]): boolean {
  return code === "no_capacity" || code === "fragmented";
}

function startOrHold(task: Task, round: Round): Decision {
  const { snapshot, running } = round;
  const { now, settings } = snapshot;
  const queued = (code: Waiting["code"], text: string, details: Waiting["details"] = {}, until: number | null = null): HoldBack => ({
    kind: "hold",
    task,
    to: "QUEUED",
    waiting: { code, text, details, until },
    nextRunAt: until,
    passed: false,
  });
  const behind = (text = "behind other waiting tasks; `verlpool queue` shows its place"): HoldBack => queued("behind", text);
  if (task.deadline !== null && now >= task.deadline) return { kind: "expire", task };
  const allowance = snapshot.users.get(task.userId);
  const due = isCapacityWait(task) ? null : dueAt(task, now);
  // A hold does not shorten a back-off.
  if (task.held) return { ...queued("held", "held; `verlpool release` lets it start"), nextRunAt: due };
  if (allowance?.disabled === true) return { ...queued("held", "its user is disabled"), nextRunAt: due };
  if (due !== null && now < due) return notDue(task, due, queued);
  if (snapshot.paused !== null) return queued("paused", pauseText(snapshot.paused));
  if (snapshot.nodes === null) return queued("head_lost", "Ray's head does not answer; the task starts when it is back");
  if (snapshot.storageLow !== null) return queued("storage_low", snapshot.storageLow);
  if (isExport(task)) return startExport(task, round, queued);
  if (running.length >= settings.maxRunningTasks) {
    if (round.ahead > 0) return behind();
    return queued("running_limit", `${running.length} of at most ${settings.maxRunningTasks} running (scheduler.max_running_tasks)`, {
      running: running.length,
      limit: settings.maxRunningTasks,
    });
  }
  const limited = userLimit(task, allowance, running);
  if (limited !== null) return queued("user_limit", limited.text, limited.details);
  const shared = whyExclusive(task, running);
  if (shared !== null) return queued("exclusive", shared);
  if (round.blocked) return behind();
  const inTheWay = round.reservations.filter((reservation) => !endsBefore(reservation, task.maxRuntimeMs, now));
  const placement = place(task.needs, withoutReserved(round.free, inTheWay));
  if (placement !== null && running.length + inTheWay.length < settings.maxRunningTasks) {
    take(round.free, placement);
    return { kind: "launch", task, placement };
  }
  if (inTheWay.length > 0 && place(task.needs, round.free) !== null)
    return behind("fits now, but would delay a task that others have passed for too long; what that one needs is kept for it");
  return waitForCapacity(task, round);
}

/** One at a time in the whole pool: a merge holds a model twice in the memory of a node that trains. */
function startExport(task: Task, round: Round, queued: (code: Waiting["code"], text: string) => HoldBack): Decision {
  if (round.exporting) return queued("running_limit", "another export runs; they run one at a time");
  const placement = placeExport(round.free);
  if (placement === null) return { ...queued("no_capacity", "no worker is open for it"), to: "PENDING_RESOURCES" };
  round.exporting = true;
  return { kind: "launch", task, placement };
}

export function pauseText({ actor, reason }: Pause): string {
  return `the queue is paused by ${actor === "admin" ? "the admin" : actor}${reason === null ? "" : `: ${reason}`}`;
}

function waitForCapacity(task: Task, round: Round): HoldBack {
  const { now, settings } = round.snapshot;
  const { passedSince } = task;
  const waiting = whyNoCapacity(task.needs, round.free);
  // A wait for a person, not for capacity: its place in the order stays, and no time runs.
  if (waiting.code === "cordoned" || waiting.code === "storage_low")
    return { kind: "hold", task, to: "QUEUED", waiting, nextRunAt: null, passed: false };
  const stored = Math.min(task.nextRunAt ?? 0, now + settings.retryIntervalMs);
  const next = now < stored ? stored : now + settings.retryIntervalMs;
  const hold = { kind: "hold", task, to: "PENDING_RESOURCES", nextRunAt: next, passed: false } as const;
  const isStarving = passedSince !== null && now - passedSince >= settings.reserveAfterMs && isPassable(waiting.code);
  const open = round.free.filter((node) => node.total.closed === null);
  const reservation = isStarving ? reserve(task.needs, withoutReserved(open, round.reservations), occupants(round), now) : null;
  if (reservation === null) return { ...hold, waiting: { ...waiting, until: next } };
  round.reservations.push(reservation);
  const text = `${waiting.text}; kept for it: ${reservation.nodes.join(", ")}`;
  return { ...hold, waiting: { ...waiting, text, details: { ...waiting.details, reserved: reservation.nodes }, until: next } };
}

/** What runs where, and when its time limit ends it at the latest. A task that was started anew may run longer than this says: it waited between. */
function occupants({ snapshot }: Round): readonly Occupant[] {
  const tasks = new Map(snapshot.open.map((task) => [task.taskId, task]));
  return snapshot.holds.flatMap(({ taskId, placement }) => {
    const task = tasks.get(taskId);
    const limit = task === undefined || task.maxRuntimeMs === null ? Infinity : (task.startedAt ?? snapshot.now) + task.maxRuntimeMs;
    const end = Math.min(limit, task?.deadline ?? Infinity);
    return placement.map((part) => ({ ...part, endsBy: Number.isFinite(end) ? end : null }));
  });
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
  return {
    kind: "hold",
    task,
    to: "QUEUED",
    waiting: { code: "cooling_down", text, details: {}, until: null },
    nextRunAt: null,
    passed: false,
  };
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
      passed: false,
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
