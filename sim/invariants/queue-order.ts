import type { TaskSnapshot } from "../world/database.ts";
import type { Server, World } from "../world/model.ts";
import type { Task } from "../../src/domain/types.ts";
import type { Invariant } from "./invariant.ts";

type Overtaken = { readonly ahead: TaskSnapshot; readonly by: string; readonly server: Server };

const OVERTAKEN = new WeakMap<World, Overtaken[]>();

/**
 * A pass that starts one task also starts every earlier one that asks for no more, unless something of its own keeps it back. Judged when the
 * same server looks at the queue again; a pass that was broken off, or in which the earlier task changed, is not judged.
 */
export const queueOrder: Invariant = {
  id: "ORDER",
  text: "in the order that is configured, among tasks that ask for no more than the one that starts: nobody overtakes who is free to start",
  onChange: (world, server, change, applied) => {
    if (!applied || change.newAttempt === undefined || server.opened === null) return null;
    const started = server.opened.get(change.taskId);
    // One with a time limit may fill a gap that is kept for a gang.
    if (started === undefined || started.task.maxRuntimeMs !== null) return null;
    for (const ahead of server.opened.values())
      if (isAhead(world, ahead.task, started.task) && isFree(world, ahead.task) && asksNoMore(ahead.task, started.task))
        listOf(world).push({ ahead, by: change.newAttempt.submissionId, server });
    return null;
  },
  onRead: (world, server, method) => {
    if (method !== "tasks.listOpen") return null;
    server.opened = new Map(
      [...world.database.tasks].filter(([, { task }]) => task.state === "QUEUED" || task.state === "PENDING_RESOURCES"),
    );
    const mine = listOf(world).filter((each) => each.server === server);
    OVERTAKEN.set(
      world,
      listOf(world).filter((each) => each.server !== server),
    );
    for (const { ahead, by } of mine) {
      const now = world.database.tasks.get(ahead.task.taskId);
      const passedOver = now !== undefined && now.attempts.length === ahead.attempts.length && now.task.nextRunAt === ahead.task.nextRunAt;
      if (passedOver && isFree(world, now.task) && now.task.waiting?.code !== "storage_lost")
        return `${by} overtook ${ahead.task.taskId}, which was free to start`;
    }
    return null;
  },
};

function listOf(world: World): Overtaken[] {
  const known = OVERTAKEN.get(world) ?? [];
  OVERTAKEN.set(world, known);
  return known;
}

/** In the fair order only tasks of one user keep their order. */
function isAhead(world: World, one: Task, other: Task): boolean {
  const { order } = world.plan.settings;
  if (one.taskId === other.taskId || (order === "fair" && one.userId !== other.userId)) return false;
  if (order === "fifo") return one.seq < other.seq;
  return one.priority > other.priority || (one.priority === other.priority && one.seq < other.seq);
}

/** Nothing but capacity keeps it back: not held, not waiting for a time, its user without limits of his own. */
function isFree(world: World, task: Task): boolean {
  const user = world.plan.users.find((each) => each.userId === task.userId);
  const limited = user === undefined || user.maxRunning !== null || user.maxGpus !== null;
  const disabled = world.plan.items.some((item) => item.kind === "disable" && item.target === task.userId);
  const waits = task.nextRunAt !== null && (task.state === "QUEUED" || task.waiting?.details["after_attempt"] !== undefined);
  return (
    !task.held && !waits && !limited && !disabled && task.cancelRequestedAt === null && task.deadline === null && task.workload === "sft"
  );
}

function asksNoMore(one: Task, other: Task): boolean {
  return (
    one.needs.nodes <= other.needs.nodes &&
    one.needs.gpusPerNode <= other.needs.gpusPerNode &&
    one.needs.cpusPerNode <= other.needs.cpusPerNode
  );
}
