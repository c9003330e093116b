/** The diagnosis of an attempt's log, made here, in the process that can be killed: a hostile log may cost it seconds. */
import { type Diagnosis, diagnose, LOOKED_AT } from "../domain/diagnosis/diagnose.ts";
import type { LogPart } from "../domain/diagnosis/log-lines.ts";
import { readAt } from "./regular-file.ts";

const BLOCK = 1024 * 1024;
const NEWLINE = 0x0a;
/** Lines before the tail are counted up to this; behind more, the lines of the tail have no number. */
const MAX_COUNTED = 1024 * 1024 * 1024;

export function diagnoseOpenLog(fd: number, size: number, rayMessage: string): Diagnosis {
  const { headBytes, tailBytes } = LOOKED_AT;
  if (size <= headBytes + tailBytes) return diagnose({ log: [part(readAt(fd, 0, size), 1)], rayMessage });
  const tailStart = size - tailBytes;
  const before = tailStart > MAX_COUNTED ? null : newlines(fd, tailStart);
  const log = [part(readAt(fd, 0, headBytes), 1), part(readAt(fd, tailStart, tailBytes), before === null ? null : before + 1)];
  return diagnose({ log, rayMessage });
}

function part(bytes: Buffer, firstLine: number | null): LogPart {
  return { text: bytes.toString("utf8"), firstLine };
}

function newlines(fd: number, upTo: number): number {
  let count = 0;
  for (let at = 0; at < upTo; at += BLOCK) {
    const block = readAt(fd, at, Math.min(BLOCK, upTo - at));
    for (let feed = block.indexOf(NEWLINE); feed >= 0; feed = block.indexOf(NEWLINE, feed + 1)) count += 1;
  }
  return count;
}
