/** GPU time by user and day. An attempt is counted once, in the transaction that ends it. */
import type { Kysely } from "kysely";
import { sql } from "kysely";
import type { UsageStore } from "../control/ports.ts";
import type { Placement } from "../domain/types.ts";
import { gpuMsByDay } from "../domain/usage.ts";
import { isStorable } from "./storable.ts";
import type { Tables } from "./tables.ts";

export function makeUsageStore(read: Kysely<Tables>): UsageStore {
  return {
    since: async (day, userId) => {
      if (userId !== null && !isStorable(userId)) return [];
      let query = read.selectFrom("usage").selectAll().where("day", ">=", day);
      if (userId !== null) query = query.where("user_id", "=", userId);
      const rows = await query.orderBy("day", "desc").orderBy("user_id").execute();
      return rows.map((row) => ({ userId: row.user_id, day: row.day, gpuMs: row.gpu_ms }));
    },
  };
}

/** Adds what an attempt held while it ran; nothing for one that has not ended, never ran, or is counted. */
export async function countAttempt(db: Kysely<Tables>, taskId: string, attempt: number): Promise<void> {
  const row = await db
    .selectFrom("attempts")
    .select(["user_id", "placement", "started_at", "ended_at", "counted_gpu_ms"])
    .where("task_id", "=", taskId)
    .where("attempt", "=", attempt)
    .executeTakeFirst();
  if (row === undefined || row.started_at === null || row.ended_at === null || row.counted_gpu_ms !== 0) return;
  const gpus = (JSON.parse(row.placement) as Placement).reduce((sum, part) => sum + part.gpus, 0);
  const days = gpuMsByDay(gpus, row.started_at, row.ended_at);
  const counted = days.reduce((sum, { gpuMs }) => sum + gpuMs, 0);
  if (counted === 0) return;
  await db
    .insertInto("usage")
    .values(days.map(({ day, gpuMs }) => ({ user_id: row.user_id, day, gpu_ms: gpuMs })))
    .onConflict((conflict) => conflict.columns(["user_id", "day"]).doUpdateSet({ gpu_ms: sql`usage.gpu_ms + excluded.gpu_ms` }))
    .execute();
  await db.updateTable("attempts").set({ counted_gpu_ms: counted }).where("task_id", "=", taskId).where("attempt", "=", attempt).execute();
}
