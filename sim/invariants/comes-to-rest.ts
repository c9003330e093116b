import { isOver, type Machine, type World } from "../world/model.ts";
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
    const orphan = world.launchers.find((launcher) => launcher.treeAlive);
    if (orphan !== undefined) return `${orphan.submissionId} still lives`;
    const kept = [...world.ray.allocations].at(0);
    if (kept !== undefined)
      return `${kept.gpus} GPUs of ${kept.machine.name} are still held by ${kept.launcher?.submissionId ?? kept.owner}`;
    return null;
  },
};

/** Held, or too large for the pool or for its user. */
export function mayStay(world: World, task: Task): boolean {
  const maxGpus = world.plan.users.find((user) => user.userId === task.userId)?.maxGpus ?? Number.POSITIVE_INFINITY;
  return task.held || !fits(world.machines, task) || gpusOf(task) > maxGpus;
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
