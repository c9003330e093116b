/** The rules of the TaskSpec's values, field by field, as data. Pure: YAML and positions are the contract's. */
import type { TaskSpec, Workload } from "../types.ts";
import { commonPathProblem, MODEL_ALLOWED, modelIdProblem, parquetPathProblem, PATH_ALLOWED } from "./path-rules.ts";

/** A scalar as it stands in the file: types are decided here, so that no YAML library guesses (017, 1e9, yes). */
export type RawScalar = { readonly text: string; readonly quoted: boolean };
export type ValueProblem = { readonly message: string; readonly found: string; readonly allowed: string };
export type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: ValueProblem };

const MAX_SHOWN = 100;

/** A value of a user's file for an error message: one line, quoted, at most 100 characters, nothing that a terminal would obey. */
export function show(text: string): string {
  const cut = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
  return JSON.stringify(cut).replaceAll(
    /[\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
  );
}

export function isNull(raw: RawScalar): boolean {
  return !raw.quoted && /^(|~|null|Null|NULL)$/.test(raw.text);
}

function shown(raw: RawScalar): string {
  if (isNull(raw)) return raw.text === "" ? "nothing" : "null";
  return raw.quoted || raw.text.length > MAX_SHOWN || /[^\x20-\x7e]/.test(raw.text) ? show(raw.text) : raw.text;
}

function no(raw: RawScalar, message: string, allowed: string): Read<never> {
  return { ok: false, problem: { message, found: shown(raw), allowed } };
}

/** What keeps a plain scalar from being a whole number in decimal digits; null = it is one. */
function notAnInteger(raw: RawScalar): string | null {
  const { text } = raw;
  if (isNull(raw)) return "must be a whole number, not null";
  if (raw.quoted) return /^-?\d+$/.test(text) ? `is a string: write ${text} without quotes` : "is a string, not a whole number";
  if (/^-?(0|[1-9]\d*)$/.test(text) && text !== "-0") return null;
  if (/^(true|false|yes|no|on|off)$/i.test(text)) return "is a boolean, not a whole number";
  if (/^[-+]?\.(nan|inf)$/i.test(text)) return "is not a finite number";
  if (/^[-+]?0+\d/.test(text)) return "has a leading zero (octal in some YAML readers, decimal in others)";
  if (/^[-+]?0[xob]/i.test(text)) return "is not in decimal digits";
  if (/^[-+]?[\d_.]+e[-+]?\d+$/i.test(text)) return "has an exponent: write all digits";
  if (/^[-+]?(\d+\.\d*|\.\d+)$/.test(text)) return "is not a whole number";
  if (/^\+\d+$/.test(text) || text === "-0") return "has a sign that it does not need";
  return "is not a whole number";
}

export type IntRule = { readonly min: number; readonly max: number; readonly off: boolean; readonly nullable: boolean };

function intAllowed(rule: IntRule): string {
  return `a whole number from ${rule.min} to ${rule.max}${rule.off ? ", or -1 for never" : ""}${rule.nullable ? ", or null" : ""}`;
}

export function readInt(raw: RawScalar, rule: IntRule): Read<number | null> {
  if (rule.nullable && isNull(raw)) return { ok: true, value: null };
  const allowed = intAllowed(rule);
  const problem = notAnInteger(raw);
  if (problem !== null) return no(raw, problem, allowed);
  const value = Number(raw.text);
  if (rule.off && value === -1) return { ok: true, value };
  if (value < rule.min) return no(raw, rule.off && value === 0 ? "crashes verl: write -1 for never" : "is too small", allowed);
  return value > rule.max ? no(raw, "is too big", allowed) : { ok: true, value };
}

export function readWord<T extends string>(raw: RawScalar, words: readonly T[], nullable: boolean): Read<T | null> {
  if (nullable && isNull(raw)) return { ok: true, value: null };
  const allowed = `${words.join(", ")}${nullable ? ", or null" : ""}`;
  const value = words.find((word) => word === raw.text);
  if (value !== undefined) return { ok: true, value };
  const cased = words.find((word) => word === raw.text.trim().toLowerCase());
  return no(raw, cased === undefined ? "is none of the allowed words" : `is not spelled ${cased}`, allowed);
}

export function readText(
  raw: RawScalar,
  problemOf: (text: string) => string | null,
  allowed: string,
  nullable: boolean,
): Read<string | null> {
  if (isNull(raw)) return nullable ? { ok: true, value: null } : no(raw, "is null", allowed);
  const problem = problemOf(raw.text);
  return problem === null ? { ok: true, value: raw.text } : no(raw, problem, allowed);
}

export const WORKLOADS = ["ppo", "grpo", "sft"] as const satisfies readonly Workload[];

const PARQUET_ALLOWED = `${PATH_ALLOWED.split(", e.g.")[0]} ending with .parquet, e.g. /private/common/datasets/gsm8k/train.parquet`;
/** Far above any cluster or run, and small enough that products of these stay exact and fit every column and Python int. */
const NODES: IntRule = { min: 1, max: 4096, off: false, nullable: false };
const GPUS: IntRule = { min: 1, max: 1024, off: false, nullable: false };
const EPOCHS: IntRule = { min: 1, max: 1_000_000, off: false, nullable: false };
const STEPS: IntRule = { min: 1, max: 1_000_000_000, off: false, nullable: true };
const EVERY: IntRule = { min: 1, max: 1_000_000_000, off: true, nullable: false };

type Value = string | number | null;
export type FieldRule = {
  /** The field of `TaskSpec` that it fills; null = accepted and ignored. */
  readonly key: keyof TaskSpec | null;
  readonly required: boolean;
  readonly fallback: Value;
  readonly read: (raw: RawScalar) => Read<Value>;
};

/** Every field of the contract (product.md §4), in the order of docs/taskspec.md. */
export const SPEC_FIELDS: { readonly [field: string]: FieldRule } = {
  workload: { key: "workload", required: true, fallback: null, read: (raw) => readWord(raw, WORKLOADS, false) },
  submission_id: { key: null, required: false, fallback: null, read: (raw) => ({ ok: true, value: raw.text }) },
  code_path: { key: "codePath", required: true, fallback: null, read: (raw) => readText(raw, commonPathProblem, PATH_ALLOWED, false) },
  model_id: { key: "modelId", required: true, fallback: null, read: (raw) => readText(raw, modelIdProblem, MODEL_ALLOWED, false) },
  train_file: {
    key: "trainFile",
    required: true,
    fallback: null,
    read: (raw) => readText(raw, parquetPathProblem, PARQUET_ALLOWED, false),
  },
  val_file: {
    key: "valFile",
    required: false,
    fallback: null,
    read: (raw) => readText(raw, parquetPathProblem, `${PARQUET_ALLOWED}; null for sft`, true),
  },
  nnodes: { key: "nnodes", required: false, fallback: 2, read: (raw) => readInt(raw, NODES) },
  n_gpus_per_node: { key: "nGpusPerNode", required: false, fallback: 4, read: (raw) => readInt(raw, GPUS) },
  total_epochs: { key: "totalEpochs", required: false, fallback: 1, read: (raw) => readInt(raw, EPOCHS) },
  total_training_steps: { key: "totalTrainingSteps", required: false, fallback: null, read: (raw) => readInt(raw, STEPS) },
  save_freq: { key: "saveFreq", required: false, fallback: 10, read: (raw) => readInt(raw, EVERY) },
  test_freq: { key: "testFreq", required: false, fallback: -1, read: (raw) => readInt(raw, EVERY) },
  trainer_device: {
    key: "trainerDevice",
    required: false,
    fallback: null,
    read: (raw) => readWord(raw, ["cuda", "cpu"] as const, true),
  },
};

export const VAL_FILE_ALLOWED = PARQUET_ALLOWED;

/** Own keys that would change an object's prototype in careless code further on; refused at any depth. */
export function isPrototypeKey(key: string): boolean {
  return key === "__proto__" || key === "constructor" || key === "prototype";
}
