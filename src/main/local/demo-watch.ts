/** Follows the demo's tasks over the API until all have ended, and tells what changes. */
import type { Api } from "../../cli/client.ts";
import { durationText, painter, table } from "../../cli/output.ts";
import type { CliWorld, OutputStream } from "../../cli/world.ts";
import type { TaskSummaryWire } from "../../contract/resources.ts";
import { isTerminal } from "../../domain/task-state.ts";
import { clock } from "../clock.ts";
import type { DemoTask } from "./demo-tasks.ts";

const LOOK_EVERY_MS = 1_000;
const TROUBLE_AFTER = 30;

export type Submitted = { readonly taskId: string; readonly demo: DemoTask };
type Say = (text: string) => Promise<void>;

function lineOf(task: TaskSummaryWire, start: number): string {
  const elapsed = durationText(clock.monotonicMs() - start).padStart(6);
  const what = `${elapsed}  ${task.workload.padEnd(4)}  ${task.state}`;
  if (task.state === "RUNNING" && task.progress !== null) {
    const { step, total_steps: total, metric } = task.progress;
    const number = metric === null ? "" : `  ${metric.key} ${metric.value.toFixed(3)}`;
    return `${what}  step ${step}${total === null ? "" : `/${total}`}${number}`;
  }
  if (task.waiting !== null) return `${what}  ${task.waiting.text}`;
  return task.failure === null ? what : `${what}  ${task.failure.label}: ${task.failure.text}`;
}

/** The last state of each task. Throws when the API stays silent. */
export async function watch(api: Api, tasks: readonly Submitted[], say: Say, signal: AbortSignal): Promise<readonly TaskSummaryWire[]> {
  const start = clock.monotonicMs();
  const told = new Map<string, string>();
  let silent = 0;
  for (;;) {
    try {
      const now = await Promise.all(
        tasks.map(async ({ taskId }) => (await api.call("getTask", { path: { task_id: taskId }, signal })).value),
      );
      silent = 0;
      for (const task of now) {
        const line = lineOf(task, start);
        const news = line.slice(line.indexOf(task.workload));
        if (told.get(task.task_id) !== news) await say(line);
        told.set(task.task_id, news);
      }
      if (now.every((task) => isTerminal(task.state))) return now;
    } catch (error) {
      signal.throwIfAborted();
      silent += 1;
      if (silent >= TROUBLE_AFTER) throw error;
    }
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
}

/** First and last value of the demo's metric, and how many steps were written, over all attempts. */
async function curveOf(
  api: Api,
  { taskId, demo }: Submitted,
): Promise<{ readonly steps: number; readonly first: string; readonly last: string }> {
  const { value } = await api.call("readCurves", { path: { task_id: taskId }, query: { key: demo.metric } });
  const values = value.attempts.flatMap((attempt) => attempt.series[demo.metric] ?? []).filter((one) => one !== null);
  const steps = Math.max(0, ...value.attempts.flatMap((attempt) => attempt.steps));
  return { steps, first: values.at(0)?.toFixed(3) ?? "-", last: values.at(-1)?.toFixed(3) ?? "-" };
}

function secondsOf(task: TaskSummaryWire): string {
  if (task.started_at === null || task.ended_at === null) return "-";
  return ((Date.parse(task.ended_at) - Date.parse(task.started_at)) / 1000).toFixed(1);
}

export async function resultTable(
  api: Api,
  tasks: readonly Submitted[],
  ended: readonly TaskSummaryWire[],
  root: string,
  env: CliWorld["env"],
  stdout: OutputStream,
): Promise<void> {
  const rows: string[][] = [];
  for (const submitted of tasks) {
    const task = ended.find((one) => one.task_id === submitted.taskId);
    if (task === undefined) continue;
    const curve = await curveOf(api, submitted);
    const directory = task.attempt === null ? "-" : task.attempt.job_dir.replace("/private", root);
    rows.push([
      task.workload,
      task.state,
      String(task.attempts),
      String(curve.steps),
      `${submitted.demo.metric} ${curve.first} → ${curve.last}`,
      secondsOf(task),
      directory,
    ]);
  }
  const columns = [
    { title: "TASK" },
    { title: "STATE" },
    { title: "ATTEMPTS", align: "right" as const },
    { title: "STEPS", align: "right" as const },
    { title: "METRIC" },
    { title: "SECONDS", align: "right" as const },
    { title: "JOB DIRECTORY" },
  ];
  await stdout.write(`${table(columns, rows, painter(env, stdout), null)}\n`);
}
