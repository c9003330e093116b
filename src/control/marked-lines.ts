import type { LogScan } from "./file-ports.ts";

export type MarkedLine = { readonly bytes: Uint8Array; readonly offset: number; readonly end: number };

/** The lines of a scan, each with its place in the file. */
export function* markedLines({ bytes, marks }: LogScan): Generator<MarkedLine> {
  let from = 0;
  for (let mark = 0; mark < marks.length; mark += 2) {
    const [offset = 0, length = 0] = marks.slice(mark, mark + 2);
    yield { bytes: bytes.subarray(from, from + length), offset, end: offset + length };
    from += length;
  }
}
