/** The driver's log of a task, from shared storage by byte range: never through Ray, whose log endpoint reads whole files and forgets them. */
import { AppError } from "../domain/app-error.ts";
import { isAttemptOpen, isTerminal } from "../domain/task-state.ts";
import type { Attempt, Task, TaskState } from "../domain/types.ts";
import type { Clock, JobFiles, LogRange, Store } from "./ports.ts";

export const MAX_LOG_BYTES = 1_048_576;
const FOLLOW_EVERY_MS = 500;

export type LogDeps = { readonly store: Store; readonly files: JobFiles; readonly clock: Clock };
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

/** The last `lines` lines, or the bytes from `offset`; an attempt that has not started has an empty log. */
export async function readLog(
  deps: LogDeps,
  task: Task,
  which: WhichAttempt,
  range: { readonly tail: number } | { readonly offset: number; readonly limit: number },
): Promise<LogPart> {
  const attempt = await chooseAttempt(deps, task, which);
  if (attempt === null) return EMPTY;
  const read =
    "tail" in range
      ? await deps.files.tailLog(task.userId, attempt.submissionId, range.tail, MAX_LOG_BYTES)
      : await deps.files.readLog(task.userId, attempt.submissionId, range.offset, Math.min(range.limit, MAX_LOG_BYTES));
  return { ...read, attempt: attempt.attempt };
}

/** All attempts one after another with a marker line between, the newest whole, at most 1 MiB in all. */
export async function readAllLogs(deps: LogDeps, task: Task, lines: number): Promise<LogPart> {
  const attempts = await deps.store.tasks.attempts(task.taskId);
  const parts: Uint8Array[] = [];
  let room = MAX_LOG_BYTES;
  for (const attempt of attempts.toReversed()) {
    if (room <= 0) break;
    const range = await deps.files.tailLog(task.userId, attempt.submissionId, lines, room);
    const marker = new TextEncoder().encode(`\n──── attempt ${attempt.attempt} (${attempt.submissionId}) ────\n`);
    parts.unshift(marker, range.bytes);
    room -= range.bytes.length + marker.length;
  }
  const bytes = Buffer.concat(parts);
  return { attempt: attempts.at(-1)?.attempt ?? 0, bytes, start: 0, end: bytes.length, size: bytes.length };
}

export type LogEvent =
  | { readonly kind: "log"; readonly attempt: number; readonly bytes: Uint8Array; readonly offset: number; readonly end: number }
  | { readonly kind: "attempt"; readonly attempt: number }
  | { readonly kind: "idle" }
  | { readonly kind: "end"; readonly state: TaskState };

export type FollowFrom = { readonly attempt: number; readonly offset: number } | null;

/** Whole lines where they come as lines; a cut inside a UTF-8 sequence waits for its rest, unless nothing more comes. */
function wholeText(bytes: Uint8Array): Uint8Array {
  const lineEnd = bytes.lastIndexOf(10);
  return lineEnd === -1 ? withoutCutCharacter(bytes) : bytes.subarray(0, lineEnd + 1);
}

/** Progress bars write for minutes without a line end. A lead byte says how long its character is (RFC 3629). */
function withoutCutCharacter(bytes: Uint8Array): Uint8Array {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return bytes;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

/**
 * The log as it grows, from attempt to attempt, until the task has ended and every byte was given; `idle` between looks, so that the caller
 * can notice a closed stream. Starts at `from`, or at the last `tail` lines of the latest attempt.
 */
export async function* followLog(
  deps: LogDeps,
  taskId: string,
  from: FollowFrom,
  tail: number,
  signal: AbortSignal,
): AsyncGenerator<LogEvent> {
  let at = from;
  for (;;) {
    const task = await deps.store.tasks.get(taskId);
    if (task === null) return;
    const attempts = await deps.store.tasks.attempts(taskId);
    const current = at === null ? attempts.at(-1) : attempts.find((attempt) => attempt.attempt === at?.attempt);
    if (current !== undefined) {
      if (at === null) {
        at = await startAt(deps, task, current, tail);
        yield { kind: "attempt", attempt: current.attempt };
      }
      const done = isTerminal(task.state) || !isAttemptOpen(current.state);
      const range = await deps.files.readLog(task.userId, current.submissionId, at.offset, MAX_LOG_BYTES / 4);
      const bytes = done && range.end >= range.size ? range.bytes : wholeText(range.bytes);
      if (bytes.length > 0) {
        const end = at.offset + bytes.length;
        yield { kind: "log", attempt: current.attempt, bytes, offset: at.offset, end };
        at = { attempt: current.attempt, offset: end };
        continue;
      }
      const next = attempts.find((attempt) => attempt.attempt > current.attempt);
      if (done && next !== undefined) {
        at = { attempt: next.attempt, offset: 0 };
        yield { kind: "attempt", attempt: next.attempt };
        continue;
      }
    }
    if (isTerminal(task.state)) {
      yield { kind: "end", state: task.state };
      return;
    }
    yield { kind: "idle" };
    await deps.clock.sleep(FOLLOW_EVERY_MS, signal);
  }
}

async function startAt(deps: LogDeps, task: Task, attempt: Attempt, tail: number): Promise<{ attempt: number; offset: number }> {
  const range = await deps.files.tailLog(task.userId, attempt.submissionId, tail, MAX_LOG_BYTES);
  return { attempt: attempt.attempt, offset: range.start };
}
