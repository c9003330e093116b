/** A log as it grows, from attempt to attempt, to the end of its task. Who follow the same log share each look at it. */
import { isAttemptOpen, isTerminal } from "../domain/task-state.ts";
import type { Attempt, Task, TaskState } from "../domain/types.ts";
import { matchingLines } from "./matching-lines.ts";
import type { LogRange } from "./ports.ts";
import { type LogDeps, MAX_LOG_BYTES, sinceOffset } from "./read-logs.ts";
import type { Shared } from "./shared-look.ts";

const FOLLOW_EVERY_MS = 500;
/** What a follower is given at once: a hundred who do not read what they asked for hold so much each. */
const FOLLOW_BYTES = 65_536;

export type LogEvent =
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
      const range = await deps.shared(`log ${submissionId} ${offset} ${isDone ? "ended" : "open"}`, () =>
        deps.files.readLog(task.userId, submissionId, offset, FOLLOW_BYTES),
      );
      if (range.size < offset) {
        at = { attempt: current.attempt, offset: 0 };
        yield { kind: "truncated", attempt: current.attempt };
        continue;
      }
      const bytes = given(range, isDone && range.end >= range.size, request.grep !== null);
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
  const { start } = await deps.logs.seek(attempt.userId, attempt.submissionId, { lines: tail, maxBytes: MAX_LOG_BYTES });
  return start;
}

/** With a pattern a line of its own for each event, so that its place is that of its bytes. */
function* eventsOf(attempt: number, bytes: Uint8Array, offset: number, grep: string | null): Generator<LogEvent> {
  if (grep === null) yield { kind: "log", attempt, bytes, offset, end: offset + bytes.length };
  else for (const line of matchingLines({ bytes, start: offset }, grep)) yield { kind: "log", attempt, ...line };
}

/** Whole lines where they come as lines; a line longer than a look is given in pieces. */
function given(range: LogRange, isLast: boolean, linesOnly: boolean): Uint8Array {
  const lineEnd = range.bytes.lastIndexOf(10);
  if (isLast || (lineEnd === -1 && range.bytes.length === FOLLOW_BYTES)) return isLast ? range.bytes : withoutCutCharacter(range.bytes);
  if (lineEnd !== -1) return range.bytes.subarray(0, lineEnd + 1);
  return linesOnly ? range.bytes.subarray(0, 0) : withoutCutCharacter(range.bytes);
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
