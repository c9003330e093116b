/** Time limits of a task: `deadline` is an instant, `max_runtime_s` sums RUNNING time over its attempts. */
import type { Task } from "../../domain/types.ts";
import type { SchedulerDeps } from "./context.ts";

export async function isTimeUp(deps: Pick<SchedulerDeps, "store" | "clock">, task: Task): Promise<boolean> {
  const now = deps.clock.now();
  if (task.deadline !== null && now >= task.deadline) return true;
  if (task.maxRuntimeMs === null) return false;
  const attempts = await deps.store.tasks.attempts(task.taskId);
  const ran = attempts.reduce((sum, attempt) => sum + (attempt.startedAt === null ? 0 : (attempt.endedAt ?? now) - attempt.startedAt), 0);
  return ran >= task.maxRuntimeMs;
}
