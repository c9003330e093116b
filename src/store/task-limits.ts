/** The limits that a new task is held against, counted without reading history. */
import { type Kysely, sql } from "kysely";
import type { LimitReached, SubmitLimits } from "../control/ports.ts";
import type { TaskState } from "../domain/types.ts";
import type { Tables } from "./tables.ts";

const MINUTE_MS = 60_000;

/** `pending` are changes of the counters that the running transaction has not written yet. */
export async function limitReached(
  db: Kysely<Tables>,
  userId: string,
  limits: SubmitLimits,
  now: number,
  pending: (userId: string, state: TaskState) => number,
): Promise<LimitReached | null> {
  const { maxQueued, submitsPerMinute, maxStorageGib } = limits;
  if (maxStorageGib !== null) {
    const gib = await storageGib(db, userId);
    const count = Math.round(gib * 100) / 100;
    if (gib >= maxStorageGib) return { limit: "max_storage_gib", value: maxStorageGib, count, freeInMs: null };
  }
  if (maxQueued !== null) {
    const count = (await countWaiting(db, userId)) + pending(userId, "QUEUED") + pending(userId, "PENDING_RESOURCES");
    if (count >= maxQueued) return { limit: "max_queued", value: maxQueued, count, freeInMs: null };
  }
  if (submitsPerMinute === null) return null;
  const reached = { limit: "submits_per_minute", value: submitsPerMinute, count: submitsPerMinute } as const;
  if (submitsPerMinute === 0) return { ...reached, freeInMs: null };
  const oldest = await nthNewestQuery(db, userId, submitsPerMinute).executeTakeFirst();
  // One that lies further ahead than the clocks of servers differ is from before a clock was set back; it must not lock the user out.
  if (oldest === undefined || Math.abs(now - oldest.created_at) >= MINUTE_MS) return null;
  return { ...reached, freeInMs: oldest.created_at + MINUTE_MS - now };
}

const GIB = 2 ** 30;

/** As it was measured last; 0 before the first time. */
async function storageGib(db: Kysely<Tables>, userId: string): Promise<number> {
  const row = await db.selectFrom("storage_use").select("bytes").where("user_id", "=", userId).executeTakeFirst();
  return (row?.bytes ?? 0) / GIB;
}

async function countWaiting(db: Kysely<Tables>, userId: string): Promise<number> {
  const { n } = await db
    .selectFrom("task_counts")
    .select((of) => of.fn.coalesce(of.fn.sum<number | string>("n"), sql<number>`0`).as("n"))
    .where("user_id", "=", userId)
    .where("state", "in", ["QUEUED", "PENDING_RESOURCES"])
    .executeTakeFirstOrThrow();
  return Number(n);
}

/** Walks `n` entries of the index tasks_user: when the n-th newest is a minute old, fewer than `n` are younger. */
export function nthNewestQuery(db: Kysely<Tables>, userId: string, n: number) {
  return db
    .selectFrom("tasks")
    .select("created_at")
    .where("user_id", "=", userId)
    .orderBy("seq", "desc")
    .offset(n - 1)
    .limit(1);
}
