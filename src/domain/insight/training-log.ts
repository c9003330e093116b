/** A step as verl writes it: to its file logger (verl >= 0.6) as a JSON line, `{"step": N, "data": {key: value}}`, and to the console. */
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

/** Of the console's line: `step:N - key:value - key:value` (verl/utils/logger/aggregate_logger.py), in any place of a line. */
export const CONSOLE_STEP = "step:";
const CONSOLE_HEAD = /(?<![\w/])step:(\d{1,9}) - /;
/** What pprint makes of a number; NumPy 2 names its type. */
const CONSOLE_VALUE = /^(?:np\.\w{1,20}\()?(-?(?:\d[\d.]{0,40}(?:e[+-]?\d{1,4})?|inf)|nan)\)?(?=\s|$)/;

/** The console's last resort: a progress bar, or the name of Ray's process, may stand before the step. Null for a line without one. */
export function parseConsoleLine(line: string): MetricPoint | null {
  const head = CONSOLE_HEAD.exec(line);
  if (head === null) return null;
  const fields = line.slice(head.index + head[0].length).split(" - ");
  const numbers = fields.flatMap((field): [string, number][] => {
    const colon = field.lastIndexOf(":");
    const value = CONSOLE_VALUE.exec(field.slice(colon + 1))?.[1];
    return colon < 1 || value === undefined ? [] : [[field.slice(0, colon), consoleNumber(value)]];
  });
  return numbers.length === 0 ? null : { step: Number(head[1]), data: Object.fromEntries(numbers) };
}

function consoleNumber(text: string): number {
  if (text === "nan") return Number.NaN;
  return text.endsWith("inf") ? Number(`${text}inity`.replace("inf", "Inf")) : Number(text);
}

const HEADLINE: { readonly [workload in Workload]: readonly string[] } = {
  ppo: ["critic/rewards/mean", "critic/score/mean"],
  grpo: ["critic/rewards/mean", "critic/score/mean"],
  sft: ["train/loss", "val/loss"],
};

/** The keys that say whether it learns, the first that is there counts: reward for RL, loss for SFT. */
export function headlineKeys(workload: Workload): readonly string[] {
  return HEADLINE[workload];
}

/** The one number that says whether it learns. */
export function pickMetric(workload: Workload, point: MetricPoint): { readonly key: string; readonly value: number } | null {
  for (const key of HEADLINE[workload]) {
    const value = point.data[key];
    if (value !== undefined && Number.isFinite(value)) return { key, value };
  }
  return null;
}
