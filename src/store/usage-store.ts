/** GPU time by user and day, and what it went into. An attempt is counted once, in the transaction that ends it. */
import type { Kysely } from "kysely";
import { sql } from "kysely";
import type { UsageStore } from "../control/ports.ts";
import { addUse, NO_USE, partsOf, totalUse, USE_KINDS, type UseSplit } from "../domain/held-time.ts";
import type { Placement, UseMarks, Workload } from "../domain/types.ts";
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
    split: async (day, userId, by) => {
      if (userId !== null && !isStorable(userId)) return [];
      const columns = by.map((key) => COLUMN[key]);
      let query = read
        .selectFrom("usage_split")
        .select(columns)
        // Of bigints both databases make something else than a bigint otherwise.
        .select(USE_KINDS.map((kind) => sql<number>`cast(sum(${sql.ref(kind)}) as bigint)`.as(kind)))
        .where("day", ">=", day)
        .groupBy(columns);
      if (userId !== null) query = query.where("user_id", "=", userId);
      const rows = await query.execute();
      return rows.map((row) => ({
        day: row.day ?? null,
        userId: row.user_id ?? null,
        workload: row.workload ?? null,
        node: row.node ?? null,
        split: addUse(NO_USE, row as UseSplit),
      }));
    },
  };
}

const COLUMN = { day: "day", user: "user_id", workload: "workload", node: "node" } as const;

/** Adds what an attempt held while it ran; nothing for one that has not ended, never ran, or is counted. */
export async function countAttempt(db: Kysely<Tables>, taskId: string, attempt: number, workload: Workload): Promise<void> {
  const row = await db
    .selectFrom("attempts")
    .select(["user_id", "placement", "started_at", "ended_at", "counted_gpu_ms", "use_marks"])
    .where("task_id", "=", taskId)
    .where("attempt", "=", attempt)
    .executeTakeFirst();
  if (row === undefined || row.started_at === null || row.ended_at === null || row.counted_gpu_ms !== 0) return;
  const marks = row.use_marks === null ? null : (JSON.parse(row.use_marks) as UseMarks);
  const split = new Map<string, { readonly day: string; readonly node: string; readonly use: UseSplit }>();
  for (const { day, node, kind, gpuMs } of partsOf(marks, JSON.parse(row.placement) as Placement, row.started_at, row.ended_at)) {
    const use = split.get(`${day} ${node}`)?.use ?? NO_USE;
    split.set(`${day} ${node}`, { day, node, use: { ...use, [kind]: use[kind] + gpuMs } });
  }
  const days = new Map<string, number>();
  for (const { day, use } of split.values()) days.set(day, (days.get(day) ?? 0) + totalUse(use));
  const counted = [...days.values()].reduce((sum, gpuMs) => sum + gpuMs, 0);
  if (counted === 0) return;
  await db
    .insertInto("usage")
    .values([...days].map(([day, gpu_ms]) => ({ user_id: row.user_id, day, gpu_ms })))
    .onConflict((conflict) => conflict.columns(["user_id", "day"]).doUpdateSet({ gpu_ms: sql`usage.gpu_ms + excluded.gpu_ms` }))
    .execute();
  const added = Object.fromEntries(
    USE_KINDS.map((kind) => [kind, sql<number>`${sql.ref(`usage_split.${kind}`)} + ${sql.ref(`excluded.${kind}`)}`]),
  );
  await db
    .insertInto("usage_split")
    .values([...split.values()].map(({ day, node, use }) => ({ day, user_id: row.user_id, workload, node, ...use })))
    .onConflict((conflict) => conflict.columns(["day", "user_id", "workload", "node"]).doUpdateSet(added))
    .execute();
  await db.updateTable("attempts").set({ counted_gpu_ms: counted }).where("task_id", "=", taskId).where("attempt", "=", attempt).execute();
}
