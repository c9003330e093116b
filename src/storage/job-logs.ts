/** Logs and metrics of an attempt by byte range. A missing file, also a missing directory of a job that never began, is empty. */
import { readdirSync } from "node:fs";
import type { LogPlace, LogScan } from "../control/file-ports.ts";
import type { LogRange } from "../control/ports.ts";
import { type Diagnosis, diagnose } from "../domain/diagnosis/diagnose.ts";
import type { FileTime } from "../domain/insight/pace.ts";
import { jobParts } from "./attempt-directory.ts";
import { diagnoseOpenLog } from "./diagnose-log.ts";
import { EMPTY_RANGE, readLines, readRange, readTail, tailStart } from "./log-range.ts";
import { NO_SCAN, scanLog, type ScanRequest } from "./log-scan.ts";
import { logOffsetAt, readTimes, TIMES_FILE } from "./log-times.ts";
import { withDirectory, within } from "./open-directory.ts";
import { withOwnFile } from "./regular-file.ts";

const LOG = "driver.log";

export function readJobLog(root: string, userId: string, submissionId: string, offset: number, limit: number): LogRange {
  return read(root, userId, submissionId, LOG, EMPTY_RANGE, (fd, size) => readRange(fd, size, offset, limit));
}

export function tailJobLog(root: string, userId: string, submissionId: string, lines: number, maxBytes: number): LogRange {
  return read(root, userId, submissionId, LOG, EMPTY_RANGE, (fd, size) => readTail(fd, size, lines, maxBytes));
}

export function readJobMetrics(root: string, userId: string, submissionId: string, offset: number): LogRange {
  return read(root, userId, submissionId, "metrics.jsonl", EMPTY_RANGE, (fd, size) => readLines(fd, size, offset));
}

export function scanJobLog(root: string, userId: string, submissionId: string, request: ScanRequest): LogScan {
  return read(root, userId, submissionId, LOG, NO_SCAN, (fd, size) => scanLog(fd, size, request));
}

export type SeekFrom = { readonly lines: number; readonly maxBytes: number } | { readonly since: number };

export function seekJobLog(root: string, userId: string, submissionId: string, from: SeekFrom): LogPlace {
  const nowhere = { start: 0, size: 0 };
  if ("lines" in from)
    return read(root, userId, submissionId, LOG, nowhere, (fd, size) => ({
      start: tailStart(fd, size, Math.max(0, size - from.maxBytes), from.lines),
      size,
    }));
  const start = read(root, userId, submissionId, TIMES_FILE, 0, (fd, size) => logOffsetAt(fd, size, from.since));
  return read(root, userId, submissionId, LOG, nowhere, (_, size) => ({ start: Math.min(start, size), size }));
}

export function readJobTimes(root: string, userId: string, submissionId: string): readonly FileTime[] {
  return read<readonly FileTime[]>(root, userId, submissionId, TIMES_FILE, [], readTimes);
}

export function diagnoseJobLog(root: string, userId: string, submissionId: string, rayMessage: string): Diagnosis {
  const nothing = diagnose({ log: [], rayMessage });
  return read(root, userId, submissionId, LOG, nothing, (fd, size) => diagnoseOpenLog(fd, size, rayMessage));
}

function read<T>(root: string, userId: string, submissionId: string, name: string, none: T, use: (fd: number, size: number) => T): T {
  return withDirectory(root, jobParts(userId, submissionId), (job) => {
    if (!readdirSync(job.at(".")).includes("logs")) return none;
    return within(job, "logs", (logs) => withOwnFile(logs, name, (fd, stats) => use(fd, stats.size))) ?? none;
  });
}
