/** How often the truth lay in the range that was told, and how wide the ranges were: over recorded runs and over made-up ones with a seed. */
import { stepsLeft } from "../../src/domain/insight/eta.ts";

export type Calibration = { readonly told: number; readonly covered: number; readonly medianWidth: number };

/** After each step but the last, from the second that counts on. `width` = of the range, as a share of what really remained. */
export function calibrate(runs: readonly (readonly number[])[]): Calibration {
  const widths: number[] = [];
  let hits = 0;
  for (const run of runs) {
    for (let done = 3; done < run.length; done += 1) {
      const range = stepsLeft(run.slice(1, done), run.length - done, 0);
      const truth = run.slice(done).reduce((sum, one) => sum + one, 0) * 1000;
      if (range === null) continue;
      if (range.lowMs <= truth && truth <= range.highMs) hits += 1;
      widths.push((range.highMs - range.lowMs) / truth);
    }
  }
  const sorted = widths.toSorted((a, b) => a - b);
  return { told: widths.length, covered: hits / widths.length, medianWidth: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN };
}

/** Numerical Recipes' LCG: the same runs each time. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
}

/**
 * Runs of a pool: noise from step to step, answers that grow or shrink over the run, a machine that is busier for a while, a checkpoint each few
 * steps and a validation that takes as long as several steps.
 */
export function simulatedRuns(count: number, seed: number): readonly (readonly number[])[] {
  const next = random(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
  return Array.from({ length: count }, () => {
    const steps = 15 + Math.floor(next() ** 2 * 400);
    const base = 5 * 40 ** next();
    const noise = 0.02 + 0.15 * next();
    const growth = (next() - 0.4) * 0.6;
    const saveEach = [5, 10, 25, 50][Math.floor(next() * 4)] ?? 10;
    const testEach = next() < 0.5 ? 0 : saveEach;
    let load = 0;
    return Array.from({ length: steps }, (_, at) => {
      load = 0.95 * load + 0.03 * normal();
      const grown = 1 + (growth * at) / steps;
      const extra = ((at + 1) % saveEach === 0 ? 0.5 : 0) + (testEach > 0 && (at + 1) % testEach === 0 ? 2 : 0) + (at === 0 ? 1.5 : 0);
      return base * (grown * Math.exp(load + noise * normal()) + extra);
    });
  });
}
