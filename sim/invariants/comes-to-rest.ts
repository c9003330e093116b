import type { Machine, World } from "../world/model.ts";
import type { Task } from "../../src/domain/types.ts";
import type { Invariant } from "./invariant.ts";

export const comesToRest: Invariant = {
  id: "L1",
  text: "after faults stop, every task that is not held and fits ends in bounded time; nothing lives, and all capacity is free",
  atRest: (world) => {
    for (const { task } of world.database.tasks.values()) {
      if (isOver(task) || mayStay(world, task)) continue;
      return `${task.name} is still ${task.state} (attempt ${task.attempts}, ${JSON.stringify(task.waiting)})`;
    }
    const orphan = world.launchers.find((launcher) => launcher.treeAlive && !isForOperator(world, launcher.taskId));
    if (orphan !== undefined) return `${orphan.submissionId} still lives`;
    const kept = [...world.ray.allocations].find((part) => part.launcher === null || !isForOperator(world, part.launcher.taskId));
    if (kept !== undefined)
      return `${kept.gpus} GPUs of ${kept.machine.name} are still held by ${kept.launcher?.submissionId ?? kept.owner}`;
    return null;
  },
};

export function isOver(task: Task): boolean {
  return task.state === "SUCCEEDED" || task.state === "FAILED" || task.state === "CANCELED";
}

/** Held, too large for the pool or for its user, or silent without containment, which only the node's word or an operator ends (rule 6c). */
export function mayStay(world: World, task: Task): boolean {
  if (isForOperator(world, task.taskId)) return true;
  const blocked = [...world.database.tasks.values()].some((other) => isForOperator(world, other.task.taskId));
  const maxGpus = world.plan.users.find((user) => user.userId === task.userId)?.maxGpus ?? Number.POSITIVE_INFINITY;
  return task.held || blocked || !fits(world.machines, task) || gpusOf(task) > maxGpus;
}

export function isForOperator(world: World, taskId: string): boolean {
  const snapshot = world.database.tasks.get(taskId);
  const attempt = snapshot?.attempts.at(-1);
  const claim = attempt === undefined ? null : (world.directories.get(attempt.submissionId)?.files.claim ?? null);
  return attempt?.state === "RUNNING" && attempt.quarantined && (claim?.containment === "group" || claim?.containment === "none");
}

function gpusOf({ needs }: Task): number {
  return needs.nodes * needs.gpusPerNode;
}

function fits(machines: readonly Machine[], task: Task): boolean {
  return (
    machines.filter((machine) => machine.gpus >= task.needs.gpusPerNode && machine.cpus >= task.needs.cpusPerNode).length >=
    task.needs.nodes
  );
}
