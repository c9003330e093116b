/** How fast a run goes and what its time goes into, from what verl times itself, else from when its steps were seen in the file. */
import type { Series } from "./series.ts";

/** `logs/times`: how far log and metrics had grown at an instant, each 5 s while they do. */
export type FileTime = { readonly at: number; readonly logBytes: number; readonly metricsBytes: number };

export type Pace = {
  /** Seconds of each of the last steps, oldest first; the first step of the attempt, which loads and compiles, is not among them. */
  readonly stepSeconds: readonly number[];
  /** Median of the last ten. */
  readonly median: number | null;
  readonly tokensPerS: number | null;
  /** Of a step's time; sums to 1 where there is any. */
  readonly shares: readonly { readonly name: string; readonly share: number }[];
};

/** The pace of a running attempt, and how far it is. */
export type RunPace = Pace & { readonly step: number | null; readonly totalSteps: number | null; readonly lastStepAt: number | null };

const STEP_KEYS = ["timing_s/step", "perf/time_per_step"];
const TOKEN_KEYS = ["perf/total_num_tokens", "train/global_tokens"];
/** verl's own names for the parts of a step. */
const PARTS: readonly { readonly name: string; readonly keys: readonly string[] }[] = [
  { name: "rollout", keys: ["timing_s/gen", "timing_s/generate_sequences"] },
  { name: "update", keys: ["timing_s/update_actor", "timing_s/update_critic"] },
  { name: "log probs and values", keys: ["timing_s/old_log_prob", "timing_s/ref", "timing_s/values", "timing_s/reward", "timing_s/adv"] },
  { name: "weights", keys: ["timing_s/update_weights"] },
  { name: "validation", keys: ["timing_s/testing"] },
  { name: "checkpoints", keys: ["timing_s/save_checkpoint"] },
];
const LOOKED_AT = 100;
const SHOWN = 10;

/** `series` is of one attempt. */
export function paceOf(series: Series, times: readonly FileTime[]): Pace {
  const timed = timedSteps(series);
  const stepSeconds = timed.length > 0 ? timed : seenSteps(series, times);
  const recent = stepSeconds.slice(-SHOWN);
  const median = middle(recent);
  return { stepSeconds, median, tokensPerS: tokensPerS(series, median), shares: sharesOf(series) };
}

function timedSteps(series: Series): readonly number[] {
  const column = STEP_KEYS.map((key) => series.columns.get(key)).find((found) => found !== undefined) ?? [];
  const all = column.filter((value) => Number.isFinite(value) && value > 0);
  return (all.length > 1 ? all.slice(1) : all).slice(-LOOKED_AT);
}

/** Steps between two looks share their time: seen each 5 s, quick steps are told by their mean. */
function seenSteps(series: Series, times: readonly FileTime[]): readonly number[] {
  const out: number[] = [];
  let done = 0;
  let before: { readonly at: number; readonly steps: number } | null = null;
  for (const { at, metricsBytes } of times) {
    while (done < series.ends.length && (series.ends[done] ?? 0) <= metricsBytes) done += 1;
    if (done === 0) continue;
    const count = before === null ? 0 : done - before.steps;
    if (before !== null && count > 0) {
      const seconds = Math.max(0.001, (at - before.at) / 1000 / (count * series.every));
      for (let i = 0; i < Math.min(count, LOOKED_AT); i += 1) out.push(seconds);
    }
    if (before === null || count > 0) before = { at, steps: done };
  }
  return out.slice(-LOOKED_AT);
}

function tokensPerS(series: Series, median: number | null): number | null {
  if (median === null || median <= 0) return null;
  const tokens = TOKEN_KEYS.map((key) => series.columns.get(key)).find((found) => found !== undefined);
  const typical = middle((tokens ?? []).filter((value) => Number.isFinite(value)).slice(-SHOWN));
  return typical === null ? null : typical / median;
}

function sharesOf(series: Series): Pace["shares"] {
  const total = sumOf(series, STEP_KEYS.slice(0, 1));
  if (total <= 0) return [];
  const parts = PARTS.map(({ name, keys }) => ({ name, share: sumOf(series, keys) / total })).filter(({ share }) => share > 0.0005);
  const other = 1 - parts.reduce((sum, { share }) => sum + share, 0);
  return other > 0.0005 ? [...parts, { name: "other", share: other }] : parts;
}

function sumOf(series: Series, keys: readonly string[]): number {
  return keys.reduce((sum, key) => {
    const column = series.columns.get(key)?.slice(-SHOWN) ?? [];
    return sum + column.reduce((all, value) => all + (Number.isFinite(value) ? value : 0), 0);
  }, 0);
}

export function middle(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[half]];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}

/** When the newest step came: the first look at which its line was there. Null = the looks do not tell. */
export function lastStepAt(series: Series, times: readonly FileTime[]): number | null {
  const end = series.ends.at(-1);
  return end === undefined ? null : (times.find(({ metricsBytes }) => metricsBytes >= end)?.at ?? null);
}
