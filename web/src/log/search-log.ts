/** Looks for a text in a log of any length, block by block, without keeping what it reads. */
import type { Range } from "./read-range.ts";

/** Together with what overlaps the next block this is the most that the API gives at once: 1 MiB. */
const MOST_TEXT_BYTES = 4096;
const BLOCK_BYTES = 1024 * 1024 - MOST_TEXT_BYTES;

export type Direction = "forward" | "backward";
export type ReadBlock = (offset: number, limit: number) => Promise<Range>;

/**
 * The offset of the next place after `from` (before it, backward) that holds `text`, whatever the case of its ASCII letters; null = none up to the end
 * (the beginning). `onProgress` is told the bytes that were looked through.
 */
export async function searchLog(
  text: string,
  from: number,
  size: number,
  direction: Direction,
  read: ReadBlock,
  onProgress: (looked: number) => void,
): Promise<number | null> {
  const needle = lowered(new TextEncoder().encode(text)).slice(0, MOST_TEXT_BYTES);
  if (needle.length === 0) return null;
  const overlap = needle.length - 1;
  let at = from;
  while (direction === "forward" ? at < size : at > 0) {
    const start = direction === "forward" ? at : Math.max(0, at - BLOCK_BYTES);
    const length = direction === "forward" ? BLOCK_BYTES : at - start;
    const { bytes } = await read(start, Math.min(length + overlap, BLOCK_BYTES + overlap));
    if (bytes.length === 0) return null;
    const found = indexOf(lowered(bytes), needle, direction);
    if (found !== -1) return start + found;
    at = direction === "forward" ? start + Math.max(1, Math.min(bytes.length, BLOCK_BYTES)) : start;
    onProgress(direction === "forward" ? at - from : from - at);
  }
  return null;
}

function lowered(bytes: Uint8Array): Uint8Array {
  const lower = bytes.slice();
  for (let i = 0; i < lower.length; i += 1) {
    const byte = lower[i] ?? 0;
    if (byte >= 65 && byte <= 90) lower[i] = byte + 32;
  }
  return lower;
}

function indexOf(hay: Uint8Array, needle: Uint8Array, direction: Direction): number {
  const first = needle[0] ?? 0;
  const step = (at: number): number => (direction === "forward" ? hay.indexOf(first, at) : hay.lastIndexOf(first, at));
  const last = hay.length - needle.length;
  for (let at = step(direction === "forward" ? 0 : last); at !== -1 && at <= last; at = step(direction === "forward" ? at + 1 : at - 1)) {
    if (needle.every((byte, i) => hay[at + i] === byte)) return at;
    if (direction === "backward" && at === 0) return -1;
  }
  return -1;
}
