/** TaskSpec: bytes of a request or a file → checked spec, or every error of the file at once. docs/taskspec.md is its page. */
import { nearest } from "../domain/verl/nearest.ts";
import { show, SPEC_FIELDS, VAL_FILE_ALLOWED } from "../domain/verl/spec-rules.ts";
import type { FieldRule } from "../domain/verl/spec-rules.ts";
import type { TaskSpec } from "../domain/types.ts";
import type { FieldError } from "./problem.ts";
import { readStrictYaml, wholeFileError } from "./strict-yaml.ts";
import type { Position, YamlEntry } from "./strict-yaml.ts";

/** The biggest TaskSpec that is read; a bigger body is HTTP 413, not 400. */
export const TASK_SPEC_MAX_BYTES = 16 * 1024;
/** Errors beyond this are counted, not listed. */
const MAX_ERRORS = 50;

export type SpecWarning = { readonly code: string; readonly field: string; readonly text: string };
export type TaskSpecResult =
  | {
      readonly ok: true;
      readonly spec: TaskSpec;
      readonly warnings: readonly SpecWarning[];
      /** Where each given field's value stands: for errors that only the world can show. */
      readonly positions: ReadonlyMap<string, Position>;
    }
  | { readonly ok: false; readonly reason: "too_large" | "invalid"; readonly errors: readonly FieldError[] };

export type TaskSpecOptions = {
  /** `taskspec.ignored_fields`: keys of old files, accepted with a warning. */ readonly ignoredFields: readonly string[];
};

const FIELD_NAMES = Object.keys(SPEC_FIELDS);
const ALLOWED_FIELDS = `the fields ${FIELD_NAMES.join(", ")}`;

type Found = { readonly position: Position; readonly value: string | number | null };
type Reading = {
  readonly values: Map<string, Found>;
  readonly present: Set<string>;
  readonly errors: FieldError[];
  readonly warnings: SpecWarning[];
};

function unknownField(entry: YamlEntry): FieldError {
  const near = nearest(entry.key, FIELD_NAMES);
  const isSetting = entry.key.includes(".") || entry.key.includes("/");
  const hint =
    near !== null
      ? `did you mean ${near}?`
      : isSetting
        ? "training settings are the operator's: choose a profile with --profile"
        : "see docs/taskspec.md for the fields there are";
  const name = entry.key.length > 60 || /[^\x20-\x7e]/.test(entry.key) ? show(entry.key.slice(0, 60)) : entry.key;
  return {
    field: name === "" ? "(no name)" : name,
    line: entry.line,
    column: entry.column,
    message: `is not a field of a TaskSpec; ${hint}`,
    found: name,
    allowed: ALLOWED_FIELDS,
  };
}

function readField(entry: YamlEntry, rule: FieldRule, reading: Reading): void {
  const { key, value } = entry;
  if (value.kind === "refused") return;
  if (value.kind !== "scalar") {
    const found = value.kind === "list" ? "a list" : "a mapping";
    const message = `is ${found}; a TaskSpec is flat, one value a field`;
    reading.errors.push({ field: key, line: value.line, column: value.column, message, found, allowed: "a single value" });
    return;
  }
  const position = { line: value.line, column: value.column };
  const result = rule.read(value);
  if (result.ok) reading.values.set(key, { position, value: result.value });
  else reading.errors.push({ field: key, ...position, ...result.problem });
}

function readEntry(entry: YamlEntry, ignored: ReadonlySet<string>, reading: Reading): void {
  const rule = Object.hasOwn(SPEC_FIELDS, entry.key) ? SPEC_FIELDS[entry.key] : undefined;
  if (rule !== undefined) {
    reading.present.add(entry.key);
    readField(entry, rule, reading);
    if (entry.key === "submission_id") {
      const text = "submission_id is ignored: the server gives each attempt its own";
      reading.warnings.push({ code: "submission_id_ignored", field: "submission_id", text });
    }
    return;
  }
  if (!ignored.has(entry.key)) {
    reading.errors.push(unknownField(entry));
    return;
  }
  if (entry.value.kind !== "scalar")
    reading.errors.push({ ...unknownField(entry), message: "is ignored here, but must still be a single value" });
  const text = `${entry.key} is not a field of a TaskSpec any more and has no effect (taskspec.ignored_fields)`;
  reading.warnings.push({ code: "ignored_field", field: entry.key, text });
}

/** Rules that look at more than one field. */
function crossCheck(reading: Reading, top: Position): void {
  for (const [field, rule] of Object.entries(SPEC_FIELDS)) {
    if (!rule.required || reading.present.has(field)) continue;
    const problem = rule.read({ text: "", quoted: true });
    const allowed = problem.ok ? "a value" : problem.problem.allowed;
    reading.errors.push({ field, ...top, message: "is missing and has no default", found: "nothing", allowed });
  }
  const workload = reading.values.get("workload")?.value;
  const valFile = reading.values.get("val_file");
  const hasNone = valFile === undefined ? !reading.present.has("val_file") : valFile.value === null;
  if ((workload === "ppo" || workload === "grpo") && hasNone) {
    const message = `is needed for ${workload}`;
    const found = valFile === undefined ? "nothing" : "null";
    reading.errors.push({ field: "val_file", ...(valFile?.position ?? top), message, found, allowed: VAL_FILE_ALLOWED });
  }
  const testFreq = reading.values.get("test_freq")?.value;
  if (workload === "sft" && hasNone && typeof testFreq === "number" && testFreq > 0) {
    const text = "test_freq has no effect without val_file: there is nothing to test on, so it is passed to verl as -1";
    reading.warnings.push({ code: "test_freq_without_val_file", field: "test_freq", text });
  }
}

function toSpec(values: ReadonlyMap<string, Found>): TaskSpec {
  const spec: Record<string, string | number | null> = Object.create(null);
  for (const [field, { key, fallback }] of Object.entries(SPEC_FIELDS)) {
    if (key !== null) spec[key] = values.has(field) ? (values.get(field)?.value ?? null) : fallback;
  }
  // Every key of TaskSpec stands in SPEC_FIELDS, each read by the rule that gives its type (the suite checks both).
  return { ...spec } as unknown as TaskSpec;
}

function sorted(errors: readonly FieldError[]): readonly FieldError[] {
  const inOrder = [...errors].sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
  const last = inOrder.at(-1);
  if (inOrder.length <= MAX_ERRORS || last === undefined) return inOrder;
  const rest = inOrder.length - MAX_ERRORS;
  return [...inOrder.slice(0, MAX_ERRORS), wholeFileError(last.line ?? 1, last.column ?? 1, `has ${rest} more errors`)];
}

/**
 * Promises: never throws, reads at most 16 KiB, gives all errors of a file in the order of its lines, each with a 1-based line and column
 * (a missing field: the first field's place). Bytes that are no YAML mapping at all give only that error.
 */
export function parseTaskSpec(text: Uint8Array | string, options: TaskSpecOptions): TaskSpecResult {
  const read = readStrictYaml(text, { maxBytes: TASK_SPEC_MAX_BYTES, maxDepth: 4, maxTokens: 2500 });
  if (!read.ok) return read;
  const reading: Reading = { values: new Map(), present: new Set(), errors: [...read.errors], warnings: [] };
  const ignored = new Set(options.ignoredFields);
  for (const entry of read.map.entries) readEntry(entry, ignored, reading);
  crossCheck(reading, { line: read.map.line, column: read.map.column });
  if (reading.errors.length > 0) return { ok: false, reason: "invalid", errors: sorted(reading.errors) };
  const positions = new Map([...reading.values].map(([field, { position }]) => [field, position]));
  return { ok: true, spec: toSpec(reading.values), warnings: reading.warnings, positions };
}
