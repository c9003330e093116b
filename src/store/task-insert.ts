/** A new task enters the queue: its row, its first event and its idempotency key together or not at all. */
import { type Kysely, sql } from "kysely";
import type { EarlierAnswer, Idempotency, InsertTaskOutcome, NewTask, SubmitLimits } from "../control/ports.ts";
import type { AuditEntry } from "../domain/audit.ts";
import type { NewTaskEvent, Task } from "../domain/types.ts";
import { writeAudit } from "./audit-store.ts";
import type { Dialect } from "./migrations/migration.ts";
import { storable } from "./storable.ts";
import type { Tables } from "./tables.ts";
import { writeEvents } from "./task-events.ts";
import { limitReached } from "./task-limits.ts";
import { newTaskRow, taskOf } from "./task-rows.ts";
import type { Plan } from "./write-queue.ts";

const IDEMPOTENCY_MS = 7 * 24 * 3600 * 1000;

export function insertTaskPlan(
  dialect: Dialect,
  task: NewTask,
  event: NewTaskEvent,
  idempotency: Idempotency | null,
  limits: SubmitLimits | null,
  answer: (task: Task) => string,
  audit: AuditEntry | null,
): Plan<InsertTaskOutcome> {
  for (const label of Object.entries(task.labels)) storable({ "a label's key": label[0], "a label's value": label[1] });
  const row = storable(newTaskRow(task));
  return async (tx) => {
    if (idempotency !== null) {
      const earlier = await earlierAnswer(tx.db, task.userId, idempotency, task.createdAt);
      if (earlier !== null) return earlier;
    }
    if (limits !== null) {
      if (dialect === "postgres") await oneAtATime(tx.db, task.userId);
      const reached = await limitReached(tx.db, task.userId, limits, task.createdAt, tx.counts.pending);
      if (reached !== null) return { kind: "user_limit", ...reached };
    }
    const gone = await filesGone(tx.db, dialect, task);
    if (gone !== null) return { kind: "files_gone", at: gone };
    const { seq } = await tx.db
      .insertInto("tasks")
      .values(dialect === "sqlite" ? { ...row, seq: sql<number>`(select coalesce(max(seq), 0) + 1 from tasks)` } : row)
      .returning("seq")
      .executeTakeFirstOrThrow();
    const created = taskOf({ ...row, seq });
    await writeEvents(tx.db, task.taskId, 1, task.createdAt, { from: null, to: "QUEUED" }, [event]);
    tx.counts.add(task.userId, "QUEUED", 1);
    if (idempotency !== null) await remember(tx.db, task, idempotency, answer(created));
    if (audit !== null) await writeAudit(tx.db, audit);
    return { kind: "created", task: created };
  };
}

export async function earlierAnswer(
  db: Kysely<Tables>,
  userId: string,
  idempotency: Idempotency,
  now: number,
): Promise<EarlierAnswer | null> {
  const earlier = await db
    .selectFrom("idempotency")
    .select(["body_hash", "answer", "created_at"])
    .where("user_id", "=", userId)
    .where("key", "=", idempotency.key)
    .executeTakeFirst();
  if (earlier === undefined || earlier.created_at <= now - IDEMPOTENCY_MS) return null;
  return earlier.body_hash === idempotency.bodyHash ? { kind: "replayed", answer: earlier.answer } : { kind: "key_reused" };
}

async function remember(db: Kysely<Tables>, task: NewTask, idempotency: Idempotency, answer: string): Promise<void> {
  await db
    .deleteFrom("idempotency")
    .where("created_at", "<=", task.createdAt - IDEMPOTENCY_MS)
    .execute();
  await db
    .insertInto("idempotency")
    .values(
      storable({
        user_id: task.userId,
        key: idempotency.key,
        body_hash: idempotency.bodyHash,
        task_id: task.taskId,
        answer,
        created_at: task.createdAt,
      }),
    )
    .execute();
}

/**
 * When the files that a retry would go on from were given up; null = they are there, and stay: retention asks in a transaction that takes the old
 * task's row for itself whether a retry of it exists.
 */
async function filesGone(db: Kysely<Tables>, dialect: Dialect, { retryOf, fromScratch }: NewTask): Promise<number | null> {
  if (retryOf === null || fromScratch) return null;
  const query = db.selectFrom("tasks").select("files_gone_at").where("task_id", "=", retryOf);
  const row = await (dialect === "postgres" ? query.forShare() : query).executeTakeFirst();
  return row?.files_gone_at ?? null;
}

/** Other servers' submissions for this user wait until the transaction ends, so that no two of them see the same last free place. */
async function oneAtATime(db: Kysely<Tables>, userId: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${userId}, 0))`.execute(db);
}
