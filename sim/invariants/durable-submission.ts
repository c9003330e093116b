import type { Invariant } from "./invariant.ts";

export const durableSubmission: Invariant = {
  id: "I2",
  text: "a submission that was acknowledged is never lost, and the same key always gives the same task",
  onWrite: (world, gone) => {
    if (gone.length > 0) return `rows are gone: ${gone.join(", ")}`;
    // A wall clock that jumps by years outlives the 7 days for which a key is remembered.
    if (world.plan.items.some((item) => item.kind === "fault" && item.fault === "server.clock")) return null;
    const names = new Set<string>();
    for (const { task } of world.database.tasks.values()) {
      if (names.has(task.name ?? "")) return `submission ${task.name} made two tasks`;
      names.add(task.name ?? "");
    }
    for (const [name, taskId] of world.promises.acknowledged)
      if (!world.database.tasks.has(taskId)) return `${name} was acknowledged as ${taskId}, which does not exist`;
    return null;
  },
};
