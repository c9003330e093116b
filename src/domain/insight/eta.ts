/** When the last step is done: an 80 % range from the steps so far. Its calibration is measured (docs/measured.md, `bench/eta.ts`). */

import type { RunPace } from "./pace.ts";

/** From now on. */
export type EtaRange = { readonly lowMs: number; readonly highMs: number };

const WINDOW = 60;
/** How far the mean of the steps to come drifts from that of the last ones, as a share of it: runs grow longer answers, machines get busier. */
const DRIFT = 0.09;
/** What drifts does so over many steps: after so many to come it is all there. */
const DRIFT_STEPS = 20;
/** Two-sided 80 % of Student's t by degrees of freedom 1, 2, …; beyond the list the normal one. */
const T80 = [3.08, 1.89, 1.64, 1.53, 1.48, 1.44, 1.41, 1.4, 1.38, 1.37];
const Z80 = 1.2816;

/** What a task does after its last step: the checkpoint's last writes, the end of its processes. */
const TEARDOWN = { lowMs: 2_000, highMs: 30_000 };

/** Of the task, not of its last step alone. Null while nothing can be told. */
export function taskEnd(pace: RunPace, now: number): EtaRange | null {
  if (pace.step === null || pace.totalSteps === null) return null;
  const since = pace.lastStepAt === null ? 0 : Math.max(0, now - pace.lastStepAt);
  const left = stepsLeft(pace.stepSeconds, pace.totalSteps - pace.step, since);
  return left === null ? null : { lowMs: left.lowMs + TEARDOWN.lowMs, highMs: left.highMs + TEARDOWN.highMs };
}

/**
 * `stepSeconds`: the last steps, oldest first, without the first of the run. `sinceMs`: since the newest of them ended. Null while fewer than two
 * are known: one step has no spread.
 */
export function stepsLeft(stepSeconds: readonly number[], left: number, sinceMs: number): EtaRange | null {
  const window = stepSeconds.slice(-WINDOW);
  const count = window.length;
  if (count < 2) return null;
  if (left <= 0) return { lowMs: 0, highMs: 0 };
  const mean = window.reduce((sum, one) => sum + one, 0) / count;
  const variance = window.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (count - 1);
  const drift = (mean * DRIFT * Math.min(1, left / DRIFT_STEPS)) ** 2;
  const spread = Math.sqrt(left * variance + left ** 2 * (variance / count + drift)) * (T80[count - 2] ?? Z80);
  const total = left * mean;
  const since = sinceMs / 1000;
  // A step that takes longer than it may is not over yet: what is left after it is.
  const after = Math.max(0, (left - 1) * mean - spread);
  const low = Math.max(after, total - spread - since, 0);
  const high = Math.max(total + spread - since, low + mean * 0.5);
  return { lowMs: low * 1000, highMs: high * 1000 };
}
