/** Which checkpoints of an ended task are surplus. Pure. */
import type { SavedStepState } from "./checkpoint.ts";

export type AttemptSteps = { readonly steps: readonly SavedStepState[] };

/**
 * `attempts` newest first, and the steps of each, as a resume looks for them: the first `keep` complete ones stay, and all that stands before them,
 * which may only seem incomplete. What comes after is surplus. With fewer complete ones than `keep` nothing is.
 */
export function surplusSteps<A extends AttemptSteps>(
  attempts: readonly A[],
  keep: number,
): readonly (Omit<A, "steps"> & { readonly steps: readonly number[] })[] {
  let complete = 0;
  return attempts.flatMap(({ steps, ...attempt }) => {
    const surplus = steps.flatMap(({ step, isComplete }) => {
      if (complete >= keep) return [step];
      if (isComplete) complete += 1;
      return [];
    });
    return surplus.length === 0 ? [] : [{ ...attempt, steps: surplus }];
  });
}
