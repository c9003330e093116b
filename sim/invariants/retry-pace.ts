import type { Attempt } from "../../src/domain/types.ts";
import type { FaultKind } from "../faults.ts";
import type { TaskSnapshot } from "../world/database.ts";
import type { World } from "../world/model.ts";
import type { Invariant } from "./invariant.ts";

const SLACK_MS = 200;
const UNCLEAR: ReadonlySet<string> = new Set<FaultKind>(["server.clock", "server.paused", "database.slow", "storage.slow", "storage.hang"]);

export const retryPace: Invariant = {
  id: "I12",
  text: "after a loss the next attempt waits base · 2^k · 0.8 at least, and there are no more losses than the budget; a shortage waits its fixed interval and costs none",
  onTask: (world, { before, after }) => {
    const { maxLosses } = world.plan.settings;
    const losses = after.attempts.filter((attempt) => isLoss(attempt));
    if (losses.length > maxLosses + 1) return `${after.task.taskId} had ${losses.length} losses of ${maxLosses} allowed`;
    const isSpent =
      after.task.state === "FAILED" && before?.task.state !== "FAILED" && after.task.failure?.text.includes("the budget is") === true;
    if (isSpent && losses.length !== maxLosses + 1)
      return `${after.task.taskId} FAILED for a budget of ${maxLosses} after ${losses.length} losses`;
    if (before === null) return null;
    // Who asked for it waits for nothing.
    const asked = before.task.requeue !== null && after.task.requeue === null ? after.attempts.at(-1) : undefined;
    if (asked !== undefined) endedAt(world).set(asked.submissionId, Number.NEGATIVE_INFINITY);
    for (const attempt of after.attempts)
      if (!isOpen(attempt)) endedAt(world).set(attempt.submissionId, endedAt(world).get(attempt.submissionId) ?? world.timeline.now());
    if (after.attempts.length === before.attempts.length || isUnclear(world)) return null;
    return tooSoon(world, after);
  },
};

const ENDS = new WeakMap<World, Map<string, number>>();

function endedAt(world: World): Map<string, number> {
  const known = ENDS.get(world) ?? new Map<string, number>();
  ENDS.set(world, known);
  return known;
}

function tooSoon(world: World, after: TaskSnapshot): string | null {
  const earlier = after.attempts.slice(0, -1);
  const last = earlier.at(-1);
  if (last === undefined) return null;
  const waited = world.timeline.now() - (endedAt(world).get(last.submissionId) ?? 0);
  const { backoffMs, retryIntervalMs } = world.plan.settings;
  const base = 0.8 * backoffMs;
  const neverStarted =
    earlier.length - 1 - earlier.findLastIndex((attempt) => attempt.state !== "NEVER_STARTED" || attempt.failure !== null);
  const least =
    last.failure?.label === "gpu_shortage"
      ? retryIntervalMs
      : isLoss(last)
        ? base * 2 ** (earlier.filter((attempt) => isLoss(attempt)).length - 1)
        : neverStarted >= 2
          ? base * 2 ** (neverStarted - 2)
          : 0;
  return waited + SLACK_MS < Math.min(least, 24 * 60_000)
    ? `${after.task.taskId} waited ${waited} ms after ${last.submissionId}, not ${least}`
    : null;
}

function isLoss(attempt: Attempt): boolean {
  return (
    attempt.failure !== null && attempt.failure.blame === "infra" && attempt.failure.retryable && attempt.failure.label !== "gpu_shortage"
  );
}

function isOpen(attempt: Attempt): boolean {
  return attempt.state === "SUBMITTING" || attempt.state === "SUBMITTED" || attempt.state === "RUNNING";
}

/** Where clocks jump, or a decision may take long to be written, the wait can't be told from outside. */
function isUnclear(world: World): boolean {
  return world.plan.items.some((item) => item.kind === "fault" && UNCLEAR.has(item.fault));
}
