/** The audit trail says whom an action concerned, where it came from and by which token; a rotated token names its successor. */
import { type QueryExecutorProvider, sql } from "kysely";
import type { Dialect, Migration } from "./migration.ts";

/** A program of schema 1 leaves the new columns empty, which they may be. */
export const auditAndRotation: Migration = { version: 2, minReaderVersion: 1, up };

async function up(db: QueryExecutorProvider, dialect: Dialect): Promise<void> {
  const text = dialect === "sqlite" ? "text" : `text collate "C"`;
  const statements = [
    `alter table tokens add column replaced_by ${text}`,
    `alter table audit add column user_id ${text}`,
    `alter table audit add column from_address ${text}`,
    `alter table audit add column token_id ${text}`,
    `alter table audit add column request_id ${text}`,
    // Until now every row was about a user or about a token, and neither is ever deleted.
    `update audit set user_id = coalesce((select user_id from tokens where token_id = audit.target), target)`,
    `create index audit_at on audit (at, id)`,
    ...["actor", "action", "target", "user_id"].map((column) => `create index audit_${column} on audit (${column}, at, id)`),
  ];
  for (const statement of statements) await sql.raw(statement).execute(db);
}
