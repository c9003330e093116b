import type { FaultKind } from "../faults.ts";
import type { TaskSnapshot } from "../world/database.ts";
import type { World } from "../world/model.ts";
import type { Invariant } from "./invariant.ts";

export const outcomeByResult: Invariant = {
  id: "I6",
  text: "SUCCEEDED if and only if the newest attempt's own result says exit 0; FAILED only with a budget spent or a reason that no retry mends",
  onTask: (world, { before, after }) => {
    const { task } = after;
    const added = before !== null && after.attempts.length > before.attempts.length;
    if (added) return madeTooSoon(world, before);
    if (before?.task.state === task.state) return null;
    if (task.state === "SUCCEEDED") return isSuccess(world, after) ? null : `${task.taskId} SUCCEEDED without a result that says so`;
    if (task.state === "FAILED") {
      if (task.failure === null) return `${task.taskId} FAILED without a reason`;
      if (task.failure.retryable) return `${task.taskId} FAILED for ${task.failure.label}, which is to be tried again`;
    }
    if (task.state === "FAILED" || task.state === "CANCELED") {
      const seen = isSuccess(world, after) && endedByResult(before, after);
      if (seen) return `${task.taskId} is ${task.state}, and its result says exit 0`;
    }
    return null;
  },
  onWrite: (world) => {
    const counted = world.database.countsByState();
    const real = new Map<string, number>();
    for (const { task } of world.database.tasks.values()) real.set(task.state, (real.get(task.state) ?? 0) + 1);
    for (const state of new Set([...counted.keys(), ...real.keys()]))
      if ((counted.get(state) ?? 0) !== (real.get(state) ?? 0))
        return `${counted.get(state) ?? 0} tasks are counted as ${state}, ${real.get(state) ?? 0} are`;
    return null;
  },
};

const SETTLED_MS = 90_000;
const HIDDEN: ReadonlySet<string> = new Set<FaultKind>([
  "storage.hang",
  "storage.error",
  "storage.slow",
  "storage.stale",
  "server.paused",
  "database.slow",
]);

/** A new attempt needs a reason: the last one ended by what a retry mends, was told to stop, and has no result that closes the task (rule 7). */
function madeTooSoon(world: World, before: TaskSnapshot): string | null {
  const last = before.attempts.at(-1);
  if (last === undefined) return null;
  if (last.failure !== null && !last.failure.retryable) return `${last.submissionId} ended by ${last.failure.label}, and is tried again`;
  if (last.state !== "LOST") return null;
  const directory = world.directories.get(last.submissionId);
  if (directory?.files.stop === null) return `${last.submissionId} is LOST and was not told to stop before the next attempt`;
  const hidden = world.plan.items.some((item) => item.kind === "fault" && HIDDEN.has(item.fault));
  const since = directory?.history.find((version) => version.files.result !== null)?.at ?? Number.POSITIVE_INFINITY;
  if (hidden || !isSuccess(world, before) || world.timeline.now() - since < SETTLED_MS) return null;
  return `${last.submissionId} has succeeded long ago, and another attempt is made`;
}

function isSuccess(world: World, { attempts }: TaskSnapshot): boolean {
  const newest = attempts.at(-1);
  const files = newest === undefined ? undefined : world.directories.get(newest.submissionId)?.files;
  if (files?.claim?.by !== "launcher" || files.result === null) return false;
  return files.result.nonce === files.claim.nonce && files.result.outcome === "exited" && files.result.exitCode === 0;
}

/** The attempt ended in this very change, by a result that the server had read. */
function endedByResult(before: TaskSnapshot | null, after: TaskSnapshot): boolean {
  const [old, now] = [before?.attempts.at(-1), after.attempts.at(-1)];
  return old !== undefined && now !== undefined && old.state === "RUNNING" && now.state !== "RUNNING" && now.exitCode === 0;
}
