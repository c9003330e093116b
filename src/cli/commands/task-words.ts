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
export function noteText(task: TaskSummaryWire, now: number): string {
  if (task.failure !== null) return `${task.failure.label}: ${task.failure.text}`;
  if (task.cancel_requested && task.ended_at === null) return "cancel requested";
  if (task.held && task.ended_at === null) return "held";
  if (task.waiting !== null) return task.waiting.text;
  const [progress, end] = [progressText(task), task.ended_at === null ? endEstimate(task, now) : ""];
  return progress === "" || end === "" ? progress : `${progress}, ends ${end}`;
}

/** An instant less than this ahead is now. */
const NOW_MS = 30_000;

/** `in 5m to in 20m`, `in 5m or later`, or nothing: that something happens now or later says nothing. */
function rangeText(low: string | null, high: string | null, now: number): string {
  if (low === null) return "";
  const isNow = (at: string): boolean => Date.parse(at) - now < NOW_MS;
  if (high === null) return isNow(low) ? "" : `${relativeTime(low, now)} or later`;
  const [from, to] = [low, high].map((at) => (isNow(at) ? "now" : relativeTime(at, now)));
  return from === to ? `${to}` : `${from} to ${to}`;
}

type Estimated = Pick<TaskSummaryWire, "estimate">;

export function startEstimate({ estimate }: Estimated, now: number): string {
  return estimate === null ? "" : rangeText(estimate.start_at_low, estimate.start_at_high, now);
}

export function endEstimate({ estimate }: Estimated, now: number): string {
  return estimate === null ? "" : rangeText(estimate.end_at_low, estimate.end_at_high, now);
}
