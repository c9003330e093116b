/**
 * The small part of YAML 1.2 that people write by hand: mappings, lists and scalars. Anchors, aliases, tags, merge keys, complex keys,
 * directives and second documents are refused, and every scalar stays a text: the schema of the file decides types, not YAML.
 * Bounded before it is parsed: size, depth (the `yaml` package recurses; 16 KiB of `[` overflow its stack) and number of tokens.
 */
import { CST, isMap, isScalar, isSeq, Lexer, LineCounter, parseDocument } from "yaml";
import { isPrototypeKey } from "../domain/verl/spec-rules.ts";
import type { FieldError } from "./problem.ts";

export type Position = { readonly line: number; readonly column: number };
export type YamlScalar = Position & { readonly kind: "scalar"; readonly text: string; readonly quoted: boolean };
export type YamlList = Position & { readonly kind: "list"; readonly items: readonly YamlNode[] };
export type YamlMap = Position & { readonly kind: "map"; readonly entries: readonly YamlEntry[] };
/** Something that an error of the result speaks of already (an alias, a depth, a complex key): judge it no further. */
export type YamlRefused = Position & { readonly kind: "refused" };
export type YamlNode = YamlScalar | YamlList | YamlMap | YamlRefused;
export type YamlEntry = Position & { readonly key: string; readonly value: YamlNode };

export type YamlLimits = { readonly maxBytes: number; readonly maxDepth: number; readonly maxTokens: number };
export type YamlResult =
  /** `errors` are about structure; the caller adds its own about the values, so that a person sees all of them at once. */
  | { readonly ok: true; readonly map: YamlMap; readonly errors: readonly FieldError[] }
  | { readonly ok: false; readonly reason: "too_large" | "invalid"; readonly errors: readonly FieldError[] };

/** The field name of an error that concerns the file as a whole. */
export const WHOLE_FILE = "(file)";

const YAML_SHAPE = "plain YAML: `field: value` lines, UTF-8";

export function wholeFileError(line: number, column: number, message: string, found: string | null = null): FieldError {
  return { field: WHOLE_FILE, line, column, message, found, allowed: YAML_SHAPE };
}

type Decoded = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly error: FieldError };

/** Where the first byte stands that is not UTF-8: every line is decoded alone, which UTF-8 allows. */
function badUtf8(bytes: Uint8Array): FieldError {
  let line = 1;
  for (let start = 0; start <= bytes.length; line += 1) {
    const feed = bytes.indexOf(0x0a, start);
    const end = feed === -1 ? bytes.length : feed;
    const text = new TextDecoder("utf-8").decode(bytes.subarray(start, end));
    const column = text.indexOf("\ufffd");
    if (column !== -1) return wholeFileError(line, column + 1, "is not valid UTF-8 here");
    start = end + 1;
  }
  return wholeFileError(1, 1, "is not valid UTF-8");
}

function decode(input: Uint8Array): Decoded {
  if ((input[0] === 0xff && input[1] === 0xfe) || (input[0] === 0xfe && input[1] === 0xff)) {
    return { ok: false, error: wholeFileError(1, 1, "is UTF-16; save it as UTF-8") };
  }
  if (input[0] === 0xef && input[1] === 0xbb && input[2] === 0xbf) {
    return { ok: false, error: wholeFileError(1, 1, "starts with a byte order mark; save it as UTF-8 without BOM", "U+FEFF") };
  }
  try {
    return { ok: true, text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(input) };
  } catch {
    return { ok: false, error: badUtf8(input) };
  }
}

/** C0 but tab and line feed (CR only before LF), DEL, C1, BOM, line separators, non-characters, and what turns text around on a screen. */
const FORBIDDEN =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]|\r(?!\n)|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

function positionOf(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  const lastFeed = before.lastIndexOf("\n");
  return { line: before.split("\n").length, column: offset - lastFeed };
}

function forbiddenCharacter(text: string): FieldError | null {
  const match = FORBIDDEN.exec(text);
  if (match === null) return null;
  const { line, column } = positionOf(text, match.index);
  const point = `U+${(match[0].charCodeAt(0) || 0).toString(16).toUpperCase().padStart(4, "0")}`;
  if (match.index === 0 && point === "U+FEFF") {
    return wholeFileError(1, 1, "starts with a byte order mark; save it as UTF-8 without BOM", point);
  }
  const owner = /^([A-Za-z_][\w.-]{0,60})[ \t]*:/.exec(text.split("\n")[line - 1] ?? "")?.[1] ?? WHOLE_FILE;
  return { ...wholeFileError(line, column, `holds the character ${point}, which may not stand in it`, point), field: owner };
}

const REFUSED_TOKENS: { readonly [type: string]: string } = {
  alias: "uses a YAML alias (*name); write the value itself",
  anchor: "uses a YAML anchor (&name); write the value itself",
  tag: "uses a YAML tag (!…); write the plain value",
  "directive-line": "has a YAML directive (%…)",
  "explicit-key-ind": "has a complex key (? …); keys are plain words",
};

const SCALAR_MARK = "\u001f";
/** The lexer's own tokens (document start, flow end, scalar): control characters that do not stand in the text. */
const LEXER_MARKS: ReadonlySet<string> = new Set(["\u0002", "\u0018", SCALAR_MARK]);

/** One pass over the tokens, without recursion, before anything is parsed. Stops at the first thing that is never allowed in any place. */
function scanTokens(text: string, limits: YamlLimits): { readonly fatal: FieldError | null; readonly errors: readonly FieldError[] } {
  const errors: FieldError[] = [];
  let offset = 0;
  let tokens = 0;
  let flowDepth = 0;
  let dashes = 0;
  let documents = 0;
  let ended = false;
  let atScalar = false;
  const at = (message: string, found: string): FieldError => {
    const { line, column } = positionOf(text, offset);
    return wholeFileError(line, column, message, LEXER_MARKS.has(found) ? null : found.slice(0, 60));
  };
  for (const source of new Lexer().lex(text)) {
    // A text after the scalar mark is a scalar whatever it looks like (`a: ...` holds no document end).
    const type = atScalar ? "scalar" : CST.tokenType(source);
    atScalar = source === SCALAR_MARK;
    tokens += 1;
    if (tokens > limits.maxTokens) return { fatal: at("has far more parts than such a file ever needs", source), errors };
    if (type === "flow-map-start" || type === "flow-seq-start") flowDepth += 1;
    else if (type === "flow-map-end" || type === "flow-seq-end") flowDepth -= 1;
    if (type === "seq-item-ind") dashes += 1;
    else if (type === "newline") dashes = 0;
    if (flowDepth + dashes > limits.maxDepth) return { fatal: at(`is nested deeper than ${limits.maxDepth}`, source), errors };
    const refused = type === null ? undefined : REFUSED_TOKENS[type];
    if (refused !== undefined) {
      const error = at(refused, source);
      if (type === "explicit-key-ind" || type === "directive-line" || errors.length >= 20) return { fatal: error, errors };
      errors.push(error);
    }
    const content = type === "scalar" || type === "single-quoted-scalar" || type === "double-quoted-scalar" || type === "map-value-ind";
    if (type === "doc-start") documents += 1;
    if (type === "doc-end") ended = true;
    if (documents > 1 || (ended && content)) return { fatal: at("holds a second YAML document; one file is one document", source), errors };
    if (content) documents = Math.max(documents, 1);
    if (!LEXER_MARKS.has(source)) offset += source.length;
  }
  return { fatal: null, errors };
}

/** `yaml`'s messages are good, but some speak of its inside; these are for people. */
const SYNTAX: { readonly [code: string]: string } = {
  TAB_AS_INDENT: "is indented by a tab; use blanks",
  BAD_INDENT: "is indented in a way that does not fit the lines above",
  BLOCK_AS_IMPLICIT_KEY: "has a second `: ` in one line; quote the value, or start a new line",
  MISSING_CHAR: "lacks a character (a quote, a bracket, a colon or a comma) near here",
  MULTILINE_IMPLICIT_KEY: "has a field name that spans lines; is a colon missing?",
  UNEXPECTED_TOKEN: "has something here that YAML does not expect",
};

type Context = { readonly counter: LineCounter; readonly errors: FieldError[]; readonly maxDepth: number };

function positionAt(context: Context, range: readonly number[] | null | undefined): Position {
  const { line, col } = context.counter.linePos(range?.[0] ?? 0);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

function toEntries(items: readonly { key: unknown; value: unknown }[], depth: number, context: Context, trail: string): YamlEntry[] {
  const entries: YamlEntry[] = [];
  const seen = new Map<string, number>();
  for (const { key, value } of items) {
    if (!isScalar(key)) {
      context.errors.push(wholeFileError(1, 1, "has a key that is not a plain word"));
      continue;
    }
    const at = positionAt(context, key.range);
    const name = typeof key.value === "string" ? key.value : "";
    const path = trail === "" ? name : `${trail}.${name}`;
    const first = seen.get(name);
    if (isPrototypeKey(name)) {
      const message = "is not a field: this name is never allowed, at any depth";
      context.errors.push({ field: path, ...at, message, found: name, allowed: "another name" });
    } else if (name === "<<") {
      context.errors.push({ field: "<<", ...at, message: "merge keys are not supported", found: "<<", allowed: YAML_SHAPE });
    } else if (first !== undefined) {
      context.errors.push({
        field: path,
        ...at,
        message: `is given twice; first in line ${first}`,
        found: "a second value",
        allowed: "each key once",
      });
    } else {
      seen.set(name, at.line);
      entries.push({ key: name, ...at, value: toNode(value, depth + 1, context, path, at) });
    }
  }
  return entries;
}

function toNode(node: unknown, depth: number, context: Context, trail: string, near: Position): YamlNode {
  if (isScalar(node)) {
    const quoted = node.type !== "PLAIN" && node.type !== undefined;
    const text = typeof node.value === "string" ? node.value : "";
    return { kind: "scalar", ...(text === "" && !quoted ? near : positionAt(context, node.range)), text, quoted };
  }
  if (depth > context.maxDepth) {
    context.errors.push({ field: trail, ...near, message: `is nested deeper than ${context.maxDepth}`, found: null, allowed: YAML_SHAPE });
  } else if (isMap(node)) {
    return { kind: "map", ...positionAt(context, node.range), entries: toEntries(node.items, depth, context, trail) };
  } else if (isSeq(node)) {
    const items = node.items.map((item) => toNode(item, depth + 1, context, trail, near));
    return { kind: "list", ...positionAt(context, node.range), items };
  }
  // Left: an alias, which the token scan has refused, or nothing at all (`{a}`, `a` without a colon).
  return node === null ? { kind: "scalar", ...near, text: "", quoted: false } : { kind: "refused", ...near };
}

/** Names the top-level key under which each error of the token scan stands, so that the reader finds it. */
function named(errors: readonly FieldError[], map: YamlMap | null): readonly FieldError[] {
  return errors.map((error) => {
    const owner = map?.entries.findLast(
      (entry) => entry.line < (error.line ?? 0) || (entry.line === error.line && entry.column <= (error.column ?? 0)),
    );
    return owner === undefined ? error : { ...error, field: owner.key };
  });
}

export function readStrictYaml(input: Uint8Array | string, limits: YamlLimits): YamlResult {
  const size = typeof input === "string" ? new TextEncoder().encode(input).byteLength : input.byteLength;
  if (size > limits.maxBytes) {
    const message = `is ${size} bytes; at most ${limits.maxBytes} are read`;
    return {
      ok: false,
      reason: "too_large",
      errors: [{ ...wholeFileError(1, 1, message, `${size} bytes`), allowed: `≤ ${limits.maxBytes} bytes` }],
    };
  }
  const invalid = (errors: readonly FieldError[]): YamlResult => ({ ok: false, reason: "invalid", errors });
  const decoded: Decoded = typeof input === "string" ? { ok: true, text: input } : decode(input);
  if (!decoded.ok) return invalid([decoded.error]);
  const { text } = decoded;
  const character = forbiddenCharacter(text);
  if (character !== null) return invalid([character]);
  const scan = scanTokens(text, limits);
  if (scan.fatal !== null) return invalid([...scan.errors, scan.fatal]);

  const counter = new LineCounter();
  const document = parseDocument(text, {
    schema: "failsafe",
    uniqueKeys: false,
    prettyErrors: false,
    lineCounter: counter,
    logLevel: "silent",
  });
  const context: Context = { counter, errors: [], maxDepth: limits.maxDepth };
  if (document.errors.length > 0) {
    const syntax = document.errors.slice(0, 20).map((error) => {
      const { line, column } = positionAt(context, error.pos);
      return wholeFileError(line, column, SYNTAX[error.code] ?? `is not YAML here: ${error.message}`);
    });
    return invalid(scan.errors.length > 0 ? scan.errors : syntax);
  }
  const root = document.contents;
  if (root === null || (isScalar(root) && root.value === "")) return invalid([wholeFileError(1, 1, "is empty", "nothing")]);
  if (!isMap(root)) {
    const kind = isSeq(root) ? "a list" : "a single text";
    return invalid([...scan.errors, wholeFileError(1, 1, `is ${kind}, not a mapping of \`field: value\` lines`, kind)]);
  }
  const map: YamlMap = { kind: "map", ...positionAt(context, root.range), entries: toEntries(root.items, 0, context, "") };
  return { ok: true, map, errors: [...named(scan.errors, map), ...context.errors] };
}
