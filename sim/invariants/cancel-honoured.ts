import { parseSubmissionId } from "../../src/domain/ids.ts";
import { isLive, isOver } from "../world/model.ts";
import type { Invariant } from "./invariant.ts";

export const cancelHonoured: Invariant = {
  id: "I5",
  text: "a cancel is durable before the first stop; after it no attempt is made; once CANCELED, nothing of the task lives or starts",
  onStop: (world, submissionId, why) => {
    const task = world.database.tasks.get(parseSubmissionId(submissionId)?.taskId ?? "")?.task;
    if (why !== "cancel") return null;
    return task?.cancelRequestedAt === null ? `${submissionId} is told to stop for a cancel that nobody asked for` : null;
  },
  onWrite: (world) => {
    for (const taskId of world.promises.canceled) {
      const task = world.database.tasks.get(taskId)?.task;
      if (task !== undefined && task.cancelRequestedAt === null && !isOver(task))
        return `the cancel of ${taskId} was answered and is not written`;
    }
    return null;
  },
  onTask: (_world, { before, after }) => {
    if (before === null) return null;
    const { task } = after;
    if (before.task.cancelRequestedAt !== null && after.attempts.length > before.attempts.length)
      return `${task.taskId} gets an attempt after its cancel`;
    if (before.task.cancelRequestedAt !== null && task.cancelRequestedAt === null) return `the cancel of ${task.taskId} is forgotten`;
    if (task.state === "CANCELED" && task.cancelRequestedAt === null) return `${task.taskId} is CANCELED and nobody asked for it`;
    return null;
  },
  onStep: (world) => {
    for (const launcher of world.launchers) {
      if (!isLive(world, launcher)) continue;
      if (world.database.tasks.get(launcher.taskId)?.task.state === "CANCELED")
        return `${launcher.submissionId} lives, and its task is CANCELED`;
    }
    return null;
  },
};
