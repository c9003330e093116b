/** Whether the queue as a whole is paused: one row while it is. */
import type { Kysely } from "kysely";
import type { QueueStore } from "../control/ports.ts";
import { writeAudit } from "./audit-store.ts";
import { storable } from "./storable.ts";
import type { Tables } from "./tables.ts";
import type { WriteQueue } from "./write-queue.ts";

export function makeQueueStore(read: Kysely<Tables>, write: WriteQueue["write"]): QueueStore {
  return {
    pause: async () => {
      const row = await read.selectFrom("queue_pause").selectAll().executeTakeFirst();
      return row === undefined ? null : { at: row.at, actor: row.actor, reason: row.reason };
    },
    setPause: async (pause, audit) =>
      await write(async ({ db }) => {
        const changed =
          pause === null
            ? (await db.deleteFrom("queue_pause").executeTakeFirstOrThrow()).numDeletedRows
            : (
                await db
                  .insertInto("queue_pause")
                  .values(storable({ one: 1, ...pause }))
                  .onConflict((conflict) => conflict.doNothing())
                  .executeTakeFirstOrThrow()
              ).numInsertedOrUpdatedRows;
        if (changed !== 1n) return false;
        await writeAudit(db, audit);
        return true;
      }),
  };
}
