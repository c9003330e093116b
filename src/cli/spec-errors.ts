/** Errors of a TaskSpec, shown as a compiler shows them: place, line, caret, what was found, what is allowed. */
import type { FieldError } from "../contract/problem.ts";
import type { Paint } from "./output.ts";
import { cells, visible } from "./visible.ts";

/** The file as the user named it, and the text that was sent. */
export type SpecSource = { readonly file: string; readonly text: string };

/** Characters of a long line that are shown around the place. */
const SHOWN = 120;

/** From the place to the end of the word there; at least one. */
function caretLength(line: string, from: number): number {
  const word = /^(?:"[^"]*"|'[^']*'|\S+)/.exec(line.slice(from));
  return Math.max(1, cells(visible(word?.[0] ?? "")));
}

function excerpt(lineNo: number, column: number | null, source: SpecSource, paint: Paint): readonly string[] {
  const line = source.text.split(/\r?\n/)[lineNo - 1];
  if (line === undefined || line.trim() === "") return [];
  const at = column === null ? null : Math.min(column - 1, line.length);
  const start = at !== null && at > SHOWN / 2 ? at - SHOWN / 2 : 0;
  const part = line.slice(start, start + SHOWN);
  const gutter = ` ${lineNo} | `;
  const code = `${gutter}${start > 0 ? "…" : ""}${visible(part)}${start + SHOWN < line.length ? "…" : ""}`;
  if (at === null) return [code];
  const before = cells(visible(line.slice(start, at))) + (start > 0 ? 1 : 0);
  const caret = "^".repeat(caretLength(part, at - start));
  return [code, `${" ".repeat(gutter.length - 2)}| ${" ".repeat(before)}${paint("red", caret)}`];
}

function one(error: FieldError, source: SpecSource, paint: Paint): string {
  const place = [visible(source.file), error.line, error.line === null ? null : error.column].filter((part) => part !== null).join(":");
  const field = error.field === "" ? "" : `${visible(error.field)}: `;
  return [
    `${paint("bold", place)}: ${field}${visible(error.message)}`,
    ...(error.line === null ? [] : excerpt(error.line, error.column, source, paint)),
    ...(error.found === null ? [] : [`   found:   ${visible(error.found)}`]),
    ...(error.allowed === null ? [] : [`   allowed: ${visible(error.allowed)}`]),
  ].join("\n");
}

/** In the order of the file; those without a place last. */
export function specErrorsText(errors: readonly FieldError[], source: SpecSource, paint: Paint): string {
  const byLine = errors.toSorted((a, b) => (a.line ?? Number.POSITIVE_INFINITY) - (b.line ?? Number.POSITIVE_INFINITY) || 0);
  return byLine.map((error) => one(error, source, paint)).join("\n\n");
}
