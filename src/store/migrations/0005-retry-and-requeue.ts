/** A task that goes on where another ended, and one that is to go back to the queue. */
import { type QueryExecutorProvider, sql } from "kysely";
import type { Dialect, Migration } from "./migration.ts";

/** A program of an older schema would start a retry from step 0, and never requeue. */
export const retryAndRequeue: Migration = { version: 5, minReaderVersion: 5, up };

async function up(db: QueryExecutorProvider, _dialect: Dialect): Promise<void> {
  const statements = [
    "alter table tasks add column retry_of text",
    "alter table tasks add column from_scratch integer not null default 0",
    "alter table tasks add column requeue text",
  ];
  for (const statement of statements) await sql.raw(statement).execute(db);
}
