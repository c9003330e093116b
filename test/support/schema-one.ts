/** A database of schema 1 with rows, as an earlier verlpool left it, and what a later program must make of them. */
import { type Kysely, sql } from "kysely";
import { expect } from "vitest";
import { makeAuditStore } from "../../src/store/audit-store.ts";
import { migrate } from "../../src/store/migrate.ts";
import { initial } from "../../src/store/migrations/0001-initial.ts";
import { MIGRATIONS } from "../../src/store/migrations/list.ts";
import type { Dialect } from "../../src/store/migrations/migration.ts";
import type { Tables } from "../../src/store/tables.ts";

export async function expectSchemaOneToMigrate(db: Kysely<Tables>, dialect: Dialect): Promise<void> {
  await migrate(db, dialect, [initial], () => "id", "here");
  await sql`insert into users values ('alice', null, 'ACTIVE', '{}', 1)`.execute(db);
  await sql`insert into tokens values ('tok_1', 'alice', 'cli', 'full', 'hash', 'abcd', 1, null, null, 5)`.execute(db);
  const created = sql`('admin', 'user.create', 'alice', '{}', 1)`;
  const issued = sql`('admin', 'token.create', 'tok_1', '{"user_id":"alice","name":"a\\u0000b"}', 2)`;
  await sql`insert into audit (actor, action, target, data, at) values ${created}, ${issued}`.execute(db);

  expect(await migrate(db, dialect, MIGRATIONS, () => "other", "here")).toBe("id");

  const ofAlice = { actor: null, action: null, target: null, userId: "alice", after: null, before: null };
  const { rows: audit } = await makeAuditStore(db).list(ofAlice, null, 10);
  const unknown = { userId: "alice", actor: "admin", from: null, tokenId: null, requestId: null };
  expect(audit).toEqual([
    { ...unknown, id: 2, at: 2, action: "token.create", target: "tok_1", data: { user_id: "alice", name: "a\0b" } },
    { ...unknown, id: 1, at: 1, action: "user.create", target: "alice", data: {} },
  ]);
  const tokens = await sql`select token_id, last_used_at, replaced_by from tokens`.execute(db);
  expect(tokens.rows).toEqual([{ token_id: "tok_1", last_used_at: 5, replaced_by: null }]);
  // A program of schema 1 may still write beside this one.
  await sql`insert into audit (at, actor, action, target, data) values (3, 'admin', 'user.disable', 'alice', '{}')`.execute(db);
}
