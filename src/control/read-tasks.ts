/** Reads of tasks for a principal: own tasks for a user, all for the admin. Another user's task is not found, exactly like a missing one. */
import { actorOf, maySee } from "../domain/access.ts";
import { AppError } from "../domain/app-error.ts";
import { isTaskId } from "../domain/ids.ts";
import type { Attempt, Principal, Task, TaskEvent } from "../domain/types.ts";
import type { Cursors } from "./cursors.ts";
import type { Page, Store, TaskFilter } from "./ports.ts";

const SHORT_ID = /^[a-z0-9-]{4,128}$/;

function notFound(): AppError {
  return new AppError("task_not_found", "task not found");
}

/** By full id, or by any unique prefix or suffix of at least 4 characters among the tasks the caller may see. */
export async function getTask(store: Store, principal: Principal, text: string): Promise<Task> {
  const owner = principal.kind === "admin" ? null : principal.userId;
  const exact = isTaskId(text) ? await store.tasks.get(text, owner) : null;
  if (exact !== null && maySee(principal, exact)) return exact;
  // Also for an id whose last characters were lost: it still has the form of one.
  if (!SHORT_ID.test(text)) throw notFound();
  const matches = await store.tasks.find(text, owner);
  const [only] = matches;
  if (only === undefined) throw notFound();
  if (matches.length > 1)
    throw new AppError("bad_parameter", `${text} is not unique: ${matches.slice(0, 5).join(", ")}${matches.length > 5 ? ", …" : ""}`);
  const task = await store.tasks.get(only, owner);
  if (task === null || !maySee(principal, task)) throw notFound();
  return task;
}

export type TaskRow = { readonly task: Task; readonly attempt: Attempt | null };

export async function withAttempts(store: Store, tasks: readonly Task[]): Promise<readonly TaskRow[]> {
  const attempts = await store.tasks.latestAttempts(tasks.filter((task) => task.attempts > 0).map((task) => task.taskId));
  return tasks.map((task) => ({ task, attempt: attempts.get(task.taskId) ?? null }));
}

export type TaskPage = { readonly rows: readonly TaskRow[]; readonly nextCursor: string | null };

/** Newest first; the cursor is bound to the caller and the filter. A user who is not there is an error, so that a mistyped id reads not like an empty list. */
export async function listTasks(
  store: Store,
  cursors: Cursors,
  principal: Principal,
  filter: TaskFilter,
  cursor: string | null,
  limit: number,
): Promise<TaskPage> {
  if (principal.kind === "admin" && filter.userId !== null && (await store.users.getUser(filter.userId)) === null)
    throw new AppError("not_found", `no user ${filter.userId}`);
  const own = principal.kind === "admin" ? filter : { ...filter, userId: principal.userId };
  const bound = JSON.stringify([principal.kind === "admin" ? "admin" : principal.userId, own]);
  const before = cursor === null ? null : Number(cursors.read(cursor, bound));
  const page = await store.tasks.list(own, before, limit);
  const last = page.rows.at(-1);
  const nextCursor = page.hasMore && last !== undefined ? cursors.make(String(last.seq), bound) : null;
  return { rows: await withAttempts(store, page.rows), nextCursor };
}

export type EventPage = { readonly rows: readonly TaskEvent[]; readonly nextCursor: string | null };

export async function listEvents(
  store: Store,
  cursors: Cursors,
  principal: Principal,
  task: Task,
  after: number | null,
  cursor: string | null,
  limit: number,
): Promise<EventPage> {
  const bound = `events ${actorOf(principal)} ${task.taskId}`;
  const from = cursor === null ? (after ?? 0) : Number(cursors.read(cursor, bound));
  const page: Page<TaskEvent> = await store.tasks.events(task.taskId, from, limit);
  const last = page.rows.at(-1);
  return { rows: page.rows, nextCursor: page.hasMore && last !== undefined ? cursors.make(String(last.seq), bound) : null };
}
