/** The lead on SQLite: the lock of the file admits one process, and each process that starts raises the epoch once. */
import type { Kysely } from "kysely";
import type { LeaderStore } from "../control/ports.ts";
import { raiseEpoch } from "./leader-row.ts";
import type { Tables } from "./tables.ts";
import type { WriteQueue } from "./write-queue.ts";

export function makeSqliteLead(read: Kysely<Tables>, write: WriteQueue["write"]): LeaderStore["lead"] {
  let mine: number | null = null;
  return async (owner, at) => {
    mine ??= await write(async ({ db }) => await raiseEpoch(db, owner, at));
    const { epoch } = await read.selectFrom("leader").select("epoch").executeTakeFirstOrThrow();
    return epoch === mine ? mine : null;
  };
}
