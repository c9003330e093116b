/** Bytes of a log by range. */
import { ApiError, send } from "../api/client.ts";

export type Range = { readonly bytes: Uint8Array; readonly start: number; readonly end: number; readonly attempt: number };

export async function readRange(
  taskId: string,
  attempt: number | "latest",
  range: { readonly offset: number; readonly limit: number } | { readonly tail: number },
  signal: AbortSignal,
): Promise<Range> {
  const answer = await patient(
    () =>
      send("readLogs", "GET", "/api/v2/tasks/{task_id}/logs", {
        path: { task_id: taskId },
        query: { attempt: String(attempt), ...range },
        signal,
      }),
    signal,
  );
  const number = (name: string): number => Number(answer.headers.get(name) ?? 0);
  return {
    bytes: new Uint8Array(await answer.arrayBuffer()),
    start: number("X-Log-Start"),
    end: number("X-Log-End"),
    attempt: number("X-Log-Attempt"),
  };
}

/** Told to wait, it waits: whoever drags the scroll bar through a long log asks faster than a token may. */
async function patient<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ApiError) || error.problem.status !== 429) throw error;
      await new Promise((resolve) => setTimeout(resolve, (error.retryAfterS ?? 1) * 1000));
      signal.throwIfAborted();
    }
  }
}
