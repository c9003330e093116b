/** Progress of a running attempt from verl's own file logger, read incrementally. The console goes silent when a head is lost; this file does not. */
import { parseMetricLine, pickMetric } from "../../domain/insight/training-log.ts";
import type { Attempt, Progress, Task } from "../../domain/types.ts";
import { linesOf } from "../file-lines.ts";
import type { SchedulerDeps, SchedulerMemory } from "./context.ts";

/** A step with the place in the file after its line. */
export type StepLine = { readonly step: number; readonly end: number };

export type NewSteps = {
  /** The newest step; null = nothing new was written. */
  readonly progress: Progress | null;
  readonly lines: readonly StepLine[];
  /** The file could not be read. */
  readonly isBlind: boolean;
};

/** What was written since the last call, at most `reads` parts of 1 MiB. Never throws for a file that can't be read: it is for people, never evidence. */
export async function readProgress(
  deps: SchedulerDeps,
  memory: SchedulerMemory,
  task: Task,
  attempt: Attempt,
  reads = 1,
): Promise<NewSteps> {
  let newest = null as Progress | null;
  const lines: StepLine[] = [];
  try {
    for (let i = 0; i < reads; i += 1) {
      const offset = memory.metricOffsets.get(attempt.submissionId) ?? 0;
      const range = await deps.files.readMetrics(task.userId, attempt.submissionId, offset);
      memory.metricOffsets.set(attempt.submissionId, range.end);
      if (range.end === offset) break;
      for (const { text, end } of linesOf(range.bytes, range.start)) {
        const point = parseMetricLine(text);
        if (point === null) continue;
        lines.push({ step: point.step, end });
        newest = {
          step: point.step,
          totalSteps: task.spec.totalTrainingSteps,
          metric: pickMetric(task.workload, point) ?? newest?.metric ?? task.progress?.metric ?? null,
          updatedAt: deps.clock.now(),
        };
      }
    }
  } catch (error) {
    deps.log.debug({ submission_id: attempt.submissionId, error: String(error) }, "metrics can't be read now");
    return { progress: newest, lines, isBlind: true };
  }
  return { progress: newest, lines, isBlind: false };
}
