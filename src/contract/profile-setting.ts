/** YAML → values of verl's configuration, by YAML 1.2's core schema without its traps. */
import { encodeSetting, keyProblem } from "../domain/verl/hydra-value.ts";
import { commonPathProblem } from "../domain/verl/path-rules.ts";
import type { Setting } from "../domain/verl/profile.ts";
import { reservedKey } from "../domain/verl/reserved.ts";
import { show } from "../domain/verl/spec-rules.ts";
import type { FieldError } from "./problem.ts";
import type { YamlEntry, YamlMap, YamlNode, YamlScalar } from "./strict-yaml.ts";

const SETTING_ALLOWED = "a string, number, boolean, null, list or mapping that Hydra gives back unchanged";

export type ScalarReading =
  | { readonly ok: true; readonly value: string | number | boolean | null }
  | { readonly ok: false; readonly message: string };

/** What a plain scalar means. Words and numbers that YAML readers disagree about must be quoted or written out. */
export function readScalar({ text, quoted }: Pick<YamlScalar, "text" | "quoted">): ScalarReading {
  if (quoted) return { ok: true, value: text };
  if (/^(|~|null|Null|NULL)$/.test(text)) return { ok: true, value: null };
  if (/^(true|false)$/i.test(text)) return { ok: true, value: text.toLowerCase() === "true" };
  if (/^(yes|no|on|off|y|n)$/i.test(text))
    return { ok: false, message: "is a boolean in some YAML readers and a string in others: write true or false, or quote it" };
  if (/^[-+]?(0\d+|0[xob][\da-f_]*)$/i.test(text))
    return { ok: false, message: "is a number in another base to some readers: write it in decimal, or quote it" };
  if (/^[-+]?\.(inf|nan)$/i.test(text)) return { ok: false, message: "is not a finite number" };
  if (!/^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/.test(text)) return { ok: true, value: text };
  const value = Number(text);
  const exact = Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
  return exact ? { ok: true, value } : { ok: false, message: "is too big a number" };
}

/** Paths must stay where jobs may look: an absolute one under /private/common, and none that Python would expand. */
function stringRule(text: string): string | null {
  if (text.startsWith("/")) {
    const problem = commonPathProblem(text);
    return problem === null ? null : `is a path that ${problem}`;
  }
  return /^(~|file:|hdfs:|s3:)/i.test(text) ? "points outside /private/common" : null;
}

type Fail = (node: YamlNode, message: string, found: string | null) => void;

function toSetting(node: YamlNode, fail: Fail): Setting {
  switch (node.kind) {
    case "refused":
      return null;
    case "list":
      return node.items.map((item) => toSetting(item, fail));
    case "map":
      return Object.fromEntries(node.entries.map((entry) => [entry.key, toSetting(entry.value, fail)]));
    case "scalar": {
      const read = readScalar(node);
      if (!read.ok) {
        fail(node, read.message, show(node.text));
        return null;
      }
      const problem = typeof read.value === "string" ? stringRule(read.value) : null;
      if (problem !== null) fail(node, problem, show(node.text));
      return read.value;
    }
  }
}

function readEntry(entry: YamlEntry, errors: FieldError[]): Setting {
  const field = `settings.${entry.key}`;
  const at = { line: entry.line, column: entry.column };
  const badKey = keyProblem(entry.key);
  if (badKey !== null) {
    errors.push({ field, ...at, message: badKey, found: show(entry.key), allowed: "e.g. actor_rollout_ref.rollout.n" });
    return null;
  }
  const reserved = reservedKey(entry.key);
  if (reserved !== null) {
    errors.push({
      field,
      ...at,
      message: `may not stand in a profile: ${reserved}`,
      found: entry.key,
      allowed: "keys about training only",
    });
    return null;
  }
  const before = errors.length;
  const value = toSetting(entry.value, (node, message, found) => {
    errors.push({ field, line: node.line, column: node.column, message, found, allowed: SETTING_ALLOWED });
  });
  const encoded = errors.length === before ? encodeSetting(value) : null;
  if (encoded !== null && !encoded.ok) {
    const { line, column } = entry.value;
    errors.push({
      field,
      line,
      column,
      message: encoded.reason,
      found: entry.value.kind === "scalar" ? show(entry.value.text) : null,
      allowed: SETTING_ALLOWED,
    });
  }
  return value;
}

export function readSettings(map: YamlMap, errors: FieldError[]): { readonly [key: string]: Setting } {
  return Object.fromEntries(map.entries.map((entry) => [entry.key, readEntry(entry, errors)]));
}
