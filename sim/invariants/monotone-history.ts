import type { Task } from "../../src/domain/types.ts";
import type { Invariant } from "./invariant.ts";

export const monotoneHistory: Invariant = {
  id: "I11",
  text: "events are numbered without gap, their times never go back and they tell each move; nobody reads less than he was told before",
  onTask: (_world, { before, after, newEvents }) => {
    let seq = before?.events ?? 0;
    let at = before?.lastEventAt ?? Number.NEGATIVE_INFINITY;
    for (const event of newEvents) {
      if (event.seq !== seq + 1) return `event ${event.seq} of ${event.taskId} follows ${seq}`;
      if (event.at < at) return `event ${event.seq} of ${event.taskId} is older than the one before`;
      seq = event.seq;
      at = event.at;
    }
    if (before !== null && after.task.version <= before.task.version)
      return `${after.task.taskId} went from version ${before.task.version} to ${after.task.version}`;
    if (before?.task.state === after.task.state) return null;
    const told = newEvents.filter((event) => event.to !== null);
    if (told.length === 0) return `${after.task.taskId} moved to ${after.task.state} and no event says so`;
    const last = told.at(-1);
    return last?.to === after.task.state ? null : `the events of ${after.task.taskId} end in ${last?.to}, the task in ${after.task.state}`;
  },
  onRead: (world, _server, method, _args, value) => {
    const seen: readonly (Task | null)[] =
      method === "tasks.get" ? [value as Task | null] : method === "tasks.listOpen" ? (value as readonly Task[]) : [];
    for (const task of seen) {
      const told = task === null ? 0 : (world.promises.versions.get(task.taskId) ?? 0);
      if (task !== null && task.version < told) return `${task.taskId} is read at version ${task.version}; ${told} was told before`;
    }
    return null;
  },
};
