/**
 * `logs/times`, which the launcher writes: a record each 5 s while something was written, `<epoch ms> <bytes of driver.log> <bytes of metrics.jsonl>`
 * in 58 characters, so that an instant is found by halving.
 */
import type { FileTime } from "../domain/insight/pace.ts";
import { readAt } from "./regular-file.ts";

export const TIMES_FILE = "times";
const RECORD_BYTES = 58;
const RECORD = /^ *(\d{1,15}) +(\d{1,20}) +(\d{1,20})\n$/;
const MOST_READ = 2_000;

/** The newest records, oldest first, at most 2000 (3 hours of steady output); ones that can't be read are left out. */
export function readTimes(fd: number, size: number): readonly FileTime[] {
  const count = Math.floor(size / RECORD_BYTES);
  const from = Math.max(0, count - MOST_READ);
  const text = readAt(fd, from * RECORD_BYTES, (count - from) * RECORD_BYTES).toString("latin1");
  return Array.from({ length: count - from }, (_, at) => parse(text.slice(at * RECORD_BYTES, (at + 1) * RECORD_BYTES))).filter(
    (one) => one !== null,
  );
}

function parse(record: string): FileTime | null {
  const match = RECORD.exec(record);
  return match === null ? null : { at: Number(match[1]), logBytes: Number(match[2]), metricsBytes: Number(match[3]) };
}

/** Where the log stood at the last record before `at`; 0 when there is none. A record that can't be read counts as later: rather too much. */
export function logOffsetAt(fd: number, size: number, at: number): number {
  const record = (index: number): FileTime | null => parse(readAt(fd, index * RECORD_BYTES, RECORD_BYTES).toString("latin1"));
  let low = -1;
  let high = Math.floor(size / RECORD_BYTES);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const time = record(middle);
    if (time !== null && time.at < at) low = middle;
    else high = middle;
  }
  return low < 0 ? 0 : (record(low)?.logBytes ?? 0);
}
