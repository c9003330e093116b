/** The answer of `why` in words: one sentence, and what to type next. */
import { gang } from "../domain/insight/sooner.ts";
import { isTerminal } from "../domain/task-state.ts";
import type { Attempt } from "../domain/types.ts";
import type { Why, WhyRunning } from "./why.ts";

const LONGEST = 160;

export function headline(why: Why): string {
  const { task } = why;
  if (why.waiting !== null) return waitingHeadline(why);
  if (why.running !== null) return runningHeadline(why, why.running);
  const step = at(why.ended?.step ?? null);
  if (task.state === "FAILED")
    return task.failure === null
      ? "It failed; no reason was written down."
      : `It failed (${task.failure.label}): ${sentence(task.failure.text)}`;
  if (task.state === "CANCELED") return `It was canceled${task.cancelActor === null ? "" : ` by ${task.cancelActor}`}${step}.`;
  if (task.state === "SUCCEEDED") return `It succeeded${step}${metricText(why.ended?.metric ?? null)}.`;
  return `It is ${task.state}.`;
}

function waitingHeadline({ task, waiting }: Why): string {
  const place = waiting?.position === 1 ? "next in the queue" : `at place ${waiting?.position ?? "?"} of the queue`;
  const reason = task.waiting?.text ?? "the scheduler has not looked at it yet";
  return `It waits for ${gang(task.needs)}, ${place}: ${sentence(reason)}`;
}

function runningHeadline({ task }: Why, { attempt, pace, metric, stall }: WhyRunning): string {
  if (task.cancelRequestedAt !== null) return "It runs, and was asked to stop.";
  if (attempt.quarantined) return "Its launcher has fallen silent: it is not known to be dead, so nothing is started in its place yet.";
  if (task.state !== "RUNNING") return "It was given to Ray, and its launcher has not started on a worker yet.";
  if (stall !== null) return `It runs, but is stalled: ${sentence(stall)}`;
  if (pace.step === null) return "It runs and has not finished its first step yet: models are loaded and processes started.";
  const total = pace.totalSteps === null ? "" : ` of ${pace.totalSteps}`;
  return `It runs: step ${pace.step}${total}${metricText(metric)}.`;
}

function metricText(metric: WhyRunning["metric"]): string {
  return metric === null ? "" : `, ${metric.key} ${short(metric.first)} → ${short(metric.last)}`;
}

function at(step: number | null): string {
  return step === null ? "" : ` at step ${step}`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** The first line, and of a long one its beginning: the rest stands among the evidence. */
function sentence(text: string): string {
  const all = text.split(/\n|\\n/)[0]?.trimEnd() ?? "";
  const line = all.length > LONGEST ? `${all.slice(0, LONGEST - 1)}…` : all;
  return /[.!?…:]$/.test(line) ? line : `${line}.`;
}

/** What became of each attempt but the newest. */
export function attemptLines(attempts: readonly Attempt[]): readonly string[] {
  return attempts.slice(0, -1).map((attempt) => {
    const from = attempt.resumedFrom === null ? "" : `, from step ${attempt.resumedFrom.step}`;
    const why = attempt.failure === null ? "" : `: ${attempt.failure.label}, ${attempt.failure.text.split("\n")[0] ?? ""}`;
    return `attempt ${attempt.attempt} ${attempt.state}${from}${why}`.slice(0, 300);
  });
}

export function nextCommands({ task, waiting, running, again }: Why): readonly string[] {
  const id = task.taskId;
  if (waiting !== null) return ["verlpool queue", "verlpool nodes", `verlpool cancel ${id}`];
  if (isTerminal(task.state) && (task.exportOf !== null || task.filesGoneAt !== null)) return [`verlpool show ${id}`];
  if (task.state === "SUCCEEDED") return [`verlpool curves ${id}`, `verlpool logs ${id} --tail 100`];
  if (isTerminal(task.state))
    return [...(again === null ? [] : [`verlpool retry ${id}`]), `verlpool logs ${id} --tail 100`, `verlpool curves ${id}`];
  if (running?.stall != null) return [`verlpool artifacts ${id}`, `verlpool logs ${id} --tail 100`, `verlpool cancel ${id}`];
  return [`verlpool logs ${id} -f`, `verlpool curves ${id} -f`, `verlpool cancel ${id}`];
}
