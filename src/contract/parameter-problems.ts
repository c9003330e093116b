/** What is wrong with a query or a JSON body, in words: the field, what was found, and what may stand there, as the schema says it. */
import { z } from "zod";
import type { FieldError } from "./problem.ts";

type Json = { readonly [key: string]: unknown };
type Issue = z.core.$ZodIssue;

/** A parameter of the query, or a field of the JSON body. */
export type Place = "parameter" | "field";

/** Unchecked text may be long and is quoted only so far. */
const MAX_FOUND_CHARS = 80;
const INSTANT = "an instant with its zone, such as 2026-01-31T08:00:00Z (in an address + is written %2B)";

/** The problems of a `value` that its schema refuses, one a field, and the words of all of them for `detail`. */
export function parameterProblems(schema: z.ZodType, value: unknown, place: Place): { detail: string; fields: FieldError[] } {
  const { error } = schema.safeParse(value, { reportInput: true });
  const fields = new Map<string, FieldError>();
  for (const issue of error?.issues ?? [])
    for (const problem of problemsOf(issue, schema, place)) if (!fields.has(problem.field)) fields.set(problem.field, problem);
  return { detail: [...fields.values()].map(sentence).join("; "), fields: [...fields.values()] };
}

function sentence({ field, message, allowed }: FieldError): string {
  return `${field} ${message}${allowed === null ? "" : `; allowed: ${allowed}`}`;
}

function problemsOf(issue: Issue, schema: z.ZodType, place: Place): FieldError[] {
  if (issue.code === "unrecognized_keys") {
    const names = Object.keys(propertiesOf(schema));
    const allowed = names.length === 0 ? null : names.join(", ");
    return issue.keys.map((key) => make(quoted(key), `is no ${place} of this call`, null, allowed));
  }
  const field = issue.path.join(".") || "body";
  const allowed = issue.path.length === 0 ? "a JSON object" : wordsOf(propertiesOf(schema)[String(issue.path[0])]);
  if (issue.input === undefined) return [make(field, "is missing", "nothing", allowed)];
  if (place === "parameter" && Array.isArray(issue.input)) return [make(field, "is given more than once", null, allowed)];
  const found = short(issue.input, place);
  return [make(field, `is ${found}${ownWords(issue)}`, found, allowed)];
}

function make(field: string, message: string, found: string | null, allowed: string | null): FieldError {
  return { field, line: null, column: null, message, found, allowed };
}

/** A name that would not be read as one, such as "" or one with blanks, stands in quotes. */
function quoted(key: string): string {
  return /^[\w.-]{1,80}$/.test(key) ? key : short(key, "field");
}

function short(value: unknown, place: Place): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const text = place === "parameter" && /^[\w.,:+-]+$/.test(String(value)) ? String(value) : JSON.stringify(value);
  return text.length > MAX_FOUND_CHARS ? `${text.slice(0, MAX_FOUND_CHARS)}…` : text;
}

/** What the schema itself says of a check of its own, such as "must hold no control characters". */
function ownWords({ message }: Issue): string {
  return message.startsWith("must ") ? `, which ${message}` : "";
}

function propertiesOf(schema: z.ZodType): Json {
  return (z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as { properties?: Json }).properties ?? {};
}

function wordsOf(schema: unknown): string | null {
  const { anyOf, enum: words, type, format, minimum, maximum, minLength, maxLength, description } = (schema ?? {}) as Json;
  if (Array.isArray(anyOf)) {
    const each = anyOf.map(wordsOf).filter((one) => one !== null);
    return each.length === 0 ? null : each.join(", or ");
  }
  if (Array.isArray(words)) return words.join(", ");
  if (type === "null") return "null";
  if (type === "boolean") return "true, false";
  if (type === "integer" || type === "number") return numberWords(type, Number(minimum), Number(maximum));
  if (format === "date-time") return INSTANT;
  if (type === "string") return textWords(Number(minLength ?? 0), Number(maxLength ?? Infinity), description);
  return null;
}

function numberWords(type: string, minimum: number, maximum: number): string {
  const kind = type === "integer" ? "a whole number" : "a number";
  return maximum < Number.MAX_SAFE_INTEGER ? `${kind} from ${minimum} to ${maximum}` : `${kind} of at least ${minimum}`;
}

function textWords(min: number, max: number, description: unknown): string {
  const length = max === Infinity ? "text" : `text of ${min === 0 ? "at most" : `${min} to`} ${max} characters`;
  return typeof description === "string" ? `${length} (${description})` : length;
}
