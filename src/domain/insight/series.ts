/** Metrics of an attempt as columns, built up point by point as a file grows; bounded in memory. */
import type { MetricPoint } from "./training-log.ts";

/** Numbers kept of one attempt, 8 bytes each: 20 000 steps of 100 keys. */
const MAX_VALUES = 2_000_000;
/** verl writes a hundred; a job that writes a new key each step must not grow its columns for ever. */
const MAX_KEYS = 1_000;

export type Series = {
  readonly steps: readonly number[];
  /** By key, a value for each step: NaN = the key was not written at that step, Infinity = it was, and was no finite number. */
  readonly columns: ReadonlyMap<string, readonly number[]>;
  /** For each step, where its last line ends in the file. */
  readonly ends: readonly number[];
  /** 1 = every step is kept; 2, 4, … = only each so many, because there are too many. */
  readonly every: number;
};

export const NO_SERIES: Series = { steps: [], columns: new Map(), ends: [], every: 1 };

export type SeriesBuilder = { readonly series: Series; readonly add: (point: MetricPoint, end: number) => void };

/** A logger writes a step more than once (validation apart from training): the lines of one step are one point. */
export function seriesBuilder(maxValues = MAX_VALUES): SeriesBuilder {
  const steps: number[] = [];
  const ends: number[] = [];
  const columns = new Map<string, number[]>();
  const series = { steps, ends, columns, every: 1 };

  const placeOf = (step: number): number => {
    let at = steps.length;
    while (at > 0 && (steps[at - 1] ?? 0) >= step) at -= 1;
    if (steps[at] === step) return at;
    for (const column of [steps, ends]) column.splice(at, 0, step);
    for (const column of columns.values()) column.splice(at, 0, Number.NaN);
    return at;
  };

  /** The newest step always stays: it is where the run is. */
  const thin = (): void => {
    const last = steps.length - 1;
    const keeps = steps.map((_, at) => at === last || at % 2 === 0);
    for (const column of [steps, ends, ...columns.values()]) {
      let to = 0;
      for (const [at, value] of column.entries()) if (keeps[at] === true) column[to++] = value;
      column.length = to;
    }
    series.every *= 2;
  };

  const add = ({ step, data }: MetricPoint, end: number): void => {
    const at = placeOf(step);
    ends[at] = end;
    for (const [key, value] of Object.entries(data)) {
      let column = columns.get(key);
      if (column === undefined) {
        if (columns.size >= MAX_KEYS) continue;
        column = steps.map(() => Number.NaN);
        columns.set(key, column);
      }
      column[at] = Number.isFinite(value) ? value : Number.POSITIVE_INFINITY;
    }
    if (steps.length * (columns.size + 2) > maxValues && steps.length > 2) thin();
  };

  return { series, add };
}

/** The finite values of a column with their steps. */
export function finitePoints(series: Series, key: string): readonly { readonly step: number; readonly value: number }[] {
  const column = series.columns.get(key) ?? [];
  return series.steps.flatMap((step, at) => {
    const value = column[at];
    return value !== undefined && Number.isFinite(value) ? [{ step, value }] : [];
  });
}

/** The steps after `after` up to `upTo`, both for the whole of its columns. */
export function sliceSteps(series: Series, after: number, upTo: number): Series {
  const from = series.steps.findIndex((step) => step > after);
  if (from === -1) return NO_SERIES;
  const past = series.steps.findIndex((step) => step > upTo);
  const to = past === -1 ? series.steps.length : past;
  if (from === 0 && to === series.steps.length) return series;
  return {
    steps: series.steps.slice(from, to),
    ends: series.ends.slice(from, to),
    columns: new Map([...series.columns].map(([key, column]) => [key, column.slice(from, to)])),
    every: series.every,
  };
}
