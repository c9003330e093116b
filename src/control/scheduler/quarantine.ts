/** A launcher that gives no sign of life (docs/protocol.md rule 6c): what people are told of the wait, and when it is over. */
import type { Attempt, NewTaskEvent, Task } from "../../domain/types.ts";
import { type SchedulerDeps, type SchedulerMemory, write } from "./context.ts";

const SYSTEM = { actor: "system", data: {} } as const;
const UNTIL_MAY_DIFFER_MS = 15_000;

export async function quarantine(
  deps: SchedulerDeps,
  epoch: number,
  task: Task,
  attempt: Attempt,
  remainingMs: number | null,
  nodesText: string,
): Promise<void> {
  const until = remainingMs === null ? null : deps.clock.now() + remainingMs;
  if (attempt.quarantined && task.waiting?.code === "quarantine" && isNear(task.waiting.until, until)) return;
  const text =
    remainingMs === null
      ? "its launcher is silent and its processes are not contained: only the node's word or an operator can end it"
      : "its launcher is silent; after this wait the attempt counts as lost. A result file, or its lease moving again, ends the wait sooner";
  const event: NewTaskEvent = { ...SYSTEM, attempt: attempt.attempt, type: "quarantine_started", reason: { code: "quarantine", text } };
  await write(deps, epoch, task, {
    patch: { waiting: { code: "quarantine", text, details: { attempt: attempt.attempt, nodes: nodesText }, until } },
    events: attempt.quarantined ? [] : [event],
    attempt: { attempt: attempt.attempt, patch: { quarantined: true } },
  });
}

/** A restart and a storage that is away make the wait longer; a pass more or less is nothing to write. */
function isNear(shown: number | null, until: number | null): boolean {
  return shown === until || (shown !== null && until !== null && Math.abs(shown - until) < UNTIL_MAY_DIFFER_MS);
}

/** Only a lease that was seen to move: after a restart it counts as still from the first look on, and that it may move yet is no sign of life. */
export async function endQuarantine(
  deps: SchedulerDeps,
  memory: SchedulerMemory,
  epoch: number,
  task: Task,
  attempt: Attempt,
): Promise<void> {
  if (!memory.still.moved(attempt.submissionId)) return;
  const event: NewTaskEvent = {
    ...SYSTEM,
    attempt: attempt.attempt,
    type: "quarantine_ended",
    reason: { code: "lease_moved", text: "its launcher gives signs of life again" },
  };
  await write(deps, epoch, task, {
    patch: { waiting: null },
    events: [event],
    attempt: { attempt: attempt.attempt, patch: { quarantined: false } },
  });
}
