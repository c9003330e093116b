/** The lines of a log that match a pattern, read forward in bounded pieces whatever the log is: 10 GB, one line, no text at all. */
import type { LogScan } from "../control/file-ports.ts";
import { type LinePattern, linePattern } from "../domain/line-pattern.ts";
import { MAX_RANGE_BYTES } from "./log-range.ts";
import { readAt } from "./regular-file.ts";

const BLOCK = 1024 * 1024;
/** Longer lines are looked at in pieces of this length. */
const MAX_LINE = BLOCK;
/** What one scan may cost: about a unit a byte for a pattern, less for plain text, which is found many times as fast. */
const MAX_WORK = 32 * 1024 * 1024;
const LITERAL_COST = 1 / 8;
const NEWLINE = 0x0a;

export type ScanRequest = {
  readonly pattern: string;
  readonly offset: number;
  readonly maxLines: number;
  /** Whether an unfinished last line counts. */
  readonly lastLine: boolean;
};

export const NO_SCAN: LogScan = { bytes: new Uint8Array(), marks: [], start: 0, end: 0, size: 0 };

let last: { readonly text: string; readonly pattern: LinePattern } | null = null;

/** Throws for a pattern that is none: the caller has looked at it before. */
function compiled(text: string): LinePattern {
  if (last?.text === text) return last.pattern;
  const reading = linePattern(text);
  if (reading.kind === "bad") throw new Error(`the pattern can't be used: ${reading.why}`);
  last = { text, pattern: reading.pattern };
  return reading.pattern;
}

/** From `offset` on until enough was found or looked at; go on at `end`. Nothing is left when it is `size`, or the last line is unfinished. */
export function scanLog(fd: number, size: number, request: ScanRequest): LogScan {
  const pattern = compiled(request.pattern);
  const start = Math.min(Math.max(0, request.offset), size);
  const found: Uint8Array[] = [];
  const marks: number[] = [];
  const work = { units: 0 };
  let room = MAX_RANGE_BYTES;
  let at = start;
  while (at < size && work.units < MAX_WORK) {
    const block = readAt(fd, at, Math.min(BLOCK, size - at));
    const isWhole = request.lastLine && at + block.length >= size;
    const upTo = isWhole || (block.length === MAX_LINE && !block.includes(NEWLINE)) ? block.length : block.lastIndexOf(NEWLINE) + 1;
    if (upTo === 0) break;
    for (const line of matchingLines(block.subarray(0, upTo), pattern, work)) {
      const length = line.to - line.from;
      if (marks.length >= 2 * request.maxLines || (length > room && found.length > 0)) {
        const end = at + line.from;
        return { bytes: Buffer.concat(found), marks, start, end, size };
      }
      // A copy: the block is let go.
      found.push(Uint8Array.from(block.subarray(line.from, line.to)));
      marks.push(at + line.from, length);
      room -= length;
    }
    at += upTo;
  }
  return { bytes: Buffer.concat(found), marks, start, end: at, size };
}

type Place = { readonly from: number; readonly to: number };

/** `to` is after the line end. */
function* matchingLines(block: Buffer, pattern: LinePattern, work: { units: number }): Generator<Place> {
  if (pattern.literal !== null) {
    yield* linesWith(block, pattern.literal);
    work.units += block.length * LITERAL_COST;
    return;
  }
  for (let from = 0; from < block.length;) {
    const feed = block.indexOf(NEWLINE, from);
    const to = feed < 0 ? block.length : feed + 1;
    if (pattern.test(block, from, feed < 0 ? to : feed, work)) yield { from, to };
    from = to;
  }
}

function* linesWith(block: Buffer, text: Uint8Array): Generator<Place> {
  for (let at = block.indexOf(text); at >= 0;) {
    const from = at === 0 ? 0 : block.lastIndexOf(NEWLINE, at - 1) + 1;
    const feed = block.indexOf(NEWLINE, at);
    const to = feed < 0 ? block.length : feed + 1;
    yield { from, to };
    at = to >= block.length ? -1 : block.indexOf(text, to);
  }
}
