/** The list of tasks as the filter says: read page by page as it is looked at, and kept up to date by what the server says has changed. */
import { useCallback, useEffect, useRef, useState } from "react";
import type { TaskListWire, TaskSummaryWire } from "../../../src/contract/resources.ts";
import { ApiError, call } from "../api/client.ts";
import { liveness, onTasksChanged } from "../api/live.ts";
import { type Filter, searchOf, statesOf } from "./filter.ts";
import { isKnown, NO_PAGES, type Pages, placeOf, withNewest, withoutRows, withPage, withRows } from "./task-pages.ts";

export const PAGE_ROWS = 100;
const ASK_EVERY_MS = 5_000;
/** Changes that come together are read together. */
const GATHER_MS = 300;
/** More changed rows than these are read by their page, not one by one. */
const ONE_BY_ONE = 8;

export type TaskList = {
  readonly pages: Pages;
  readonly isLoading: boolean;
  readonly error: unknown;
  readonly more: boolean;
  /** Rows that were put before the first, since the list began: what was in sight has moved down by so many. */
  readonly added: number;
  /** Rows that are looked at: what of them is missing is read. */
  readonly look: (first: number, last: number) => void;
  readonly again: () => void;
};

export function useTaskList(filter: Filter): TaskList {
  const key = JSON.stringify(filter);
  const [state, setState] = useState<{ readonly pages: Pages; readonly error: unknown; readonly isLoading: boolean }>({
    pages: NO_PAGES,
    error: null,
    isLoading: true,
  });
  const pages = useRef<Pages>(NO_PAGES);
  const reading = useRef(new Map<string, AbortController>());
  const seen = useRef<readonly [number, number]>([0, 0]);
  const [turn, setTurn] = useState(0);
  const added = useRef(0);

  const put = useCallback((next: Pages): void => {
    pages.current = next;
    setState({ pages: next, error: null, isLoading: false });
  }, []);

  const readPage = useCallback(
    async (cursor: string | null): Promise<void> => {
      const name = cursor ?? "";
      if (reading.current.has(name)) return;
      const stop = new AbortController();
      reading.current.set(name, stop);
      try {
        const answer = await readTasks(filter, cursor, stop.signal);
        put(withPage(pages.current, cursor, answer.tasks, answer.next_cursor));
      } catch (error) {
        if (!stop.signal.aborted) setState({ pages: pages.current, error, isLoading: false });
      } finally {
        reading.current.delete(name);
      }
    },
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- the filter by its content
    [key, put],
  );

  useEffect(() => {
    const running = reading.current;
    pages.current = NO_PAGES;
    setState({ pages: NO_PAGES, error: null, isLoading: true });
    void readPage(null);
    return () => {
      for (const stop of running.values()) stop.abort();
      running.clear();
    };
  }, [readPage, turn]);

  const refresh = useCallback(
    async (changed: readonly string[] | "all"): Promise<void> => {
      if (pages.current.pages.length === 0) return;
      const stop = new AbortController();
      reading.current.set("refresh", stop);
      try {
        await renew(
          filter,
          pages,
          seen.current,
          changed,
          put,
          () => setTurn((n) => n + 1),
          stop.signal,
          (n) => (added.current += n),
        );
      } catch {
        // The next change, or the next look, tries again; the banner says when nothing answers.
      } finally {
        reading.current.delete("refresh");
      }
    },
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- the filter by its content
    [key, put],
  );

  useEffect(() => {
    let gathered: Set<string> | "all" = new Set();
    let timer: ReturnType<typeof setTimeout> | null = null;
    const flush = (): void => {
      const changed = gathered;
      timer = null;
      gathered = new Set();
      void refresh(changed === "all" ? "all" : [...changed]);
    };
    const stopListening = onTasksChanged((ids) => {
      if (ids === "all") gathered = "all";
      else if (gathered !== "all") for (const id of ids) gathered.add(id);
      timer ??= setTimeout(flush, GATHER_MS);
    });
    const asking = setInterval(() => {
      if (liveness.get() !== "live" && document.visibilityState === "visible") void refresh("all");
    }, ASK_EVERY_MS);
    return () => {
      stopListening();
      clearInterval(asking);
      if (timer !== null) clearTimeout(timer);
    };
  }, [refresh]);

  const look = useCallback(
    (first: number, last: number): void => {
      seen.current = [first, last];
      for (const index of [first, last]) {
        const place = placeOf(pages.current, index);
        if (place === null) {
          if (pages.current.next !== null && pages.current.pages.length > 0) void readPage(pages.current.next);
        } else if (pages.current.pages[place.page]?.rows === null) void readPage(pages.current.pages[place.page]?.cursor ?? null);
      }
    },
    [readPage],
  );

  return { ...state, more: state.pages.next !== null, added: added.current, look, again: () => setTurn((n) => n + 1) };
}

async function readTasks(filter: Filter, cursor: string | null, signal: AbortSignal): Promise<TaskListWire> {
  const search = searchOf(filter);
  if (search.kind === "id") return await readOne(search.text, signal);
  return await call("listTasks", "GET", "/api/v2/tasks", {
    query: {
      limit: PAGE_ROWS,
      cursor: cursor ?? undefined,
      state: statesOf(filter)?.join(","),
      workload: filter.workload === "" ? undefined : filter.workload,
      user: filter.user === "" ? undefined : filter.user,
      label: search.kind === "label" ? search.text : undefined,
    },
    signal,
  });
}

/** The API finds a task by any part of its id that is enough. */
async function readOne(id: string, signal: AbortSignal): Promise<TaskListWire> {
  try {
    return { tasks: [await call("getTask", "GET", "/api/v2/tasks/{task_id}", { path: { task_id: id }, signal })], next_cursor: null };
  } catch (error) {
    if (error instanceof ApiError && error.problem.code === "task_not_found") return { tasks: [], next_cursor: null };
    throw error;
  }
}

/** What changed, with as few calls as tell it: the newest rows always, since among them are those that are new. */
async function renew(
  filter: Filter,
  pages: { readonly current: Pages },
  seen: readonly [number, number],
  changed: readonly string[] | "all",
  put: (next: Pages) => void,
  restart: () => void,
  signal: AbortSignal,
  onAdded: (rows: number) => void,
): Promise<void> {
  if (searchOf(filter).kind === "id") {
    put(withPage(NO_PAGES, null, (await readTasks(filter, null, signal)).tasks, null));
    return;
  }
  if (changed !== "all" && changed.length === 0) return;
  const { tasks: newest, next_cursor: more } = await readTasks(filter, null, signal);
  const next = withNewest(pages.current, newest, more === null);
  if (next === null) {
    restart();
    return;
  }
  onAdded(newest.filter((row) => !isKnown(pages.current, row.task_id)).length);
  put(next);
  const read = new Set(newest.map((row) => row.task_id));
  const left = changed === "all" ? null : changed.filter((id) => !read.has(id) && isKnown(pages.current, id));
  if (left !== null && left.length <= ONE_BY_ONE) await renewRows(filter, pages, left, put, signal);
  else await renewPages(filter, pages, seen, put, signal);
}

async function renewRows(
  filter: Filter,
  pages: { readonly current: Pages },
  ids: readonly string[],
  put: (next: Pages) => void,
  signal: AbortSignal,
): Promise<void> {
  const rows = await Promise.all(ids.map(async (id) => (await readOne(id, signal)).tasks[0] ?? null));
  const states = statesOf(filter);
  const fits = (row: TaskSummaryWire): boolean => states === null || states.includes(row.state);
  const there = rows.filter((row) => row !== null);
  const gone = new Set(there.filter((row) => !fits(row)).map((row) => row.task_id));
  put(withoutRows(withRows(pages.current, there.filter(fits)), gone));
}

async function renewPages(
  filter: Filter,
  pages: { readonly current: Pages },
  [first, last]: readonly [number, number],
  put: (next: Pages) => void,
  signal: AbortSignal,
): Promise<void> {
  const numbers = new Set([first, last].map((index) => placeOf(pages.current, index)?.page ?? 0));
  for (const number of numbers) {
    const page = pages.current.pages[number];
    if (number === 0 || page === undefined) continue;
    const answer = await readTasks(filter, page.cursor, signal);
    put(withRows(pages.current, answer.tasks));
  }
}
