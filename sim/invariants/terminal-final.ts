import type { AttemptState, TaskState } from "../../src/domain/types.ts";
import type { Invariant } from "./invariant.ts";

/** Written out here once more: a change of the domain's table must be meant twice. */
const EDGES: { readonly [from in TaskState]: readonly TaskState[] } = {
  QUEUED: ["SUBMITTING", "PENDING_RESOURCES", "SUCCEEDED", "FAILED", "CANCELED"],
  PENDING_RESOURCES: ["SUBMITTING", "QUEUED", "SUCCEEDED", "FAILED", "CANCELED"],
  SUBMITTING: ["SUBMITTED", "RUNNING", "PENDING_RESOURCES", "QUEUED", "SUCCEEDED", "FAILED", "CANCELED"],
  SUBMITTED: ["RUNNING", "PENDING_RESOURCES", "QUEUED", "SUCCEEDED", "FAILED", "CANCELED"],
  RUNNING: ["SUCCEEDED", "FAILED", "CANCELED", "PENDING_RESOURCES", "QUEUED"],
  SUCCEEDED: [],
  FAILED: [],
  CANCELED: [],
};
const ENDED: ReadonlySet<AttemptState> = new Set(["SUCCEEDED", "FAILED", "CANCELED", "NEVER_STARTED", "LOST"]);

export const terminalFinal: Invariant = {
  id: "I4",
  text: "tasks move along legal edges; what is terminal never changes, but for a LOST attempt whose own result comes before the next attempt",
  onTask: (_world, { before, after }) => {
    if (before === null) return after.task.state === "QUEUED" ? null : `a task begins as ${after.task.state}`;
    const [from, to] = [before.task.state, after.task.state];
    if (from !== to && !EDGES[from].includes(to)) return `${from} > ${to}`;
    for (const [index, old] of before.attempts.entries()) {
      const now = after.attempts[index];
      if (now === undefined) return `${old.submissionId} is gone`;
      if (!ENDED.has(old.state) || old.state === now.state) continue;
      const ownResult = old.state === "LOST" && index === after.attempts.length - 1;
      if (!ownResult) return `${old.submissionId} moves from ${old.state} to ${now.state}`;
    }
    return null;
  },
};
