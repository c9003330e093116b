/** stdout is data, stderr is talk: colours, tables that fit the terminal, times that people read. */
import { styleText } from "node:util";
import { cells, cut, visible } from "./visible.ts";
import type { CliWorld, OutputStream } from "./world.ts";

type Style = Parameters<typeof styleText>[0];
export type Paint = (style: Style, text: string) => string;

/** NO_COLOR wins, FORCE_COLOR is for CI, else a terminal that is not dumb. */
export function painter(env: CliWorld["env"], stream: OutputStream): Paint {
  const forced = env["FORCE_COLOR"];
  const on =
    (env["NO_COLOR"] ?? "") === "" && (forced === undefined || forced === "" ? stream.isTTY && env["TERM"] !== "dumb" : forced !== "0");
  return (style, text) => (on && text !== "" ? styleText(style, text, { validateStream: false }) : text);
}

const STATE_STYLE: { readonly [state: string]: Style } = {
  QUEUED: "yellow",
  PENDING_RESOURCES: "yellow",
  SUBMITTING: "cyan",
  SUBMITTED: "cyan",
  RUNNING: "blue",
  SUCCEEDED: "green",
  FAILED: "red",
  CANCELED: "gray",
  LOST: "red",
  up: "green",
  down: "red",
  ACTIVE: "green",
  DISABLED: "gray",
  fits: "green",
};

/** A state in its colour; one of a newer server stays plain. */
export function paintState(paint: Paint, state: string): string {
  const style = Object.hasOwn(STATE_STYLE, state) ? STATE_STYLE[state] : undefined;
  return style === undefined ? visible(state) : paint(style, state);
}

export function durationText(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s}s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return `${minutes}m${s % 60 === 0 || minutes >= 10 ? "" : `${s % 60}s`}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}h${minutes % 60 === 0 ? "" : `${minutes % 60}m`}`;
  return `${Math.floor(hours / 24)}d${hours % 24 === 0 ? "" : `${hours % 24}h`}`;
}

/** `7.2 GiB`, `640 KiB`, `12 B`. */
export function bytesText(bytes: number): string {
  const unit = bytes < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** unit;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`;
}

/** `3m ago`, `in 2h`; the exact instant is in --json. */
export function relativeTime(instant: string | null, now: number): string {
  const at = instant === null ? Number.NaN : Date.parse(instant);
  if (Number.isNaN(at)) return "-";
  const away = at - now;
  return away > 500 ? `in ${durationText(away)}` : `${durationText(-away)} ago`;
}

/** Time between two instants, the second one open (null) while it goes on. */
export function spanText(from: string | null, to: string | null, now: number): string {
  if (from === null) return "-";
  const ms = (to === null ? now : Date.parse(to)) - Date.parse(from);
  return Number.isNaN(ms) ? "-" : durationText(ms);
}

export type Column = {
  readonly title: string;
  readonly align?: "right";
  /** Cells below which it is not cut. Absent: never cut. */
  readonly min?: number;
  /** Which side of a cut text stays. */
  readonly keep?: "start" | "end";
  readonly style?: (paint: Paint, text: string) => string;
};

const GAP = "  ";

/** Widths that fit into `room`: the widest column that may be cut gives first; when none can give more, columns go from the right. */
function fit(columns: readonly Column[], wanted: readonly number[], room: number): readonly number[] {
  const widths = [...wanted];
  const total = (): number => widths.reduce((sum, width) => sum + width + GAP.length, -GAP.length);
  while (total() > room) {
    const givers = [...widths.keys()].filter((at) => (widths[at] ?? 0) > (columns[at]?.min ?? Number.POSITIVE_INFINITY));
    const [widest] = givers.toSorted((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0));
    if (widest !== undefined) widths[widest] = (widths[widest] ?? 0) - 1;
    else if (widths.length > 1) widths.pop();
    else return [Math.min(widths[0] ?? 0, room)];
  }
  return widths;
}

/** Rows are raw text: every cell is made visible here. Without a width (no terminal) nothing is cut. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], paint: Paint, width: number | null): string {
  const shown = rows.map((row) => row.map(visible));
  const wanted = columns.map((column, at) => Math.max(cells(column.title), ...shown.map((row) => cells(row[at] ?? ""))));
  const widths = fit(columns, wanted, width ?? Number.POSITIVE_INFINITY);
  const line = (texts: readonly string[], style: (column: Column, text: string) => string): string =>
    widths
      .map((room, at) => {
        const column = columns[at] ?? { title: "" };
        const text = cut(texts[at] ?? "", room, column.keep);
        const blank = " ".repeat(Math.max(0, room - cells(text)));
        const styled = style(column, text);
        return column.align === "right" ? blank + styled : styled + blank;
      })
      .join(GAP)
      .trimEnd();
  const head = line(
    columns.map((column) => column.title),
    (_, text) => paint("bold", text),
  );
  return [head, ...shown.map((row) => line(row, (column, text) => column.style?.(paint, text) ?? text))].join("\n");
}

/** `label  value` lines of one thing; an empty value leaves its line out. Values may be painted, so they must be visible() already. */
export function sheet(pairs: readonly (readonly [label: string, value: string | null])[], paint: Paint): string {
  const kept = pairs.filter(([, value]) => value !== null && value !== "");
  const width = Math.max(0, ...kept.map(([label]) => label.length));
  return kept
    .map(([label, value]) => {
      const [first = "", ...rest] = (value ?? "").split("\n");
      return [`${paint("bold", label.padEnd(width))}  ${first}`, ...rest.map((line) => `${" ".repeat(width)}  ${line}`)].join("\n");
    })
    .join("\n");
}

/** JSON leaves C1, bidi and invisible characters as they are; escaped they are the same value and harmless on a terminal. */
export function jsonText(value: unknown, indent?: number): string {
  const units = /[\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udfff]/g;
  return JSON.stringify(value, null, indent).replace(units, (found) =>
    found.replaceAll(/[^]/g, (unit) => String.raw`\u` + unit.charCodeAt(0).toString(16).padStart(4, "0")),
  );
}

/** A word for a shell: as it is when harmless, else in single quotes. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
