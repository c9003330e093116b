/**
 * Values of Hydra overrides (hydra-core 1.3, grammar/OverrideLexer.g4). One encoder: what it lets through comes back from Hydra and OmegaConf
 * equal; what might not is refused. Strings are always single-quoted: unquoted, `a,b` is a sweep, `[x]` a list, `null` and `1e3` are typed.
 */
import type { Setting } from "./profile.ts";

export type Encoded = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string };

/** A key of verl's configuration; a leading `+` or `++` adds it. No `/`, `@` or `~`: config groups and deletions are not settings. */
const HYDRA_KEY = /^(\+\+?)?[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_][A-Za-z0-9_-]*)*$/;
const MAP_KEY = /^[A-Za-z_][A-Za-z0-9_-]*$/;
/** Words that Hydra gives a type to, in any case, when they stand as keys of a mapping. */
const TYPED_WORDS: ReadonlySet<string> = new Set(["null", "true", "false", "inf", "nan"]);
const MAX_DEPTH = 8;

/** Why a string may not be passed through Hydra; null = it comes back byte for byte. */
export function stringProblem(text: string): string | null {
  const bad = /[^\x20-\x7e]/u.exec(text)?.[0];
  if (bad !== undefined)
    return `holds U+${(bad.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}; only printable ASCII is passed`;
  if (text.includes("$")) return "holds a $, which OmegaConf would interpolate";
  return text === "???" ? "is ???, which OmegaConf takes for a missing value" : null;
}

/**
 * Hydra's single-quoted form. Backslashes are doubled only before a quote and at the end: elsewhere Hydra keeps them as they are.
 * Does not check: `encodeSetting` does. Whatever the text, the result is one token for Hydra and one element of argv.
 */
export function quote(text: string): string {
  return `'${text.replaceAll(/(\\*)('|$)/g, (_, slashes: string, end: string) => slashes + slashes + (end === "'" ? "\\'" : ""))}'`;
}

function encodeAll(values: readonly Setting[], depth: number): { readonly texts: string[] } | { readonly reason: string } {
  const texts: string[] = [];
  for (const value of values) {
    const encoded = encodeAt(value, depth);
    if (!encoded.ok) return encoded;
    texts.push(encoded.text);
  }
  return { texts };
}

function encodeAt(value: Setting, depth: number): Encoded {
  if (value === null) return { ok: true, text: "null" };
  if (typeof value === "boolean") return { ok: true, text: String(value) };
  if (typeof value === "number") {
    const safe = Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
    return safe ? { ok: true, text: String(value) } : { ok: false, reason: `${value} is no number that survives the way` };
  }
  if (typeof value === "string") {
    const problem = stringProblem(value);
    return problem === null ? { ok: true, text: quote(value) } : { ok: false, reason: problem };
  }
  if (depth >= MAX_DEPTH) return { ok: false, reason: `is nested deeper than ${MAX_DEPTH}` };
  if (isList(value)) {
    const items = encodeAll(value, depth + 1);
    return "reason" in items ? { ok: false, reason: items.reason } : { ok: true, text: `[${items.texts.join(",")}]` };
  }
  const keys = Object.keys(value);
  const badKey = keys.find((key) => !MAP_KEY.test(key) || TYPED_WORDS.has(key.toLowerCase()));
  if (badKey !== undefined) return { ok: false, reason: `has the key ${JSON.stringify(badKey)}, which is no plain word` };
  const items = encodeAll(Object.values(value), depth + 1);
  return "reason" in items
    ? { ok: false, reason: items.reason }
    : { ok: true, text: `{${keys.map((key, i) => `${key}:${items.texts[i] ?? ""}`).join(",")}}` };
}

function isList(value: readonly Setting[] | { readonly [key: string]: Setting }): value is readonly Setting[] {
  return Array.isArray(value);
}

export function encodeSetting(value: Setting): Encoded {
  return encodeAt(value, 0);
}

/** Why `key` may not name a setting; null = it may. */
export function keyProblem(key: string): string | null {
  return HYDRA_KEY.test(key) && key.length <= 200
    ? null
    : "is not a key of verl's configuration (words joined by dots, + before it to add one)";
}
