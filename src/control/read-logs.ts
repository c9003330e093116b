/** The driver's log of a task, from shared storage by byte range: never through Ray, whose log endpoint reads whole files and forgets them. */
import { AppError } from "../domain/app-error.ts";
import { linePattern } from "../domain/line-pattern.ts";
import type { Attempt, Task } from "../domain/types.ts";
import { matchingLines } from "./matching-lines.ts";
import type { LogFiles } from "./file-ports.ts";
import type { Clock, JobFiles, LogRange, Store } from "./ports.ts";

export const MAX_LOG_BYTES = 1_048_576;
const MAX_LINES = 10_000;

export type LogDeps = { readonly store: Store; readonly files: JobFiles; readonly logs: LogFiles; readonly clock: Clock };
export type WhichAttempt = "latest" | number;

export type LogPart = LogRange & { readonly attempt: number };

const EMPTY: LogPart = { attempt: 0, bytes: new Uint8Array(), start: 0, end: 0, size: 0 };

async function chooseAttempt(deps: LogDeps, task: Task, which: WhichAttempt): Promise<Attempt | null> {
  const attempts = await deps.store.tasks.attempts(task.taskId);
  if (which === "latest") return attempts.at(-1) ?? null;
  const found = attempts.find((attempt) => attempt.attempt === which);
  if (found === undefined) throw new AppError("not_found", `the task has no attempt ${which}; it has ${attempts.length}`);
  return found;
}

/** The last lines, or from a byte or an instant (epoch ms) on. `grep` leaves only the lines of that part which match. */
export type LogRequest = {
  readonly from: { readonly tail: number } | { readonly offset: number } | { readonly since: number };
  readonly limit: number;
  readonly grep: string | null;
};

/**
 * An attempt that has not started has an empty log. `end` is where the next part begins, also where `grep` found nothing: what is left of the file is
 * still to be looked through then.
 */
export async function readLog(deps: LogDeps, task: Task, which: WhichAttempt, request: LogRequest): Promise<LogPart> {
  checkPattern(request.grep);
  const attempt = await chooseAttempt(deps, task, which);
  if (attempt === null) return EMPTY;
  return { ...(await readPart(deps, attempt, request)), attempt: attempt.attempt };
}

/** Throws bad_parameter for a pattern that can't be used. */
export function checkPattern(grep: string | null): void {
  const reading = grep === null ? null : linePattern(grep);
  if (reading?.kind === "bad") throw new AppError("bad_parameter", `grep: ${reading.why}; docs/logs.md says what a pattern may hold`);
}

async function readPart(deps: LogDeps, attempt: Attempt, { from, limit, grep }: LogRequest): Promise<LogRange> {
  const { userId, submissionId } = attempt;
  const bytes = Math.min(limit, MAX_LOG_BYTES);
  if ("tail" in from) {
    const range = await deps.files.tailLog(userId, submissionId, from.tail, bytes);
    return grep === null ? range : { ...range, bytes: Buffer.concat(matchingLines(range, grep).map((line) => line.bytes)) };
  }
  const offset = "offset" in from ? from.offset : await sinceOffset(deps, attempt, from.since);
  if (grep === null) return deps.files.readLog(userId, submissionId, offset, bytes);
  return deps.logs.scan(userId, submissionId, { pattern: grep, offset, maxLines: MAX_LINES, lastLine: true });
}

/** Of an attempt that had ended before, nothing. Where no launcher wrote when the log grew, all of it. */
export async function sinceOffset({ logs }: LogDeps, attempt: Attempt, since: number): Promise<number> {
  const { start, size } = await logs.seek(attempt.userId, attempt.submissionId, { since });
  return attempt.endedAt !== null && attempt.endedAt < since ? size : start;
}

/** All attempts one after another with a marker line between, the newest whole, at most 1 MiB in all. */
export async function readAllLogs(deps: LogDeps, task: Task, lines: number, grep: string | null = null): Promise<LogPart> {
  checkPattern(grep);
  const attempts = await deps.store.tasks.attempts(task.taskId);
  const parts: Uint8Array[] = [];
  let room = MAX_LOG_BYTES;
  for (const attempt of attempts.toReversed()) {
    if (room <= 0) break;
    const range = await readPart(deps, attempt, { from: { tail: lines }, limit: room, grep });
    const marker = new TextEncoder().encode(`\n──── attempt ${attempt.attempt} (${attempt.submissionId}) ────\n`);
    parts.unshift(marker, range.bytes);
    room -= range.bytes.length + marker.length;
  }
  const bytes = Buffer.concat(parts);
  return { attempt: attempts.at(-1)?.attempt ?? 0, bytes, start: 0, end: bytes.length, size: bytes.length };
}
