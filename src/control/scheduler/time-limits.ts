/** Time limits of a task: `deadline` is an instant, `max_runtime_s` sums RUNNING time over its attempts. */
import type { Attempt, Task } from "../../domain/types.ts";
import type { SchedulerDeps, SchedulerMemory } from "./context.ts";

type Memory = Pick<SchedulerMemory, "running">;

export async function isTimeUp(deps: Pick<SchedulerDeps, "store" | "clock">, memory: Memory, task: Task): Promise<boolean> {
  const now = deps.clock.now();
  if (task.deadline !== null && now >= task.deadline) return true;
  if (task.maxRuntimeMs === null) return false;
  const attempts = await deps.store.tasks.attempts(task.taskId);
  const ran = attempts.reduce((sum, attempt) => sum + ranMs(deps, memory, attempt), 0);
  return ran >= task.maxRuntimeMs;
}

/** When the time of an attempt that is made at `from` will be over, if it starts at once; null = it has no limit. */
export async function timeIsUpAt(deps: Pick<SchedulerDeps, "store">, task: Task, attempt: number, from: number): Promise<number | null> {
  if (task.maxRuntimeMs === null) return task.deadline;
  const before = (await deps.store.tasks.attempts(task.taskId)).filter((other) => other.attempt < attempt);
  const ran = before.reduce((sum, { startedAt, endedAt }) => sum + Math.max(0, (endedAt ?? from) - (startedAt ?? endedAt ?? from)), 0);
  return Math.min(task.deadline ?? Infinity, from + task.maxRuntimeMs - ran);
}

/** Of a running attempt, the wall clock says only how long it ran before this server first saw it: later jumps of that clock end no task. */
function ranMs({ clock }: Pick<SchedulerDeps, "clock">, memory: Memory, attempt: Attempt): number {
  if (attempt.startedAt === null) return 0;
  if (attempt.endedAt !== null) return Math.max(0, attempt.endedAt - attempt.startedAt);
  const at = clock.monotonicMs();
  const first = memory.running.get(attempt.submissionId) ?? { ranMs: Math.max(0, clock.now() - attempt.startedAt), at };
  memory.running.set(attempt.submissionId, first);
  return first.ranMs + at - first.at;
}
