/** What happened: a hash of all of it, its last lines where asked for, and how often each thing occurred. */
import { hash } from "./random.ts";

const KEPT_LINES = 4_000;

export type Trace = {
  /** Goes into the hash always; `detail` is only built when lines are kept. */
  readonly note: (at: number, label: string, detail?: () => string) => void;
  /** Something that must occur sometimes, else the simulation tests less than it says. */
  readonly saw: (what: string) => void;
  readonly lines: () => readonly string[];
  readonly hash: () => string;
  readonly seen: ReadonlyMap<string, number>;
};

export function makeTrace(keepLines: boolean): Trace {
  const lines: string[] = [];
  const seen = new Map<string, number>();
  let low = 1;
  let high = 2;
  const mix = (text: string): void => {
    low = hash(text, low);
    high = hash(text, high ^ low);
  };
  return {
    note: (at, label, detail) => {
      mix(label);
      low = (low ^ at) >>> 0;
      if (!keepLines) return;
      const text = detail?.() ?? "";
      mix(text);
      lines.push(`${clockText(at)}  ${label}${text === "" ? "" : `  ${text}`}`);
      if (lines.length > 2 * KEPT_LINES) lines.splice(0, KEPT_LINES);
    },
    saw: (what) => {
      seen.set(what, (seen.get(what) ?? 0) + 1);
    },
    lines: () => lines,
    hash: () => `${low.toString(16).padStart(8, "0")}${(high >>> 0).toString(16).padStart(8, "0")}`,
    seen,
  };
}

function clockText(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  return `${String(minutes).padStart(4, " ")}:${((ms % 60_000) / 1000).toFixed(3).padStart(6, "0")}`;
}
