import { type Kysely, sql } from "kysely";
import { storable } from "./storable.ts";
import type { Tables } from "./tables.ts";

/** A new leader begins: from this commit on no write that names an older epoch applies. */
export async function raiseEpoch(db: Kysely<Tables>, owner: string, at: number): Promise<number> {
  const { epoch } = await db
    .updateTable("leader")
    .set({ ...storable({ owner }), epoch: sql<number>`epoch + 1`, at })
    .returning("epoch")
    .executeTakeFirstOrThrow();
  return epoch;
}
