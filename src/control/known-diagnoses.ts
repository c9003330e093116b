/** A diagnosis costs a read of megabytes; the log of an attempt that has ended does not change. */
import type { Diagnosis } from "../domain/diagnosis/diagnose.ts";
import type { Attempt } from "../domain/types.ts";
import type { LogFiles } from "./file-ports.ts";

export type DiagnosisOf = (attempt: Attempt) => Promise<Diagnosis>;

const MAX_KEPT = 500;

/** Those who ask at the same time share one look; a look that failed is not kept. */
export function knownDiagnoses(logs: Pick<LogFiles, "diagnose">): DiagnosisOf {
  const kept = new Map<string, Promise<Diagnosis>>();
  return async (attempt) => {
    const { userId, submissionId, endedAt } = attempt;
    const known = kept.get(submissionId);
    if (known !== undefined) return known;
    const found = logs.diagnose(userId, submissionId, "");
    if (endedAt === null) return found;
    for (const oldest of kept.keys()) {
      if (kept.size < MAX_KEPT) break;
      kept.delete(oldest);
    }
    kept.set(submissionId, found);
    found.catch(() => kept.delete(submissionId));
    return found;
  };
}
