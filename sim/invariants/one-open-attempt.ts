import type { Invariant } from "./invariant.ts";

export const oneOpenAttempt: Invariant = {
  id: "I14",
  text: "a live task has exactly one open attempt, of its own state; PENDING_RESOURCES has next_run_at; an ended or waiting task has no open attempt, an ended one no wait",
  onTask: (_world, { after: { task, attempts } }) => {
    const open = attempts.filter(
      (attempt) => attempt.state === "SUBMITTING" || attempt.state === "SUBMITTED" || attempt.state === "RUNNING",
    );
    const isLive = task.state === "SUBMITTING" || task.state === "SUBMITTED" || task.state === "RUNNING";
    if (open.length !== (isLive ? 1 : 0)) return `${task.taskId} is ${task.state} with ${open.length} open attempts`;
    const [only] = open;
    if (only !== undefined && only.state !== task.state) return `${task.taskId} is ${task.state}, its attempt ${only.state}`;
    if (only !== undefined && only.attempt !== attempts.length) return `an older attempt of ${task.taskId} is open`;
    if (task.state === "PENDING_RESOURCES" && task.nextRunAt === null) return `${task.taskId} waits for resources and has no next_run_at`;
    const isEnded = task.state === "SUCCEEDED" || task.state === "FAILED" || task.state === "CANCELED";
    if (isEnded && (task.waiting !== null || task.nextRunAt !== null)) return `${task.taskId} has ended and waits`;
    return isEnded && task.endedAt === null ? `${task.taskId} has ended and does not say when` : null;
  },
};
