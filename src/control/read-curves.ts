/** Training metrics of a task a step, from verl's own file logger in each attempt's directory. */
import { type MetricPoint, parseMetricLine } from "../domain/insight/training-log.ts";
import type { Task } from "../domain/types.ts";
import type { JobFiles, Store } from "./ports.ts";

/** Points a file may hold before reading stops: 1 MiB reads, 256 MiB at most. */
const MAX_READS = 256;

export type AttemptCurves = { readonly attempt: number; readonly points: readonly MetricPoint[] };

export async function readCurves(store: Store, files: JobFiles, task: Task, afterStep: number): Promise<readonly AttemptCurves[]> {
  const curves: AttemptCurves[] = [];
  for (const attempt of await store.tasks.attempts(task.taskId)) {
    const points = await readPoints(files, task.userId, attempt.submissionId);
    curves.push({ attempt: attempt.attempt, points: points.filter((point) => point.step > afterStep) });
  }
  return curves;
}

/** A logger writes a step more than once (validation apart from training): the lines of one step are one point. */
async function readPoints(files: JobFiles, userId: string, submissionId: string): Promise<readonly MetricPoint[]> {
  const byStep = new Map<number, MetricPoint>();
  let offset = 0;
  for (let i = 0; i < MAX_READS; i += 1) {
    const range = await files.readMetrics(userId, submissionId, offset);
    if (range.end === offset) break;
    offset = range.end;
    for (const line of new TextDecoder().decode(range.bytes).split("\n")) {
      const point = parseMetricLine(line);
      if (point !== null) byStep.set(point.step, { step: point.step, data: { ...byStep.get(point.step)?.data, ...point.data } });
    }
  }
  return [...byStep.values()].toSorted((a, b) => a.step - b.step);
}
