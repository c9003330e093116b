/** Short words for a task's row in a list. */
import type { TaskSummaryWire } from "../../contract/resources.ts";
import { relativeTime } from "../output.ts";

function numberText(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}

/** `12/100 critic/rewards/mean=0.31` */
export function progressText(task: TaskSummaryWire): string {
  const { progress } = task;
  if (progress === null) return "";
  const steps = progress.total_steps === null ? `step ${progress.step}` : `step ${progress.step}/${progress.total_steps}`;
  return progress.metric === null ? steps : `${steps} ${progress.metric.key}=${numberText(progress.metric.value)}`;
}

/** The one thing worth knowing of a task in its state: why it waits, how far it is, why it failed. */
export function noteText(task: TaskSummaryWire): string {
  if (task.failure !== null) return `${task.failure.label}: ${task.failure.text}`;
  if (task.cancel_requested && task.ended_at === null) return "cancel requested";
  if (task.held && task.ended_at === null) return "held";
  if (task.waiting !== null) return task.waiting.text;
  return progressText(task);
}

/** `in 5m to in 20m`, or nothing. */
export function startEstimate(task: TaskSummaryWire, now: number): string {
  const low = task.estimate?.start_at_low ?? null;
  const high = task.estimate?.start_at_high ?? null;
  if (low === null && high === null) return "";
  if (low === null || high === null || low === high) return relativeTime(low ?? high, now);
  return `${relativeTime(low, now)} to ${relativeTime(high, now)}`;
}
