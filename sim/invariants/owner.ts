import type { Page, TaskFilter } from "../../src/control/ports.ts";
import type { Task } from "../../src/domain/types.ts";
import type { Invariant } from "./invariant.ts";

export const owner: Invariant = {
  id: "I10",
  text: "whatever a user is shown is his own",
  onRead: (_world, _server, method, args, value) => {
    if (method !== "tasks.list") return null;
    const { userId } = args[0] as TaskFilter;
    const foreign = (value as Page<Task>).rows.find((task) => userId !== null && task.userId !== userId);
    return foreign === undefined ? null : `${userId} is shown ${foreign.taskId} of ${foreign.userId}`;
  },
  onTask: (_world, { after }) => {
    const foreign = after.attempts.find((attempt) => attempt.userId !== after.task.userId);
    return foreign === undefined ? null : `${foreign.submissionId} belongs to ${foreign.userId}, its task to ${after.task.userId}`;
  },
};
