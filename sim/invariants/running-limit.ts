import { isLive, type World } from "../world/model.ts";
import type { Invariant } from "./invariant.ts";

export const runningLimit: Invariant = {
  id: "I7",
  text: "no more run than scheduler.max_running_tasks and the user's limits allow, counted by the world; no more GPUs are planned than the pool has",
  onStep: (world) => {
    const living = world.launchers.filter((launcher) => isLive(world, launcher));
    const { maxRunningTasks } = world.plan.settings;
    if (living.length > maxRunningTasks) return `${living.length} attempts live, ${maxRunningTasks} may`;
    for (const { userId, maxRunning, maxGpus } of world.plan.users) {
      const own = living.filter((launcher) => launcher.userId === userId);
      if (maxRunning !== null && own.length > maxRunning) return `${own.length} attempts of ${userId} live, ${maxRunning} may`;
      const gpus = own.reduce((sum, launcher) => sum + launcher.nodes * launcher.gpusPerNode, 0);
      if (maxGpus !== null && gpus > maxGpus) return `attempts of ${userId} ask for ${gpus} GPUs, ${maxGpus} may`;
    }
    return null;
  },
  onTask: (world, { before, after }) => {
    if (before === null || after.attempts.length === before.attempts.length) return null;
    const open = openAttempts(world);
    const { maxRunningTasks } = world.plan.settings;
    if (open.length > maxRunningTasks) return `${open.length} attempts are open, ${maxRunningTasks} may be`;
    return null;
  },
  onChange: (world, server, change, applied) => {
    if (!applied || change.newAttempt === undefined || server.nodesSeen === null) return null;
    const totals = new Map(server.nodesSeen.map((node) => [node.node, node.gpusTotal]));
    for (const { node } of change.newAttempt.placement)
      if (!totals.has(node)) return `${change.newAttempt.submissionId} is planned on ${node}, which is not there`;
    const planned = openAttempts(world)
      .filter((attempt) => attempt.submissionId !== change.newAttempt?.submissionId)
      .flatMap((attempt) => attempt.placement)
      .concat(change.newAttempt.placement)
      .reduce((sum, part) => sum + (totals.has(part.node) ? part.gpus : 0), 0);
    const all = [...totals.values()].reduce((sum, gpus) => sum + gpus, 0);
    return planned > all ? `${planned} GPUs are planned on a pool of ${all}` : null;
  },
};

function openAttempts(world: World) {
  return [...world.database.tasks.values()]
    .flatMap((snapshot) => snapshot.attempts.slice(-1))
    .filter((attempt) => attempt.state === "SUBMITTING" || attempt.state === "SUBMITTED" || attempt.state === "RUNNING");
}
