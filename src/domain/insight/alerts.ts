/** Signs that a run no longer learns, from its line of metrics. Each has a threshold that docs/curves.md names and a reason to believe it. Pure. */
import { finitePoints, type Series } from "./series.ts";
import { headlineKeys } from "./training-log.ts";
import type { Workload } from "../types.ts";

export type AlertCode = "not_finite" | "reward_collapse" | "response_clip" | "entropy_collapse";

export type Alert = { readonly code: AlertCode; readonly step: number; readonly text: string };

/** Steps that are taken together, so that one odd step is no alert. */
export const WINDOW = 5;
/** Below so many steps nothing is said of a trend. */
export const MIN_STEPS = 15;
/** Of what it had gained, a reward must have lost so much, and the loss must be so many times the usual step-to-step change. */
export const REWARD_LOST = 0.7;
export const REWARD_NOISE = 3;
export const CLIPPED = 0.5;
export const ENTROPY_LEFT = 0.1;

/** A number that training itself needs; others (a benchmark that failed, say) may be NaN without harm. */
const VITAL = [
  "actor/loss",
  "actor/pg_loss",
  "actor/grad_norm",
  "critic/vf_loss",
  "critic/grad_norm",
  "critic/rewards/mean",
  "critic/score/mean",
  "train/loss",
  "train/grad_norm",
  "val/loss",
];

/** The first step at which each was seen, for those that the line shows. */
export function alertsOf(workload: Workload, line: Series): readonly Alert[] {
  return [notFinite(line), rewardCollapse(workload, line), responseClip(line), entropyCollapse(line)].filter((alert) => alert !== null);
}

function notFinite(line: Series): Alert | null {
  for (const key of VITAL) {
    const at = line.columns.get(key)?.indexOf(Number.POSITIVE_INFINITY) ?? -1;
    const step = line.steps[at];
    if (step !== undefined)
      return { code: "not_finite", step, text: `${key} is NaN or infinite from step ${step} on; what is trained after that is of no use` };
  }
  return null;
}

function rewardCollapse(workload: Workload, line: Series): Alert | null {
  if (workload === "sft") return null;
  const key = headlineKeys(workload).find((name) => line.columns.has(name));
  const points = key === undefined ? [] : finitePoints(line, key);
  if (key === undefined || points.length < MIN_STEPS) return null;
  const means = windowMeans(points);
  const [start] = means;
  if (start === undefined) return null;
  const noise = stepNoise(points);
  let best = start;
  for (const one of means) {
    if (one.value > best.value) best = one;
    const gained = best.value - start.value;
    const lost = best.value - one.value;
    if (gained > 0 && lost > REWARD_LOST * gained && lost > REWARD_NOISE * noise) {
      const text = `${key} fell from ${short(best.value)} (step ${best.step}) to ${short(one.value)} (mean of ${WINDOW} steps up to step ${one.step}), near where it began (${short(start.value)})`;
      return { code: "reward_collapse", step: one.step, text };
    }
  }
  return null;
}

function responseClip(line: Series): Alert | null {
  const hit = windowMeans(finitePoints(line, "response_length/clip_ratio")).find(({ value }) => value >= CLIPPED);
  if (hit === undefined) return null;
  const text = `${percent(hit.value)} of the answers were cut at the longest length allowed (mean of ${WINDOW} steps up to step ${hit.step}): their rewards are of cut answers`;
  return { code: "response_clip", step: hit.step, text };
}

function entropyCollapse(line: Series): Alert | null {
  const means = windowMeans(finitePoints(line, "actor/entropy"));
  const [start] = means;
  if (start === undefined || start.value <= 0) return null;
  const hit = means.find(({ value }) => value < ENTROPY_LEFT * start.value);
  if (hit === undefined) return null;
  const text = `actor/entropy fell from ${short(start.value)} to ${short(hit.value)} (mean of ${WINDOW} steps up to step ${hit.step}): the model hardly explores any more`;
  return { code: "entropy_collapse", step: hit.step, text };
}

type Point = { readonly step: number; readonly value: number };

/** Means of WINDOW points each, at the step of the last of them. */
function windowMeans(points: readonly Point[]): readonly Point[] {
  const out: Point[] = [];
  let sum = 0;
  for (const [at, { step, value }] of points.entries()) {
    sum += value - (at >= WINDOW ? (points[at - WINDOW]?.value ?? 0) : 0);
    if (at >= WINDOW - 1) out.push({ step, value: sum / WINDOW });
  }
  return out;
}

/** How much a mean of WINDOW steps moves by chance: the mean change from step to step, over the root of the window. */
function stepNoise(points: readonly Point[]): number {
  const changes = points.slice(1).map(({ value }, at) => Math.abs(value - (points[at]?.value ?? value)));
  return changes.reduce((sum, one) => sum + one, 0) / Math.max(1, changes.length) / Math.sqrt(WINDOW);
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
