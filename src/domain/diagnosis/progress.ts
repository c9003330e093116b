/** How far training came: what lies before later steps did not end it. */
import type { LogLines } from "./log-lines.ts";

export const PROGRESS_WORDS = ["step:", "training progress", "epoch ", "final validation metrics"];

const STEP = /^step:(\d{1,9}) - /;
const BAR = /^(?:Training Progress|Epoch \d+\/\d+)[:\s].{0,300}?\|\s*(\d{1,9})\/(\d{1,9}) \[/;
const FINISHED = /^['"]?Final validation metrics/;

export type Course = {
  /** Index of the line from which on at most one step came later; what stands before is refuted. */
  readonly refutedBefore: number;
  /** Index of the last step's line: what only warned before it came to nothing. */
  readonly lastStepAt: number;
  /** The same for evidence that is part of steps. */
  readonly lastingFrom: number;
  /** Where training said that it was through; -1 = it did not. */
  readonly finishedAt: number;
  readonly steps: number;
};

export function course(lines: LogLines, indices: readonly number[]): Course {
  const stepLines: number[] = [];
  const bars: number[] = [];
  const seen = new Set<string>();
  let finishedAt = -1;
  for (const index of indices) {
    const { body } = lines.at(index);
    const step = STEP.exec(body);
    const bar = step === null ? BAR.exec(body.slice(0, 600)) : null;
    if (FINISHED.test(body) || (bar !== null && bar[1] === bar[2] && bar[2] !== "0")) finishedAt = index;
    const key = step === null ? (bar === null || bar[1] === "0" ? null : `b${bar[1]}`) : `s${step[1]}`;
    if (key === null || seen.has(key)) continue;
    seen.add(key);
    (step === null ? bars : stepLines).push(index);
  }
  const steps = stepLines.length >= bars.length ? stepLines : bars;
  return {
    refutedBefore: steps.at(-2) ?? -1,
    lastStepAt: steps.at(-1) ?? -1,
    lastingFrom: steps.at(-4) ?? -1,
    finishedAt,
    steps: steps.length,
  };
}
