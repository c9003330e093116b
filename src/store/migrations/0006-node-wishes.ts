/** What operators want of nodes, and by which node attempts failed. */
import { type QueryExecutorProvider, sql } from "kysely";
import type { Dialect, Migration } from "./migration.ts";

/** A program of an older schema would place tasks on nodes that are cordoned. */
export const nodeWishes: Migration = { version: 6, minReaderVersion: 6, up };

async function up(db: QueryExecutorProvider, dialect: Dialect): Promise<void> {
  const text = dialect === "sqlite" ? "text" : `text collate "C"`;
  const statements = [
    // Schema 1 made it for a use that never came; nothing was ever written there.
    "drop table node_wishes",
    `create table node_wishes (
      node ${text} primary key, cordon integer not null, drain integer not null, actor text not null, reason text,
      gpu_uuids text not null, at bigint not null)`,
    "create index attempts_failed on attempts (ended_at) where failure is not null and node is not null",
  ];
  for (const statement of statements) await sql.raw(statement).execute(db);
}
