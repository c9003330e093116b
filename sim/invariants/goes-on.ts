import type { TaskSnapshot } from "../world/database.ts";
import { newestCheckpoint, type World } from "../world/model.ts";
import type { Invariant } from "./invariant.ts";

export const goesOn: Invariant = {
  id: "RESUME",
  text: "a new attempt goes on from the newest complete checkpoint of the attempts before it; an ended task is asked back into no queue",
  onTask: (world, { before, after }) => {
    const { task } = after;
    const isEnded = task.state === "SUCCEEDED" || task.state === "FAILED" || task.state === "CANCELED";
    if (isEnded && task.requeue !== null) return `${task.taskId} is ${task.state} and is to go back into the queue`;
    if (before === null || after.attempts.length === before.attempts.length) return null;
    const due = newestBefore(world, before);
    const from = after.attempts.at(-1)?.resumedFrom ?? null;
    const same = from?.submissionId === due?.submissionId && from?.step === due?.step;
    return same ? null : `${after.attempts.at(-1)?.submissionId} begins at ${JSON.stringify(from)}, not at ${JSON.stringify(due)}`;
  },
};

function newestBefore(world: World, { attempts }: TaskSnapshot): { readonly submissionId: string; readonly step: number } | null {
  for (const { submissionId } of attempts.toReversed()) {
    const step = newestCheckpoint(world, submissionId);
    if (step !== null) return { submissionId, step };
  }
  return null;
}
