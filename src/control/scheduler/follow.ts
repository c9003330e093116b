/** A live attempt about which nothing is to be decided: what people are told of it meanwhile. */
import type { Observation } from "../../domain/reconciliation.ts";
import type { Attempt, HeadView, Task, Waiting } from "../../domain/types.ts";
import { type SchedulerDeps, type SchedulerMemory, write } from "./context.ts";
import { type NewSteps, readProgress } from "./progress.ts";
import { endQuarantine } from "./quarantine.ts";
import { followSteps } from "./stalls.ts";

const SYSTEM = { actor: "system", data: {} } as const;
const NO_NEWS: NewSteps = { progress: null, lines: [], isBlind: false };

/** A running attempt: progress, and Ray's contradiction noted once. Quarantine ends when the lease is seen to move again. */
export async function follow(
  deps: SchedulerDeps,
  memory: SchedulerMemory,
  epoch: number,
  task: Task,
  attempt: Attempt,
  seen: Observation,
  head: HeadView,
): Promise<void> {
  if (attempt.state !== "RUNNING") {
    if (head.kind === "down")
      await showWaiting(deps, epoch, task, {
        code: "head_lost",
        text: "Ray's head does not answer; the attempt is followed through its files",
        details: {},
        until: null,
      });
    else if (task.waiting !== null) await write(deps, epoch, task, { patch: { waiting: null } });
    return;
  }
  if (attempt.quarantined) return endQuarantine(deps, memory, epoch, task, attempt);
  const rayEnded = seen.ray.kind === "found" && seen.ray.status !== "PENDING" && seen.ray.status !== "RUNNING";
  if (rayEnded && seen.ray.kind === "found" && !memory.disagreed.has(attempt.submissionId)) {
    memory.disagreed.add(attempt.submissionId);
    const reason = {
      code: "ray_disagrees",
      text: `Ray says ${seen.ray.status}, but no result is written; waiting for the launcher's word`,
    };
    await write(deps, epoch, task, {
      events: [{ ...SYSTEM, attempt: attempt.attempt, type: "ray_disagrees", reason, data: { message: seen.ray.message.slice(0, 500) } }],
    });
    return;
  }
  // An export makes no steps.
  const news = task.exportOf === null ? await readProgress(deps, memory, task, attempt) : NO_NEWS;
  const { progress } = news;
  let current = task;
  if (progress !== null || task.waiting !== null) {
    const outcome = await write(deps, epoch, task, { patch: { waiting: null, ...(progress === null ? {} : { progress }) } });
    if (outcome.kind === "stale") return;
    current = outcome.task;
  }
  if (task.exportOf === null) await followSteps(deps, memory, epoch, current, attempt, news);
}

export async function showWaiting(deps: SchedulerDeps, epoch: number, task: Task, waiting: Waiting): Promise<void> {
  if (task.waiting?.code === waiting.code) return;
  await write(deps, epoch, task, { patch: { waiting } });
}
