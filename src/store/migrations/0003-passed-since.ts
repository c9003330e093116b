/** Since when others have passed a task that waits for capacity: what a reservation goes by. */
import { type QueryExecutorProvider, sql } from "kysely";
import type { Dialect, Migration } from "./migration.ts";

/** A program of an older schema leaves the column as it is and reserves nothing. */
export const passedSince: Migration = { version: 3, minReaderVersion: 1, up };

async function up(db: QueryExecutorProvider, _dialect: Dialect): Promise<void> {
  await sql.raw("alter table tasks add column passed_since bigint").execute(db);
}
