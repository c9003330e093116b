/** Reads a log of any size for a diagnosis: all of it goes by once, its head and its tail are kept. */
import { createReadStream } from "node:fs";
import { type Diagnosis, diagnose, LOOKED_AT } from "../../domain/diagnosis/diagnose.ts";
import type { LogPart } from "../../domain/diagnosis/log-lines.ts";
import type { DiagnoseOptions } from "../../cli/world.ts";

/** Rejects with the system's error (ENOENT, EISDIR, EACCES) when the file can't be read. Memory does not grow with the file. */
export async function diagnoseFile(options: DiagnoseOptions, stdin: AsyncIterable<Uint8Array>): Promise<Diagnosis> {
  const source: AsyncIterable<Uint8Array> = options.log === "-" ? stdin : createReadStream(options.log, { highWaterMark: 1024 * 1024 });
  return diagnose({ log: await headAndTail(source), rayMessage: options.rayMessage });
}

const LINE_FEED = 10;

function lineFeeds(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) count += 1;
  return count;
}

/** One part while nothing was left out, else two, the second from the beginning of a line; bytes that are no UTF-8 become U+FFFD. */
async function headAndTail(source: AsyncIterable<Uint8Array>): Promise<readonly LogPart[]> {
  const head: Uint8Array[] = [];
  let headRoom = LOOKED_AT.headBytes;
  const tail: Uint8Array[] = [];
  let tailSize = 0;
  let skippedLines = 0;
  let skipped = false;
  for await (const chunk of source) {
    const first = chunk.subarray(0, headRoom);
    if (first.length > 0) head.push(first);
    headRoom -= first.length;
    const rest = chunk.subarray(first.length);
    if (rest.length === 0) continue;
    tail.push(rest);
    tailSize += rest.length;
    while (tailSize - (tail[0]?.length ?? 0) >= LOOKED_AT.tailBytes) {
      const gone = tail.shift() ?? new Uint8Array();
      tailSize -= gone.length;
      skippedLines += lineFeeds(gone);
      skipped = true;
    }
  }
  const headBytes = Buffer.concat(head);
  const tailBytes = Buffer.concat(tail);
  if (!skipped) return [{ text: decode(Buffer.concat([headBytes, tailBytes])), firstLine: 1 }];
  const beginning = tailBytes.indexOf(LINE_FEED) + 1;
  const before = lineFeeds(headBytes) + skippedLines + (beginning > 0 ? 1 : 0);
  return [
    { text: decode(headBytes), firstLine: 1 },
    { text: decode(tailBytes.subarray(beginning)), firstLine: before + 1 },
  ];
}

const decode = (bytes: Uint8Array): string => new TextDecoder("utf-8").decode(bytes);
