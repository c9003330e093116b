/** Byte-exact ranges of a file that grows while it is read, whatever its bytes are; memory is bounded by the bytes returned. */
import type { LogRange } from "../control/ports.ts";
import { readAt } from "./regular-file.ts";

export const MAX_RANGE_BYTES = 1024 * 1024;
const BLOCK = 64 * 1024;
const NEWLINE = 0x0a;

export const EMPTY_RANGE: LogRange = { bytes: new Uint8Array(), start: 0, end: 0, size: 0 };

/** Bytes from `offset`, at most `limit` and 1 MiB; an offset beyond the end (a truncated file) reads nothing at the end. */
export function readRange(fd: number, size: number, offset: number, limit: number): LogRange {
  const start = Math.min(Math.max(0, offset), size);
  const bytes = readAt(fd, start, Math.min(Math.max(0, limit), MAX_RANGE_BYTES, size - start));
  return { bytes, start, end: start + bytes.length, size };
}

/** The last `lines` lines (the last may be unfinished), at most `maxBytes` and 1 MiB of them. Looks backwards block by block. */
export function readTail(fd: number, size: number, lines: number, maxBytes: number): LogRange {
  const floor = Math.max(0, size - Math.min(Math.max(0, maxBytes), MAX_RANGE_BYTES));
  const start = tailStart(fd, size, floor, lines);
  const bytes = readAt(fd, start, size - start);
  return { bytes, start, end: start + bytes.length, size };
}

/** Where the last `lines` lines begin, looking back to `floor` at most. */
export function tailStart(fd: number, size: number, floor: number, lines: number): number {
  if (lines <= 0) return size;
  let seen = 0;
  for (let end = size; end > floor;) {
    const begin = Math.max(floor, end - BLOCK);
    const block = readAt(fd, begin, end - begin);
    for (let at = block.lastIndexOf(NEWLINE); at >= 0; at = at === 0 ? -1 : block.lastIndexOf(NEWLINE, at - 1)) {
      // The newline that ends the file ends the last line; it begins none.
      if (begin + at === size - 1) continue;
      seen += 1;
      if (seen === lines) return begin + at + 1;
    }
    end = begin;
  }
  return floor;
}

/**
 * Complete lines from `offset`; `end` is the offset after the last of them. A line of more than 1 MiB is stepped over: its rest comes as a
 * line that does not parse.
 */
export function readLines(fd: number, size: number, offset: number): LogRange {
  const range = readRange(fd, size, offset, MAX_RANGE_BYTES);
  const last = range.bytes.lastIndexOf(NEWLINE);
  if (last < 0) return { ...range, bytes: new Uint8Array(), end: range.bytes.length === MAX_RANGE_BYTES ? range.end : range.start };
  return { ...range, bytes: range.bytes.subarray(0, last + 1), end: range.start + last + 1 };
}
