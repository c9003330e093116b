import type { FaultKind } from "../faults.ts";
import { isLive, type World } from "../world/model.ts";
import type { Invariant } from "./invariant.ts";

/** A decision may have been made this long before it is written. */
const PASS_MS = 60_000;
const CLOCKS: ReadonlySet<string> = new Set<FaultKind>(["server.clock", "worker.clock"]);
/** What the scheduler has nothing to do with: the rest keeps a stop from being seen. */
const HARMLESS = /^(?:ray\.|gpu\.)/;

export const timeLimits: Invariant = {
  id: "TIME",
  text: "no attempt is made for a held task, in a paused queue, for a disabled user, or past its deadline; where nothing hinders, an attempt ends soon after its time is up",
  onTask: (world, { before, after }) => {
    if (before === null || after.attempts.length === before.attempts.length) return null;
    const { task } = after;
    if (before.task.held) return `${task.taskId} is held and gets an attempt`;
    const disabledSince = world.promises.disabledSince.get(task.userId);
    if (disabledSince !== undefined && world.timeline.now() - disabledSince > PASS_MS)
      return `${task.userId} is disabled, and ${task.taskId} gets an attempt`;
    const { pausedSince } = world.promises;
    if (pausedSince !== null && world.timeline.now() - pausedSince > PASS_MS)
      return `the queue is paused, and ${task.taskId} gets an attempt`;
    const made = after.attempts.at(-1)?.createdAt ?? 0;
    const isLate = task.deadline !== null && made > task.deadline + world.plan.settings.tickMs + PASS_MS;
    return isLate && !meets(world, (fault) => CLOCKS.has(fault))
      ? `${task.taskId} gets an attempt ${made - (task.deadline ?? 0)} ms after its deadline`
      : null;
  },
  onStep: (world) => {
    const living = world.launchers.filter((launcher) => isLive(world, launcher));
    for (const launcher of living) {
      const task = world.database.tasks.get(launcher.taskId)?.task;
      if (task === undefined || (task.deadline === null && task.maxRuntimeMs === null)) continue;
      if (meets(world, (fault) => !HARMLESS.test(fault))) return null;
      const patience = 3 * world.plan.settings.tickMs + world.plan.settings.graceMs + PASS_MS;
      const now = world.servers.at(-1)?.deps.clock.now() ?? 0;
      if (task.deadline !== null && now > task.deadline + patience)
        return `${launcher.submissionId} lives ${now - task.deadline} ms after its deadline`;
      const ran = world.timeline.now() - (launcher.claimedAt ?? 0);
      if (task.maxRuntimeMs !== null && ran > task.maxRuntimeMs + patience)
        return `${launcher.submissionId} has run ${ran} ms of ${task.maxRuntimeMs}`;
    }
    return null;
  },
};

function meets(world: World, which: (fault: FaultKind) => boolean): boolean {
  return world.plan.items.some((item) => item.kind === "fault" && which(item.fault));
}
