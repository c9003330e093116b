import { linePattern } from "../domain/line-pattern.ts";
import type { MarkedLine } from "./marked-lines.ts";

const NEWLINE = 10;

/** The lines of a part of a log, which begins at `start`, that match a pattern, which was checked before. */
export function matchingLines(
  { bytes, start }: { readonly bytes: Uint8Array; readonly start: number },
  grep: string,
): readonly MarkedLine[] {
  const reading = linePattern(grep);
  if (reading.kind === "bad") throw new Error(`the pattern can't be used: ${reading.why}`);
  const work = { units: 0 };
  const out: MarkedLine[] = [];
  for (let from = 0; from < bytes.length;) {
    const feed = bytes.indexOf(NEWLINE, from);
    const to = feed < 0 ? bytes.length : feed + 1;
    if (reading.pattern.test(bytes, from, feed < 0 ? to : feed, work))
      out.push({ bytes: bytes.subarray(from, to), offset: start + from, end: start + to });
    from = to;
  }
  return out;
}
