/** What this server has seen of each attempt from its start on: the ground on which the word of the nodes' agents stands (docs/protocol.md rule 6b). */
import { type AttemptWatch, type NodesWord, nodesWord } from "../../domain/node-evidence.ts";
import type { AttemptFiles } from "../../domain/types.ts";
import type { SchedulerDeps, SchedulerMemory } from "./context.ts";

const NOTHING: NodesWord = { kind: "nothing", text: "" };
/** A launcher that renewed its lease a moment ago lives: nobody needs to be asked. */
const ASKED_FROM_MS = 5_000;

type Memory = Pick<SchedulerMemory, "watches" | "pool">;

/** Before an attempt is made: every worker that can take it on is in sight from here on. */
export function watchFromStart(memory: Memory, submissionId: string, isComplete: boolean): void {
  const since = isComplete ? memory.pool.sight.completeAt : null;
  memory.watches.set(submissionId, { since, claimSeenAt: null });
}

/**
 * Takes in what was just read of an attempt's files and says what the nodes prove of it. An attempt that was started by another process counts
 * as seen from its start only if it was still unclaimed in a read that can't be stale.
 */
export function askNodes(
  deps: Pick<SchedulerDeps, "clock" | "settings">,
  memory: Memory,
  submissionId: string,
  files: AttemptFiles,
  isComplete: boolean,
  stillMs: number,
): NodesWord {
  const { staleMs } = deps.settings;
  const { claim } = files;
  if (claim === null) {
    if (!memory.watches.has(submissionId) && staleMs === 0 && isComplete) watchFromStart(memory, submissionId, isComplete);
    return NOTHING;
  }
  if (claim.by === "server") return NOTHING;
  const before: AttemptWatch = memory.watches.get(submissionId) ?? { since: null, claimSeenAt: null };
  const watch = { ...before, claimSeenAt: before.claimSeenAt ?? deps.clock.monotonicMs() };
  memory.watches.set(submissionId, watch);
  if (stillMs < ASKED_FROM_MS) return NOTHING;
  return nodesWord(memory.pool.sight, watch, { submissionId, incarnation: claim.agentIncarnation }, staleMs);
}
