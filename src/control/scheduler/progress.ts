/** Progress of a running attempt from verl's own file logger, read incrementally. The console goes silent when a head is lost; this file does not. */
import { parseMetricLine, pickMetric } from "../../domain/insight/training-log.ts";
import type { Attempt, Progress, Task } from "../../domain/types.ts";
import type { SchedulerDeps, SchedulerMemory } from "./context.ts";

/** The newest step, or null when nothing new was written or the file can't be read now (a cache for people, never evidence). */
export async function readProgress(deps: SchedulerDeps, memory: SchedulerMemory, task: Task, attempt: Attempt): Promise<Progress | null> {
  const offset = memory.metricOffsets.get(attempt.submissionId) ?? 0;
  let newest = null as Progress | null;
  try {
    const range = await deps.files.readMetrics(task.userId, attempt.submissionId, offset);
    memory.metricOffsets.set(attempt.submissionId, range.end);
    for (const line of new TextDecoder().decode(range.bytes).split("\n")) {
      const point = parseMetricLine(line);
      if (point === null) continue;
      newest = {
        step: point.step,
        totalSteps: task.spec.totalTrainingSteps,
        metric: pickMetric(task.workload, point) ?? newest?.metric ?? task.progress?.metric ?? null,
        updatedAt: deps.clock.now(),
      };
    }
  } catch (error) {
    deps.log.debug({ submission_id: attempt.submissionId, error: String(error) }, "metrics can't be read now");
  }
  return newest;
}
