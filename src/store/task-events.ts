/** The history of a task: gapless from 1, and its times never go back, whatever the wall clock did. */
import type { Insertable, Kysely } from "kysely";
import type { NewTaskEvent, TaskState } from "../domain/types.ts";
import { storable } from "./storable.ts";
import type { EventTable, Tables } from "./tables.ts";
import { jsonOrNull } from "./task-rows.ts";

export type Move = { readonly from: TaskState | null; readonly to: TaskState };

/** Only for whoever has just written the task's row in the same transaction: that row is the lock on its history. */
export async function appendEvents(
  db: Kysely<Tables>,
  taskId: string,
  at: number,
  move: Move | null,
  events: readonly NewTaskEvent[],
): Promise<void> {
  if (events.length === 0) return;
  const last = await db
    .selectFrom("events")
    .select(["seq", "at"])
    .where("task_id", "=", taskId)
    .orderBy("seq", "desc")
    .limit(1)
    .executeTakeFirst();
  await writeEvents(db, taskId, (last?.seq ?? 0) + 1, Math.max(at, last?.at ?? at), move, events);
}

/** As `appendEvents`, for a task that is as new as its row. */
export async function writeEvents(
  db: Kysely<Tables>,
  taskId: string,
  firstSeq: number,
  at: number,
  move: Move | null,
  events: readonly NewTaskEvent[],
): Promise<void> {
  const rows = events.map((event, index): Insertable<EventTable> => {
    const moved = index === 0 ? move : null;
    return storable({
      task_id: taskId,
      seq: firstSeq + index,
      attempt: event.attempt,
      at,
      actor: event.actor,
      type: event.type,
      from_state: moved?.from ?? null,
      to_state: moved?.to ?? null,
      reason: jsonOrNull(event.reason),
      data: JSON.stringify(event.data),
    });
  });
  await db.insertInto("events").values(rows).execute();
}
