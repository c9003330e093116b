/** The life of a task as data. `store.transition()` is the only writer of `state` and refuses every edge that is not here. */
import type { AttemptState, Task, TaskState } from "./types.ts";

export const TASK_STATES = [
  "QUEUED",
  "PENDING_RESOURCES",
  "SUBMITTING",
  "SUBMITTED",
  "RUNNING",
  "SUCCEEDED",
  "FAILED",
  "CANCELED",
] as const satisfies readonly TaskState[];

export const TRANSITIONS: { readonly [from in TaskState]: readonly TaskState[] } = {
  QUEUED: ["SUBMITTING", "PENDING_RESOURCES", "SUCCEEDED", "FAILED", "CANCELED"],
  PENDING_RESOURCES: ["SUBMITTING", "QUEUED", "SUCCEEDED", "FAILED", "CANCELED"],
  SUBMITTING: ["SUBMITTED", "RUNNING", "PENDING_RESOURCES", "QUEUED", "SUCCEEDED", "FAILED", "CANCELED"],
  SUBMITTED: ["RUNNING", "PENDING_RESOURCES", "QUEUED", "SUCCEEDED", "FAILED", "CANCELED"],
  RUNNING: ["SUCCEEDED", "FAILED", "CANCELED", "PENDING_RESOURCES", "QUEUED"],
  SUCCEEDED: [],
  FAILED: [],
  CANCELED: [],
};

export function isTerminal(state: TaskState): boolean {
  return TRANSITIONS[state].length === 0;
}

export function canMove(from: TaskState, to: TaskState): boolean {
  return TRANSITIONS[from].includes(to);
}

/** States in which a task waits in the queue and holds no attempt that is open. */
export function isWaiting(state: TaskState): boolean {
  return state === "QUEUED" || state === "PENDING_RESOURCES";
}

/** States in which a task holds one open attempt, hence a running slot. */
export function isLive(state: TaskState): boolean {
  return state === "SUBMITTING" || state === "SUBMITTED" || state === "RUNNING";
}

export function isAttemptOpen(state: AttemptState): boolean {
  return state === "SUBMITTING" || state === "SUBMITTED" || state === "RUNNING";
}

export type TaskAction = "cancel" | "hold" | "release" | "prioritize" | "requeue" | "retry";

/** Whether an action makes sense for a task as it stands; null = yes, else the reason, for people. */
export function whyNot(action: TaskAction, task: Pick<Task, "state" | "held" | "cancelRequestedAt">): string | null {
  switch (action) {
    case "cancel":
      return isTerminal(task.state) ? `the task has ended (${task.state})` : null;
    case "retry":
      return isTerminal(task.state) ? null : `only an ended task can be retried; this one is ${task.state}`;
    case "requeue":
      if (isTerminal(task.state))
        return `the task has ended (${task.state}); \`verlpool retry\` makes a new one that goes on from its last checkpoint`;
      return task.cancelRequestedAt === null ? null : "its cancel was requested";
    case "hold":
    case "release":
    case "prioritize":
      if (isTerminal(task.state)) return `the task has ended (${task.state})`;
      if (task.cancelRequestedAt !== null) return "its cancel was requested";
      return isWaiting(task.state) ? null : `only a waiting task can be changed; this one is ${task.state}`;
  }
}
