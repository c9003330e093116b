/** verl's file logger (verl >= 0.6): one JSON line a step, `{"step": N, "data": {key: value}}`. */
import type { Workload } from "../types.ts";

export type MetricPoint = { readonly step: number; readonly data: { readonly [key: string]: number } };

/** Null for a line that is not a step. NaN and Infinity, which Python's json writes bare, are kept as numbers. */
export function parseMetricLine(line: string): MetricPoint | null {
  if (!line.startsWith("{")) return null;
  const record = parseJson(line);
  if (typeof record !== "object" || record === null || !("step" in record) || !("data" in record)) return null;
  const { step, data } = record;
  if (!Number.isInteger(step) || typeof data !== "object" || data === null) return null;
  const numbers = Object.entries(data).flatMap(([key, value]): [string, number][] => {
    if (typeof value === "number") return [[key, value]];
    return value === NOT_A_NUMBER ? [[key, Number.NaN]] : [];
  });
  return { step: step as number, data: Object.fromEntries(numbers) };
}

const NOT_A_NUMBER = "__not_a_number__";

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    try {
      return JSON.parse(line.replaceAll(/(?<=[:[,]\s*)(?:NaN|-?Infinity)(?=\s*[,}\]])/g, `"${NOT_A_NUMBER}"`));
    } catch {
      return null;
    }
  }
}

const HEADLINE: { readonly [workload in Workload]: readonly string[] } = {
  ppo: ["critic/rewards/mean", "critic/score/mean"],
  grpo: ["critic/rewards/mean", "critic/score/mean"],
  sft: ["train/loss", "val/loss"],
};

/** The one number that says whether it learns: reward for RL, loss for SFT. */
export function pickMetric(workload: Workload, point: MetricPoint): { readonly key: string; readonly value: number } | null {
  for (const key of HEADLINE[workload]) {
    const value = point.data[key];
    if (value !== undefined && Number.isFinite(value)) return { key, value };
  }
  return null;
}
