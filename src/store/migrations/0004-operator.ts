/** What an operator says where no machine can: that the queue is paused, that an attempt is dead. */
import { type QueryExecutorProvider, sql } from "kysely";
import type { Dialect, Migration } from "./migration.ts";

/** A program of an older schema would start tasks in a pause. */
export const operator: Migration = { version: 4, minReaderVersion: 4, up };

async function up(db: QueryExecutorProvider, _dialect: Dialect): Promise<void> {
  const statements = [
    "alter table attempts add column declared_dead text",
    "create table queue_pause (one integer primary key check (one = 1), at bigint not null, actor text not null, reason text)",
  ];
  for (const statement of statements) await sql.raw(statement).execute(db);
}
