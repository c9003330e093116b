/** What pages and ticks read of tasks. Each query has an index that keeps its cost apart from the length of the history. */
import { type Kysely, sql } from "kysely";
import type { Page, TaskFilter, TaskVersion } from "../control/ports.ts";
import type { Attempt, Task, TaskEvent, TaskState } from "../domain/types.ts";
import type { Dialect } from "./migrations/migration.ts";
import { isStorable } from "./storable.ts";
import type { Tables } from "./tables.ts";
import { attemptOf, eventOf, reverse, taskOf } from "./task-rows.ts";

/** Word for word the predicate of the index `tasks_open`: SQLite uses a partial index only when it finds that text again. */
const OPEN = sql.raw<boolean>("state not in ('SUCCEEDED', 'FAILED', 'CANCELED')");

/** Enough to say "ambiguous: one of these". */
const MAX_MATCHES = 10;
const MIN_PART = 4;
/** Far below the 32 766 parameters SQLite takes and the 65 535 of Postgres. */
const IDS_PER_QUERY = 500;

export async function getTask(db: Kysely<Tables>, taskId: string, userId: string | null): Promise<Task | null> {
  if (!isStorable(taskId)) return null;
  const query = db.selectFrom("tasks").selectAll().where("task_id", "=", taskId);
  const row = await (userId === null ? query : query.where("user_id", "=", userId)).executeTakeFirst();
  return row === undefined ? null : taskOf(row);
}

/** One walk down an index for each state, merged: a list of states in one condition would sort all of their history first. */
export function listQuery(db: Kysely<Tables>, dialect: Dialect, filter: TaskFilter, beforeSeq: number | null, limit: number) {
  const [first, ...others] = filter.states ?? [null];
  const page = (state: TaskState | null) => {
    const walk = walkQuery(db, dialect, filter, state, beforeSeq, limit);
    return db.selectFrom(walk.as("page")).selectAll();
  };
  let query = page(first ?? null);
  for (const state of others) query = query.unionAll(page(state));
  return query.orderBy("seq", "desc").limit(limit + 1);
}

function walkQuery(
  db: Kysely<Tables>,
  dialect: Dialect,
  filter: TaskFilter,
  state: TaskState | null,
  beforeSeq: number | null,
  limit: number,
) {
  let query = db.selectFrom("tasks").selectAll();
  if (filter.userId !== null) query = query.where("user_id", "=", filter.userId);
  if (state !== null) query = query.where("state", "=", state);
  if (filter.workload !== null) query = query.where("workload", "=", filter.workload);
  for (const [key, value] of Object.entries(filter.labels)) query = query.where(hasLabel(dialect, key, value));
  if (beforeSeq !== null) query = query.where("seq", "<", beforeSeq);
  return query.orderBy("seq", "desc").limit(limit + 1);
}

export async function listTasks(
  db: Kysely<Tables>,
  dialect: Dialect,
  filter: TaskFilter,
  beforeSeq: number | null,
  limit: number,
): Promise<Page<Task>> {
  const texts = [filter.userId ?? "", ...Object.entries(filter.labels).flat()];
  if (filter.states?.length === 0 || !texts.every(isStorable)) return { rows: [], hasMore: false };
  const rows = await listQuery(db, dialect, filter, beforeSeq, limit).execute();
  return { rows: rows.slice(0, limit).map(taskOf), hasMore: rows.length > limit };
}

function hasLabel(dialect: Dialect, key: string, value: string) {
  return dialect === "sqlite"
    ? sql<boolean>`exists (select 1 from json_each(tasks.labels) where key = ${key} and value = ${value})`
    : sql<boolean>`labels::jsonb ->> ${key}::text = ${value}`;
}

export function openQuery(db: Kysely<Tables>) {
  return db.selectFrom("tasks").selectAll().where(OPEN).orderBy("seq");
}

export async function listOpenTasks(db: Kysely<Tables>): Promise<readonly Task[]> {
  const rows = await openQuery(db).execute();
  return rows.map(taskOf);
}

/** So many submissions may come and end between two looks. */
const NEWEST = 50;

export function versionsQuery(db: Kysely<Tables>) {
  const columns = ["task_id", "user_id", "version"] as const;
  const newest = db.selectFrom("tasks").select(columns).where("seq", ">", 0).orderBy("seq", "desc").limit(NEWEST);
  return db
    .selectFrom("tasks")
    .select(columns)
    .where(OPEN)
    .unionAll(db.selectFrom(newest.as("newest")).select(columns));
}

export async function taskVersions(db: Kysely<Tables>): Promise<readonly TaskVersion[]> {
  const rows = await versionsQuery(db).execute();
  // What is open and new is in both halves; to leave it out in SQL would walk all of the history.
  return [...new Map(rows.map((row) => [row.task_id, { taskId: row.task_id, userId: row.user_id, version: row.version }])).values()];
}

/** Ids between `part` and the last text that begins with it. */
export function partQuery(db: Kysely<Tables>, column: "task_id" | "id_reversed", part: string, userId: string | null) {
  // U+10FFFF sorts after every character in byte order, and no id holds it.
  const query = db
    .selectFrom("tasks")
    .select("task_id")
    .where(column, ">=", part)
    .where(column, "<", `${part}\u{10ffff}`)
    .orderBy(column)
    .limit(MAX_MATCHES);
  // As an expression the owner tempts no planner to walk all that is his: both ranges leave few rows of others.
  return userId === null ? query : query.where(sql<string>`user_id || ''`, "=", userId);
}

/** Where the ids of a user that begin with `prefix` lie; null = nowhere. Keeps a short prefix from walking the tasks of all users. */
function ownPrefix(prefix: string, userId: string | null): string | null {
  if (userId === null) return prefix;
  const own = `mvp2-${userId}-`;
  if (prefix.startsWith(own)) return prefix;
  return own.startsWith(prefix) ? own : null;
}

export async function findTasks(db: Kysely<Tables>, text: string, userId: string | null): Promise<readonly string[]> {
  if (!isStorable(text)) return [];
  const exact = await getTask(db, text, userId);
  if (exact !== null) return [exact.taskId];
  if (text.length < MIN_PART) return [];
  const prefix = ownPrefix(text, userId);
  const prefixed = prefix === null ? [] : await partQuery(db, "task_id", prefix, userId).execute();
  const suffixed = await partQuery(db, "id_reversed", reverse(text), userId).execute();
  return [...new Set([...prefixed, ...suffixed].map((row) => row.task_id))];
}

export function attemptsQuery(db: Kysely<Tables>, taskId: string) {
  return db.selectFrom("attempts").selectAll().where("task_id", "=", taskId).orderBy("attempt");
}

export async function attemptsOf(db: Kysely<Tables>, taskId: string): Promise<readonly Attempt[]> {
  if (!isStorable(taskId)) return [];
  const rows = await attemptsQuery(db, taskId).execute();
  return rows.map(attemptOf);
}

export function latestQuery(db: Kysely<Tables>, taskIds: readonly string[]) {
  return db
    .selectFrom("attempts")
    .selectAll()
    .where("task_id", "in", taskIds)
    .where("attempt", "=", (of) =>
      of
        .selectFrom("attempts as newer")
        .select((max) => max.fn.max("newer.attempt").as("attempt"))
        .whereRef("newer.task_id", "=", "attempts.task_id"),
    );
}

export async function latestAttempts(db: Kysely<Tables>, taskIds: readonly string[]): Promise<ReadonlyMap<string, Attempt>> {
  const latest = new Map<string, Attempt>();
  for (let from = 0; from < taskIds.length; from += IDS_PER_QUERY) {
    const rows = await latestQuery(db, taskIds.slice(from, from + IDS_PER_QUERY)).execute();
    for (const row of rows) latest.set(row.task_id, attemptOf(row));
  }
  return latest;
}

export function eventsQuery(db: Kysely<Tables>, taskId: string, afterSeq: number, limit: number) {
  return db
    .selectFrom("events")
    .selectAll()
    .where("task_id", "=", taskId)
    .where("seq", ">", afterSeq)
    .orderBy("seq")
    .limit(limit + 1);
}

export async function eventsOf(db: Kysely<Tables>, taskId: string, afterSeq: number, limit: number): Promise<Page<TaskEvent>> {
  if (!isStorable(taskId)) return { rows: [], hasMore: false };
  const rows = await eventsQuery(db, taskId, afterSeq, limit).execute();
  return { rows: rows.slice(0, limit).map(eventOf), hasMore: rows.length > limit };
}
