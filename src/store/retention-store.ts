/** Whose files are old, who gives them up, and how much each user has. No query reads the history of what is gone. */
import { type Kysely, sql } from "kysely";
import type { ChangeOutcome, TaskChange } from "../control/ports.ts";
import type { RetentionStore } from "../control/file-ports.ts";
import type { Task } from "../domain/types.ts";
import type { Dialect } from "./migrations/migration.ts";
import type { Tables } from "./tables.ts";
import { changePlan } from "./task-change.ts";
import { taskOf } from "./task-rows.ts";
import type { Plan, WriteQueue } from "./write-queue.ts";

/** Word for word the predicates of the indexes: SQLite uses a partial index only when it finds that text again. */
const WITH_FILES = sql.raw<boolean>("files_gone_at is null and kept = 0 and ended_at is not null");
const TO_CLEAR = sql.raw<boolean>("is_cleared = 0");

export function makeRetentionStore(read: Kysely<Tables>, write: WriteQueue["write"], dialect: Dialect): RetentionStore {
  return {
    withOldFiles: async (endedBefore, limit) => await tasks(oldFilesQuery(read, endedBefore, limit)),
    withOldCheckpoints: async (endedBefore, limit) => await tasks(oldCheckpointsQuery(read, endedBefore, limit)),
    toClear: async (limit) => await tasks(toClearQuery(read, limit)),
    giveUpFiles: async (change) => await write(giveUpPlan(dialect, change, "files")),
    giveUpCheckpoints: async (change) => await write(giveUpPlan(dialect, change, "checkpoints")),
    cleared: async (taskId) => {
      await write(async ({ db }) => await db.updateTable("tasks").set({ is_cleared: 1 }).where("task_id", "=", taskId).execute());
    },
    setUse: async (userId, bytes, at) => {
      await write(async ({ db }) => {
        await db
          .insertInto("storage_use")
          .values({ user_id: userId, bytes, measured_at: at })
          .onConflict((conflict) => conflict.column("user_id").doUpdateSet({ bytes, measured_at: at }))
          .execute();
      });
    },
    use: async (userId) => {
      const row = await read.selectFrom("storage_use").selectAll().where("user_id", "=", userId).executeTakeFirst();
      return row === undefined ? null : { bytes: row.bytes, at: row.measured_at };
    },
  };
}

type TaskQuery = ReturnType<typeof toClearQuery>;

async function tasks(query: TaskQuery): Promise<readonly Task[]> {
  return (await query.execute()).map(taskOf);
}

/** The longest ended first. A task stays while a retry that may go on from it has files of its own. */
export function oldFilesQuery(db: Kysely<Tables>, endedBefore: number, limit: number) {
  return db
    .selectFrom("tasks")
    .selectAll()
    .where(WITH_FILES)
    .where("ended_at", "<", endedBefore)
    .where((of) => of.not(of.exists(heirQuery(db))))
    .orderBy("ended_at")
    .limit(limit);
}

/** A retry of the task in the query around it that may go on from its checkpoints. */
function heirQuery(db: Kysely<Tables>) {
  return db
    .selectFrom("tasks as heir")
    .select("heir.task_id")
    .where(sql<boolean>`heir.retry_of = tasks.task_id`)
    .where("heir.from_scratch", "=", 0)
    .where("heir.files_gone_at", "is", null);
}

export function oldCheckpointsQuery(db: Kysely<Tables>, endedBefore: number, limit: number) {
  return db
    .selectFrom("tasks")
    .selectAll()
    .where(WITH_FILES)
    .where("pruned_at", "is", null)
    .where("ended_at", "<", endedBefore)
    .orderBy("ended_at")
    .limit(limit);
}

export function toClearQuery(db: Kysely<Tables>, limit: number) {
  return db.selectFrom("tasks").selectAll().where(TO_CLEAR).orderBy("ended_at").limit(limit);
}

/**
 * The task's row is taken first: a retry that is being inserted holds it shared until it is there to be seen, and one that comes later finds the
 * files gone. Stale also for a task that is kept, that lives, or that a retry may go on from.
 */
function giveUpPlan(dialect: Dialect, change: TaskChange, what: "files" | "checkpoints"): Plan<ChangeOutcome> {
  const apply = changePlan(dialect, change);
  return async (tx) => {
    const { db } = tx;
    const own = db.selectFrom("tasks").select("task_id").where("task_id", "=", change.taskId).where(WITH_FILES);
    if ((await (dialect === "postgres" ? own.forUpdate() : own).executeTakeFirst()) === undefined) return { kind: "stale" };
    const heir = db
      .selectFrom("tasks")
      .select("task_id")
      .where("task_id", "=", change.taskId)
      .where((of) => of.exists(heirQuery(db)));
    if (what === "files" && (await heir.executeTakeFirst()) !== undefined) return { kind: "stale" };
    const outcome = await apply(tx);
    if (outcome.kind === "stale") return outcome;
    const given = what === "checkpoints" ? { pruned_at: change.at, is_cleared: 0 } : { is_cleared: 0 };
    await db.updateTable("tasks").set(given).where("task_id", "=", change.taskId).execute();
    return outcome;
  };
}
