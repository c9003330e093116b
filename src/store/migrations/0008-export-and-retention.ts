/** Tasks that export a checkpoint of another, and what is known of files: kept by wish, removed, how much each user has. */
import { type QueryExecutorProvider, sql } from "kysely";
import type { Dialect, Migration } from "./migration.ts";

/** A program of an older schema would train where an export was asked for, and resume from files that are gone. */
export const exportAndRetention: Migration = { version: 8, minReaderVersion: 8, up };

async function up(db: QueryExecutorProvider, dialect: Dialect): Promise<void> {
  const text = dialect === "sqlite" ? "text" : `text collate "C"`;
  const ended = "files_gone_at is null and kept = 0 and ended_at is not null";
  const statements = [
    "alter table tasks add column export_of text",
    "alter table tasks add column kept integer not null default 0",
    "alter table tasks add column files_gone_at bigint",
    // Since when old checkpoints may be removed, and whether all that was given up is.
    "alter table tasks add column pruned_at bigint",
    "alter table tasks add column is_cleared integer not null default 1",
    `create index tasks_with_files on tasks (ended_at) where ${ended}`,
    `create index tasks_unpruned on tasks (ended_at) where ${ended} and pruned_at is null`,
    "create index tasks_to_clear on tasks (ended_at) where is_cleared = 0",
    "create index tasks_retry_of on tasks (retry_of) where retry_of is not null",
    `create table storage_use (user_id ${text} primary key, bytes bigint not null, measured_at bigint not null)`,
  ];
  for (const statement of statements) await sql.raw(statement).execute(db);
}
