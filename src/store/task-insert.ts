/** A new task enters the queue: its row, its first event and its idempotency key together or not at all. */
import { type Kysely, sql } from "kysely";
import type { EarlierAnswer, Idempotency, InsertTaskOutcome, NewTask } from "../control/ports.ts";
import type { NewTaskEvent, Task } from "../domain/types.ts";
import type { Dialect } from "./migrations/migration.ts";
import { storable } from "./storable.ts";
import type { Tables } from "./tables.ts";
import { writeEvents } from "./task-events.ts";
import { newTaskRow, taskOf } from "./task-rows.ts";
import type { Plan, WriteTx } from "./write-queue.ts";

const IDEMPOTENCY_MS = 7 * 24 * 3600 * 1000;

export function insertTaskPlan(
  dialect: Dialect,
  task: NewTask,
  event: NewTaskEvent,
  idempotency: Idempotency | null,
  maxQueued: number | null,
  answer: (task: Task) => string,
): Plan<InsertTaskOutcome> {
  for (const label of Object.entries(task.labels)) storable({ "a label's key": label[0], "a label's value": label[1] });
  const row = storable(newTaskRow(task));
  return async (tx) => {
    if (idempotency !== null) {
      const earlier = await earlierAnswer(tx.db, task.userId, idempotency, task.createdAt);
      if (earlier !== null) return earlier;
    }
    if (maxQueued !== null) {
      const count = await countWaiting(tx, dialect, task.userId);
      if (count >= maxQueued) return { kind: "user_limit", limit: maxQueued, count };
    }
    const { seq } = await tx.db
      .insertInto("tasks")
      .values(dialect === "sqlite" ? { ...row, seq: sql<number>`(select coalesce(max(seq), 0) + 1 from tasks)` } : row)
      .returning("seq")
      .executeTakeFirstOrThrow();
    const created = taskOf({ ...row, seq });
    await writeEvents(tx.db, task.taskId, 1, task.createdAt, { from: null, to: "QUEUED" }, [event]);
    tx.counts.add(task.userId, "QUEUED", 1);
    if (idempotency !== null) await remember(tx.db, task, idempotency, answer(created));
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

/** Tasks of the user that wait, with those of this transaction. On Postgres other servers' submissions for him wait until it ends. */
async function countWaiting(tx: WriteTx, dialect: Dialect, userId: string): Promise<number> {
  if (dialect === "postgres") await sql`select pg_advisory_xact_lock(hashtextextended(${userId}, 0))`.execute(tx.db);
  const { n } = await tx.db
    .selectFrom("task_counts")
    .select((of) => of.fn.coalesce(of.fn.sum<number | string>("n"), sql<number>`0`).as("n"))
    .where("user_id", "=", userId)
    .where("state", "in", ["QUEUED", "PENDING_RESOURCES"])
    .executeTakeFirstOrThrow();
  return Number(n) + tx.counts.pending(userId, "QUEUED") + tx.counts.pending(userId, "PENDING_RESOURCES");
}
