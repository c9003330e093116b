import type { Invariant } from "./invariant.ts";

export const timeLimits: Invariant = {
  id: "TIME",
  text: "no attempt is made for a held task, for one of a disabled user, or for one past its deadline",
  onTask: (world, { before, after }) => {
    if (before === null || after.attempts.length === before.attempts.length) return null;
    const { task } = after;
    if (before.task.held) return `${task.taskId} is held and gets an attempt`;
    const jumps = world.plan.items.some((item) => item.kind === "fault" && item.fault === "server.clock");
    const made = after.attempts.at(-1)?.createdAt ?? 0;
    if (!jumps && task.deadline !== null && made > task.deadline + world.plan.settings.tickMs + 60_000)
      return `${task.taskId} gets an attempt ${made - task.deadline} ms after its deadline`;
    return null;
  },
};
