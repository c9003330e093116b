/** What changed on the server, as it changes; while nothing tells, the queries ask on their own. */
import type { QueryClient } from "@tanstack/react-query";
import { observable } from "../observable.ts";
import { session } from "../session.ts";
import { ApiError, send } from "./client.ts";
import { connection } from "./connection.ts";
import { readEvents, type ServerEvent } from "./sse.ts";

/** `live`: told by the stream; `asking`: every few seconds; `away`: no answer. */
export type Liveness = "live" | "asking" | "away";

export const liveness = observable<Liveness>("asking");

type Listener = (taskIds: readonly string[] | "all") => void;
const listeners = new Set<Listener>();

export function onTasksChanged(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 10_000;
/** A comment comes every 15 s; a connection that is silent for longer is dead, whatever the socket says. */
const SILENCE_MS = 35_000;

/** Runs until the returned function is called. A hidden tab holds no stream: a browser opens only six connections to a server. */
export function keepLive(queries: QueryClient): () => void {
  const stopped = new AbortController();
  void run(queries, stopped.signal);
  return () => stopped.abort();
}

async function run(queries: QueryClient, signal: AbortSignal): Promise<void> {
  let wait = FIRST_RETRY_MS;
  while (!signal.aborted) {
    await untilVisible(signal);
    const started = performance.now();
    await oneStream(queries, signal);
    if (signal.aborted) return;
    wait = performance.now() - started > LAST_RETRY_MS ? FIRST_RETRY_MS : Math.min(wait * 2, LAST_RETRY_MS);
    await pause(wait, signal);
  }
}

async function oneStream(queries: QueryClient, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const end = (): void => over.abort();
  const onHide = (): void => (document.visibilityState === "hidden" ? end() : undefined);
  document.addEventListener("visibilitychange", onHide);
  let silence = setTimeout(end, SILENCE_MS);
  const heard = (): void => {
    clearTimeout(silence);
    silence = setTimeout(end, SILENCE_MS);
  };
  try {
    const answer = await send("streamChanges", "GET", "/api/v2/stream", { signal: AbortSignal.any([signal, over.signal]) });
    liveness.set("live");
    // What happened while nothing told.
    changed(queries, "all");
    await readEvents(answer, (event) => onEvent(queries, event), heard);
    liveness.set("asking");
  } catch (error) {
    liveness.set(connection.isAway.get() && !(error instanceof ApiError) ? "away" : "asking");
  } finally {
    clearTimeout(silence);
    document.removeEventListener("visibilitychange", onHide);
  }
}

function onEvent(queries: QueryClient, { event, data }: ServerEvent): void {
  if (event === "missed") changed(queries, "all");
  if (event === "tasks") changed(queries, (JSON.parse(data) as { task_ids: string[] }).task_ids);
}

function changed(queries: QueryClient, taskIds: readonly string[] | "all"): void {
  if (session.token() === null) return;
  for (const listener of listeners) listener(taskIds);
  if (taskIds === "all") {
    void queries.invalidateQueries();
    return;
  }
  for (const id of taskIds) void queries.invalidateQueries({ queryKey: ["task", id] });
  for (const key of ["queue", "nodes"]) void queries.invalidateQueries({ queryKey: [key] });
}

function untilVisible(signal: AbortSignal): Promise<void> {
  if (document.visibilityState === "visible") return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      document.removeEventListener("visibilitychange", done);
      resolve();
    };
    document.addEventListener("visibilitychange", done);
    signal.addEventListener("abort", done, { once: true });
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    window.addEventListener("online", () => resolve(), { once: true, signal });
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
