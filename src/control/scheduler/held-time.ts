/** Writes down what the GPU time of an attempt goes into, as its steps come (docs/usage.md). */
import { withStep } from "../../domain/held-time.ts";
import type { FileTime } from "../../domain/insight/pace.ts";
import type { Attempt, UseMarks } from "../../domain/types.ts";
import type { SchedulerDeps } from "./context.ts";
import type { NewSteps, StepLine } from "./progress.ts";

type Deps = Pick<SchedulerDeps, "logs" | "clock" | "log">;

/**
 * The same object where the steps tell nothing new, which is true of all but two of an attempt. When a step came says the launcher's own record of how the file
 * grew: this server may have been away meanwhile.
 */
export async function markSteps(deps: Deps, attempt: Attempt, marks: UseMarks, lines: readonly StepLine[]): Promise<UseMarks> {
  let marked = marks;
  let times: readonly FileTime[] | null = null;
  for (const { step, end } of lines) {
    if (withStep(marked, step, 0) === marked) continue;
    times ??= await timesOf(deps, attempt);
    const now = deps.clock.now();
    marked = withStep(marked, step, Math.min(now, times.find(({ metricsBytes }) => metricsBytes >= end)?.at ?? now));
  }
  return marked;
}

/** At the end: an attempt that did its work without a step that could be seen is not one that never came to its first. */
export async function markEnd(deps: Deps, attempt: Attempt, news: NewSteps, succeeded: boolean): Promise<UseMarks | null> {
  if (attempt.useMarks === null) return null;
  const marked = await markSteps(deps, attempt, attempt.useMarks, news.lines);
  return { ...marked, isBlind: marked.firstStepAt === null && (succeeded || news.isBlind) };
}

async function timesOf({ logs, log }: Deps, { userId, submissionId }: Attempt): Promise<readonly FileTime[]> {
  try {
    return await logs.times(userId, submissionId);
  } catch (error) {
    log.debug({ submission_id: submissionId, error: String(error) }, "logs/times can't be read now; a step counts from when it is seen");
    return [];
  }
}
