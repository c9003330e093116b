/** Option values, checked before anything is sent. A wrong one is a usage error that says what is allowed. */
import { InvalidArgumentError } from "commander";
import { usageError } from "./problem-error.ts";
import { visible } from "./visible.ts";

const UNIT_S: { readonly [unit: string]: number } = { s: 1, m: 60, h: 3600, d: 86_400 };

/** `8h`, `90m`, `1h30m`, `2d` → seconds. A bare number is refused: minutes for one scheduler are seconds for another. */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d{1,9})([smhd])/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text)
    throw new InvalidArgumentError("write a time with its unit: 90m, 8h, 1h30m, 2d.");
  const seconds = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_S[unit ?? ""] ?? 0), 0);
  if (seconds <= 0) throw new InvalidArgumentError("it must be longer than nothing.");
  return seconds;
}

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^-?\d{1,9}$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`it must be a whole number from ${min} to ${max}.`);
  };
}

/** A whole number ≥ 0, or `none` for no limit (not null: commander takes that for a missing value). */
export function limitValue(text: string): number | "none" {
  return text === "none" ? text : wholeNumber(0, 999_999_999)(text);
}

/** `k=v`, repeatable. */
export function labelValue(text: string, previous: readonly string[] | undefined): readonly string[] {
  if (!/^[^=]+=/.test(text)) throw new InvalidArgumentError("write it as key=value.");
  return [...(previous ?? []), text];
}

export function repeated(text: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), text];
}

const NOT_BEFORE = Date.parse("1970-01-01T00:00:00Z");
const NOT_AFTER = Date.parse("9999-12-31T23:59:59Z");

/** RFC 3339 with its offset (`2026-08-01T18:00:00Z`, `…+02:00`), or a length of time (`12h`, `+12h`) counted forward or back from `now`. */
function instantFrom(text: string, now: number, direction: 1 | -1, hint: string): string {
  const length = /^\+?((?:\d+[smhd])+)$/.exec(text)?.[1];
  const written = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/i.test(text);
  const at =
    length !== undefined ? now + direction * parseDuration(length) * 1000 : written ? Date.parse(text.replace(" ", "T")) : Number.NaN;
  if (at >= NOT_BEFORE && at <= NOT_AFTER) return new Date(at).toISOString();
  throw usageError(
    `${visible(text)} is not a time`,
    `write it with its offset, 2026-08-01T18:00:00Z or 2026-08-01T18:00:00+02:00, ${hint}`,
  );
}

/** An instant, or from now on: `30d`, `+12h`. */
export function instantValue(text: string, now: number): string {
  return instantFrom(text, now, 1, "or from now on: +12h");
}

/** An instant, or so long ago: `2h`, `30d`. */
export function pastInstantValue(text: string, now: number): string {
  return instantFrom(text, now, -1, "or so long ago: 2h");
}

/** Ids and their shortened forms; anything else can't be one and is not sent. */
export function taskIdText(text: string): string {
  if (!/^[a-z0-9-]{1,128}$/.test(text))
    throw usageError(`${visible(text)} is not a task id`, "an id holds a-z, 0-9 and - only; `verlpool list` shows them");
  if (text.length < 4) throw usageError(`${text} is too short for a task id`, "give at least 4 characters of its beginning or its end");
  return text;
}
