/** A log as it grows, from attempt to attempt, to the end of its task. Who follow the same log share each look at it. */
import { isAttemptOpen, isTerminal } from "../domain/task-state.ts";
import type { Attempt, Task, TaskState } from "../domain/types.ts";
import { matchingLines } from "./matching-lines.ts";
import type { LogRange } from "./ports.ts";
import { type LogDeps, MAX_LOG_BYTES, sinceOffset } from "./read-logs.ts";
import type { Shared } from "./shared-look.ts";

const FOLLOW_EVERY_MS = 500;
/**
 * A follower is given from 64 to 128 KiB at once, up to a multiple of 64 KiB in the file: so those who began at different places soon read the same
 * parts, which are read and kept once for all of them.
 */
const FOLLOW_BYTES = 65_536;

export type LogEvent =
  /** Those who are given the same part are given the very same `bytes`. */
  | { readonly kind: "log"; readonly attempt: number; readonly bytes: Uint8Array; readonly offset: number; readonly end: number }
  | { readonly kind: "attempt"; readonly attempt: number }
  /** The file is shorter than what was given of it: it was cut or replaced, and is given from its beginning. */
  | { readonly kind: "truncated"; readonly attempt: number }
  | { readonly kind: "idle" }
  | { readonly kind: "end"; readonly state: TaskState };

export type FollowFrom = { readonly attempt: number; readonly offset: number } | null;

export type FollowRequest = {
  /** Null = at the last `tail` lines of the latest attempt, or at `since` (epoch ms). */
  readonly from: FollowFrom;
  readonly tail: number;
  readonly since: number | null;
  readonly grep: string | null;
};

export type FollowDeps = LogDeps & { readonly shared: Shared };

type At = { readonly attempt: number; readonly offset: number };
type View = { readonly task: Task; readonly attempts: readonly Attempt[] };

/** Ends when the task has and every byte was given; `idle` between looks, so that the caller can notice a closed stream. */
export async function* followLog(deps: FollowDeps, taskId: string, request: FollowRequest, signal: AbortSignal): AsyncGenerator<LogEvent> {
  let at: At | null = request.from;
  for (;;) {
    const view = await deps.shared(`task ${taskId}`, () => viewOf(deps, taskId));
    if (view === null) return;
    const { task, attempts } = view;
    const current = at === null ? attempts.at(-1) : attempts.find((attempt) => attempt.attempt === at?.attempt);
    if (current !== undefined) {
      if (at === null) {
        at = { attempt: current.attempt, offset: await startOf(deps, current, request) };
        yield { kind: "attempt", attempt: current.attempt };
      }
      const isDone = isTerminal(task.state) || !isAttemptOpen(current.state);
      const { submissionId } = current;
      const { offset }: At = at;
      // A look from before the end was known may miss the last bytes.
      const linesOnly = request.grep !== null;
      const { range, bytes } = await deps.shared(`log ${submissionId} ${offset} ${isDone} ${linesOnly}`, async () => {
        const read = await deps.files.readLog(task.userId, submissionId, offset, 2 * FOLLOW_BYTES - (offset % FOLLOW_BYTES));
        return { range: read, bytes: given(read, isDone && read.end >= read.size, linesOnly) };
      });
      if (range.size < offset) {
        at = { attempt: current.attempt, offset: 0 };
        yield { kind: "truncated", attempt: current.attempt };
        continue;
      }
      if (bytes.length > 0) {
        yield* eventsOf(current.attempt, bytes, offset, request.grep);
        at = { attempt: current.attempt, offset: offset + bytes.length };
        continue;
      }
      const next = attempts.find((attempt) => attempt.attempt > current.attempt);
      if (isDone && next !== undefined) {
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

async function viewOf({ store }: FollowDeps, taskId: string): Promise<View | null> {
  const task = await store.tasks.get(taskId);
  return task === null ? null : { task, attempts: await store.tasks.attempts(taskId) };
}

async function startOf(deps: FollowDeps, attempt: Attempt, { tail, since }: FollowRequest): Promise<number> {
  if (since !== null) return sinceOffset(deps, attempt, since);
  const { start } = await deps.shared(`seek ${attempt.submissionId} ${tail}`, () =>
    deps.logs.seek(attempt.userId, attempt.submissionId, { lines: tail, maxBytes: MAX_LOG_BYTES }),
  );
  return start;
}

/** With a pattern a line of its own for each event, so that its place is that of its bytes. */
function* eventsOf(attempt: number, bytes: Uint8Array, offset: number, grep: string | null): Generator<LogEvent> {
  if (grep === null) yield { kind: "log", attempt, bytes, offset, end: offset + bytes.length };
  else for (const line of matchingLines({ bytes, start: offset }, grep)) yield { kind: "log", attempt, ...line };
}

/** Whole lines where they come as lines; a line longer than a look is given in pieces. */
function given(range: LogRange, isLast: boolean, linesOnly: boolean): Uint8Array {
  if (isLast) return range.bytes;
  const lineEnd = range.bytes.lastIndexOf(10);
  if (lineEnd !== -1) return range.bytes.subarray(0, lineEnd + 1);
  return linesOnly && range.end >= range.size ? range.bytes.subarray(0, 0) : withoutCutCharacter(range.bytes);
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
