/** Logs and metrics of an attempt by byte range. A missing file, also a missing directory of a job that never began, is empty. */
import { readdirSync } from "node:fs";
import type { LogRange } from "../control/ports.ts";
import { jobParts } from "./attempt-directory.ts";
import { EMPTY_RANGE, readLines, readRange, readTail } from "./log-range.ts";
import { withDirectory, within } from "./open-directory.ts";
import { withOwnFile } from "./regular-file.ts";

export function readJobLog(root: string, userId: string, submissionId: string, offset: number, limit: number): LogRange {
  return read(root, userId, submissionId, "driver.log", (fd, size) => readRange(fd, size, offset, limit));
}

export function tailJobLog(root: string, userId: string, submissionId: string, lines: number, maxBytes: number): LogRange {
  return read(root, userId, submissionId, "driver.log", (fd, size) => readTail(fd, size, lines, maxBytes));
}

export function readJobMetrics(root: string, userId: string, submissionId: string, offset: number): LogRange {
  return read(root, userId, submissionId, "metrics.jsonl", (fd, size) => readLines(fd, size, offset));
}

function read(root: string, userId: string, submissionId: string, name: string, use: (fd: number, size: number) => LogRange): LogRange {
  return withDirectory(root, jobParts(userId, submissionId), (job) => {
    if (!readdirSync(job.at(".")).includes("logs")) return EMPTY_RANGE;
    return within(job, "logs", (logs) => withOwnFile(logs, name, (fd, stats) => use(fd, stats.size))) ?? EMPTY_RANGE;
  });
}
