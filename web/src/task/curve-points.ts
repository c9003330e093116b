/** Curves as the API gives them, as a chart takes them: one column of steps, and one column a attempt with nothing where it has no value. */
import type { CurvesWire } from "../../../src/contract/insight.ts";

export type Points = {
  readonly steps: readonly number[];
  readonly attempts: readonly { readonly attempt: number; readonly firstStep: number; readonly values: readonly (number | null)[] }[];
};

export function pointsOf(curves: Pick<CurvesWire, "attempts">, key: string): Points {
  const with_ = curves.attempts.filter((one) => one.series[key]?.some((value) => value !== null) === true);
  const steps = [...new Set(with_.flatMap((one) => one.steps.filter((_, n) => (one.series[key]?.[n] ?? null) !== null)))].toSorted(
    (a, b) => a - b,
  );
  const place = new Map(steps.map((step, n) => [step, n]));
  return {
    steps,
    attempts: with_.map((one) => {
      const values: (number | null)[] = steps.map(() => null);
      for (const [n, step] of one.steps.entries()) {
        const at = place.get(step);
        const value = one.series[key]?.[n] ?? null;
        if (at !== undefined && value !== null) values[at] = value;
      }
      return { attempt: one.attempt, firstStep: one.steps[0] ?? 0, values };
    }),
  };
}

export type Summary = { readonly count: number; readonly first: number; readonly last: number; readonly min: number; readonly max: number };

export function summaryOf(points: Points): Summary | null {
  const values = points.steps.flatMap((_, n) => {
    const here = points.attempts.map((one) => one.values[n] ?? null).filter((value) => value !== null);
    const newest = here.at(-1);
    return newest === undefined ? [] : [newest];
  });
  const [first, last] = [values.at(0), values.at(-1)];
  if (first === undefined || last === undefined) return null;
  return {
    count: values.length,
    first,
    last,
    min: values.reduce((a, b) => Math.min(a, b)),
    max: values.reduce((a, b) => Math.max(a, b)),
  };
}

export type Zoom = { readonly min: number; readonly max: number } | null;

/** A part of the range as large as `factor` says, moved by `by` of its width; null where that is everything. */
export function zoomed(zoom: Zoom, all: { readonly min: number; readonly max: number }, factor: number, by: number): Zoom {
  const now = zoom ?? all;
  const width = (now.max - now.min) * factor;
  if (width >= all.max - all.min) return null;
  const middle = (now.min + now.max) / 2 + by * width;
  const min = Math.min(Math.max(middle - width / 2, all.min), all.max - width);
  return { min, max: min + width };
}
