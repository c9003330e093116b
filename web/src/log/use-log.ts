/** One attempt's log: what was read of it, reading more as it is looked at, and its end as it grows. */
import { useCallback, useEffect, useReducer, useRef, useState } from "react";
import { ApiError, send, Unreachable } from "../api/client.ts";
import { readEvents } from "../api/sse.ts";
import { LogIndex, rangeOf } from "./log-index.ts";
import { readRange } from "./read-range.ts";

const RETRY_MS = 2_000;

export type LogState = {
  readonly index: LogIndex;
  /** Rises with every change of `index`. */
  readonly version: number;
  readonly isLoading: boolean;
  readonly error: unknown;
  /** Resolves once the part is read. */
  readonly need: (part: number) => Promise<void>;
  /** Forgets what was read, and begins anew. */
  readonly again: () => void;
};

/** `onShift` is called around a change that may move what is in sight. */
export function useLog(
  taskId: string,
  attempt: number,
  isOpen: boolean,
  onShift: (change: () => void) => void,
  onNext: (attempt: number) => void,
): LogState {
  const [index, setIndex] = useState(() => new LogIndex());
  const [version, changed] = useReducer((n: number) => n + 1, 0);
  const [state, setState] = useState<{ readonly isLoading: boolean; readonly error: unknown }>({ isLoading: true, error: null });
  const [turn, again] = useReducer((n: number) => n + 1, 0);
  const reading = useRef(new Map<number, Promise<void>>());
  const stop = useRef(new AbortController());
  /** Once begun, followed until the stream itself says that it is over: a task's end is often known before its last lines have come. */
  const followed = useRef<LogIndex | null>(null);

  const need = useCallback(
    async (part: number): Promise<void> => {
      if (part < 0 || index.isRead(part)) return;
      const running = reading.current.get(part);
      if (running !== undefined) return running;
      const { signal } = stop.current;
      const { offset, limit } = rangeOf(part);
      const work = readRange(taskId, attempt, { offset, limit }, signal)
        .then(({ bytes }) => {
          onShift(() => index.fill(part, bytes));
          changed();
        })
        .catch((error: unknown) => {
          if (!signal.aborted) setState({ isLoading: false, error });
        })
        .finally(() => reading.current.delete(part));
      reading.current.set(part, work);
      return work;
    },
    [index, taskId, attempt, onShift],
  );

  useEffect(() => {
    const fresh = new LogIndex();
    const ending = new AbortController();
    stop.current = ending;
    reading.current.clear();
    setIndex(fresh);
    setState({ isLoading: true, error: null });
    void begin(fresh, ending.signal);
    return () => ending.abort();

    async function begin(log: LogIndex, signal: AbortSignal): Promise<void> {
      try {
        const end = await readRange(taskId, attempt, { tail: 0 }, signal);
        log.grow(end.end);
        setState({ isLoading: false, error: null });
        changed();
      } catch (error) {
        if (!signal.aborted) setState({ isLoading: false, error });
      }
    }
  }, [taskId, attempt, turn]);

  useEffect(() => {
    if (state.isLoading || (!isOpen && followed.current !== index)) return;
    followed.current = index;
    const ending = new AbortController();
    void follow(ending.signal);
    return () => ending.abort();

    async function follow(signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        try {
          const answer = await send("readLogs", "GET", "/api/v2/tasks/{task_id}/logs", {
            path: { task_id: taskId },
            query: { follow: "true", attempt: String(attempt), offset: index.size },
            signal,
          });
          let isOver = false;
          await readEvents(answer, ({ event, data }) => {
            if (event === "end") isOver = true;
            if (event === "attempt") onNext((JSON.parse(data) as { attempt: number }).attempt);
            if (event !== "log") return;
            const piece = JSON.parse(data) as { attempt: number; offset: number; text?: string; base64?: string };
            if (piece.attempt !== attempt) return;
            onShift(() => index.append(piece.offset, bytesOf(piece)));
            changed();
          });
          if (isOver) return;
        } catch (error) {
          if (signal.aborted) return;
          if (
            !(error instanceof Unreachable) &&
            !(error instanceof ApiError && [429, 503].includes(error.problem.status)) &&
            error instanceof ApiError
          )
            return;
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }, [index, taskId, attempt, isOpen, state.isLoading, onNext, onShift]);

  return { index, version, ...state, need, again };
}

function bytesOf(piece: { readonly text?: string; readonly base64?: string }): Uint8Array {
  if (piece.text !== undefined) return new TextEncoder().encode(piece.text);
  return Uint8Array.from(atob(piece.base64 ?? ""), (character) => character.charCodeAt(0));
}
