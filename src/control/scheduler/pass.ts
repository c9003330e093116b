/** One pass of the scheduler: observe → settle → decide → launch. Everything it needs to know is read anew; a crash at any line is repaired by the next. */
import { timeLimit } from "../../domain/failure.ts";
import type { Hold } from "../../domain/capacity.ts";
import { type Decision, decide } from "../../domain/scheduling.ts";
import { allowances } from "../forecast.ts";
import { formatSubmissionId } from "../../domain/ids.ts";
import { isClean } from "../../domain/node-evidence.ts";
import type { NodeRecord } from "../../domain/node-record.ts";
import { type NodeWish, withGpus } from "../../domain/node-wishes.ts";
import { isLive } from "../../domain/task-state.ts";
import type { Attempt, HeadView, NewTaskEvent, NodeView, Task } from "../../domain/types.ts";
import { eachBounded, type SchedulerDeps, type SchedulerMemory, write } from "./context.ts";
import { cordonFailing } from "./failing-nodes.ts";
import { launch } from "./launch.ts";
import { closeByLateResult, lateResult } from "./late-result.ts";
import { probeStorage } from "./signs-of-life.ts";
import { keepWants, lookAtPool, storageLow, withClosed } from "./pool-sight.ts";
import { watchFromStart } from "./watch.ts";
import { holdOf, messageOf, settleAttempts, type World } from "./settle-attempts.ts";

const LAUNCHES_AT_ONCE = 4;
const REMOVE_AGAIN_MS = 10_000;

export type PassResult = { readonly moved: boolean; readonly world: World };

export async function pass(deps: SchedulerDeps, memory: SchedulerMemory, epoch: number, signal: AbortSignal): Promise<PassResult> {
  const storageOk = await probeStorage(deps, memory);
  const wishes = await deps.store.nodes.wishes();
  const world = await observeWorld(deps, memory, wishes, signal);
  const before = await liveAttempts(deps);
  const settled = await settleAttempts(deps, memory, epoch, before.live, world, signal);
  const after = settled ? await liveAttempts(deps) : before;
  const holds = after.live.map(([task, attempt]) => holdOf(task, attempt));
  const { nodes } = world;
  if (nodes !== null) observeHandOver(deps, memory, nodes, holds);
  const open = await keepNodes(deps, memory, epoch, world.head, nodes, wishes, settled);
  const decided = await decideAll(deps, memory, epoch, after.open, holds, { ...world, nodes: open }, storageOk, signal);
  if (world.head.kind === "up") await removeEnded(deps, memory, signal);
  return { moved: settled || decided, world };
}

async function observeWorld(
  deps: SchedulerDeps,
  memory: SchedulerMemory,
  wishes: readonly NodeWish[],
  signal: AbortSignal,
): Promise<World> {
  let head: HeadView = await deps.cluster.head(signal);
  const workers = async (): Promise<readonly NodeView[] | null> => {
    if (head.kind === "down") return null;
    try {
      return await deps.cluster.nodes(signal);
    } catch (error) {
      // Our own end is no loss of the head: nobody is to be told so.
      signal.throwIfAborted();
      head = { kind: "down", error: messageOf(error) };
      return null;
    }
  };
  const { nodes, isComplete } = await lookAtPool(deps, memory.pool, workers);
  const seen = nodes === null ? null : withClosed(nodes, memory.pool, wishes, deps.settings, deps.clock.monotonicMs());
  return { head, nodes: seen, isComplete };
}

function observeHandOver(deps: SchedulerDeps, memory: SchedulerMemory, nodes: readonly NodeView[], live: readonly Hold[]): void {
  const now = deps.clock.monotonicMs();
  const workers = nodes.flatMap((node) => [node.rayNodeId, ...node.rivals]);
  memory.handOver.observe(nodes, live, now, (submissionId, endedBy) =>
    isClean(memory.pool.sight, workers, submissionId, endedBy, now, deps.settings.staleMs),
  );
}

/**
 * What is wanted of nodes is kept true: by operators' word, by failures that have just been told, and in the files that agents read. The nodes as
 * they are open or closed after that.
 */
async function keepNodes(
  deps: SchedulerDeps,
  memory: SchedulerMemory,
  epoch: number,
  head: HeadView,
  nodes: readonly NodeView[] | null,
  wishes: readonly NodeWish[],
  settled: boolean,
): Promise<readonly NodeView[] | null> {
  const records = [...memory.pool.records.values()];
  const told = withGpus(wishes, records).length > 0 && (await deps.store.nodes.changeWishes((stored) => takeOver(stored, records), epoch));
  const cordoned =
    settled && head.kind === "up" && nodes !== null && (await cordonFailing(deps, memory, epoch, nodes, head.session, wishes));
  const current = told || cordoned ? await deps.store.nodes.wishes() : wishes;
  await keepWants(deps, memory.pool, current);
  return nodes === null ? null : withClosed(nodes, memory.pool, current, deps.settings, deps.clock.monotonicMs());
}

function takeOver(stored: readonly NodeWish[], records: readonly NodeRecord[]) {
  const set = withGpus(stored, records);
  return set.length === 0 ? null : { set, remove: [], audit: null };
}

type Open = { readonly open: readonly Task[]; readonly live: readonly (readonly [Task, Attempt])[] };

async function liveAttempts(deps: SchedulerDeps): Promise<Open> {
  const open = await deps.store.tasks.listOpen();
  const running = open.filter((task) => isLive(task.state));
  const attempts = await deps.store.tasks.latestAttempts(running.map((task) => task.taskId));
  const live = running.flatMap((task): (readonly [Task, Attempt])[] => {
    const attempt = attempts.get(task.taskId);
    return attempt === undefined ? [] : [[task, attempt]];
  });
  return { open, live };
}

async function decideAll(
  deps: SchedulerDeps,
  memory: SchedulerMemory,
  epoch: number,
  open: readonly Task[],
  live: readonly Hold[],
  world: World,
  storageOk: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  if (open.length === 0) return false;
  const decisions = decide({
    now: deps.clock.now(),
    open,
    nodes: world.nodes,
    storageLow: await storageLow(deps, memory.pool, deps.settings.minFreeBytes),
    holds: live,
    ended: memory.handOver.holds(),
    handingOver: memory.handOver.fresh(),
    users: await allowances(deps.store, open),
    paused: await deps.store.queue.pause(),
    order: await deps.order(),
    settings: deps.settings,
  });
  let moved = false;
  await eachBounded(decisions, LAUNCHES_AT_ONCE, async (decision) => {
    try {
      moved = (await carryOut(deps, memory, epoch, decision, world, storageOk, signal)) || moved;
    } catch (error) {
      signal.throwIfAborted();
      deps.log.error(
        { task_id: decision.task.taskId, error: messageOf(error) },
        "a decision could not be carried out; it is tried again later",
      );
      await putOff(deps, epoch, decision.task, messageOf(error));
    }
  });
  return moved;
}

/** A task that can't be started steps aside for a while, so that it never keeps the slot from those behind it. Dropped once its attempt exists. */
async function putOff(deps: SchedulerDeps, epoch: number, task: Task, error: string): Promise<void> {
  const until = deps.clock.now() + deps.settings.retryIntervalMs;
  const text = `it could not be started (${error.slice(0, 500)}); it is tried again`;
  await holdBack(deps, epoch, {
    kind: "hold",
    task,
    to: "QUEUED",
    waiting: { code: "cooling_down", text, details: { wait_ms: deps.settings.retryIntervalMs }, until },
    nextRunAt: until,
    passed: false,
  });
}

async function carryOut(
  deps: SchedulerDeps,
  memory: SchedulerMemory,
  epoch: number,
  decision: Decision,
  world: World,
  storageOk: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const { task } = decision;
  if (decision.kind === "hold") {
    await holdBack(deps, epoch, decision);
    return false;
  }
  if (decision.kind === "expire") {
    const failure = timeLimit("its deadline passed before it started");
    const event: NewTaskEvent = {
      actor: "system",
      attempt: null,
      type: "state_changed",
      reason: { code: failure.label, text: failure.text },
      data: {},
    };
    await write(deps, epoch, task, {
      to: "FAILED",
      patch: { failure, waiting: null, nextRunAt: null, endedAt: deps.clock.now() },
      events: [event],
    });
    return true;
  }
  if (!storageOk || world.head.kind === "down") {
    const text = "the shared storage does not answer; the task starts when it does";
    await holdBack(deps, epoch, {
      kind: "hold",
      task,
      to: "QUEUED",
      waiting: { code: "storage_lost", text, details: {}, until: null },
      nextRunAt: null,
      passed: false,
    });
    return false;
  }
  const late = await lateResult(deps, task);
  if (late !== null && (await closeByLateResult(deps, epoch, task, late.attempt, late.files))) return true;
  watchFromStart(memory, formatSubmissionId(task.taskId, task.attempts + 1), world.isComplete);
  return (await launch(deps, epoch, task, late?.attempt ?? null, decision.placement, world.head.session, signal)) !== null;
}

/** Writes only what changed for people: a pass over a quiet queue writes nothing. */
async function holdBack(deps: SchedulerDeps, epoch: number, decision: Extract<Decision, { kind: "hold" }>): Promise<void> {
  const { task, waiting, nextRunAt, to } = decision;
  const moves = task.state !== to;
  const isPassed = decision.passed && task.passedSince === null;
  const same = task.waiting?.code === waiting.code && task.waiting.text === waiting.text && task.nextRunAt === nextRunAt;
  if (!moves && same && !isPassed) return;
  const event: NewTaskEvent = {
    actor: "system",
    attempt: null,
    type: "state_changed",
    reason: { code: waiting.code, text: waiting.text },
    data: {},
  };
  await write(deps, epoch, task, {
    ...(moves ? { to, events: [event] } : {}),
    patch: { waiting, nextRunAt, ...(isPassed ? { passedSince: deps.clock.now() } : {}) },
  });
}

/** Ray keeps the records of ended jobs for ever; an ended attempt's record is asked away until Ray has none. */
async function removeEnded(deps: SchedulerDeps, memory: SchedulerMemory, signal: AbortSignal): Promise<void> {
  const now = deps.clock.monotonicMs();
  for (const [submissionId, from] of memory.toRemove) {
    if (now < from) continue;
    const view = await deps.ray.get(submissionId, signal);
    if (view.kind === "unknown") {
      // Behind the others: one record that Ray can't show must not keep all later ones there.
      memory.toRemove.delete(submissionId);
      memory.toRemove.set(submissionId, now + REMOVE_AGAIN_MS);
      return;
    }
    if (view.kind === "absent") memory.toRemove.delete(submissionId);
    else if (view.status !== "PENDING" && view.status !== "RUNNING") {
      await deps.ray.remove(submissionId, signal);
      memory.toRemove.delete(submissionId);
    } else memory.toRemove.set(submissionId, now + REMOVE_AGAIN_MS);
  }
}
