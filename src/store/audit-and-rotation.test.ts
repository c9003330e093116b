/** A database of schema 1, as an earlier verlpool left it, with rows that the step must understand. */
import { sql } from "kysely";
import { expect, it } from "vitest";
import { migrate } from "./migrate.ts";
import { initial } from "./migrations/0001-initial.ts";
import { MIGRATIONS } from "./migrations/list.ts";
import { makeAuditStore } from "./audit-store.ts";
import { openSqlite } from "./sqlite.ts";

const ALL = { actor: null, action: null, target: null, userId: null, after: null, before: null };

it("rows of schema 1 say whom they concerned, and their tokens go on", async () => {
  const files = openSqlite(":memory:", false);
  await migrate(files.write, "sqlite", [initial], () => "id", "memory");
  await sql`insert into users values ('alice', null, 'ACTIVE', '{}', 1)`.execute(files.write);
  await sql`insert into tokens values ('tok_1', 'alice', 'cli', 'full', 'hash', 'abcd', 1, null, null, 5)`.execute(files.write);
  const rows = sql`('admin', 'user.create', 'alice', '{}', 1), ('admin', 'token.create', 'tok_1', '{"user_id":"alice","name":"cli"}', 2)`;
  await sql`insert into audit (actor, action, target, data, at) values ${rows}`.execute(files.write);

  await migrate(files.write, "sqlite", MIGRATIONS, () => "other", "memory");

  const { rows: audit } = await makeAuditStore(files.read).list({ ...ALL, userId: "alice" }, null, 10);
  const unknown = { userId: "alice", actor: "admin", from: null, tokenId: null, requestId: null };
  expect(audit).toEqual([
    { ...unknown, id: 2, at: 2, action: "token.create", target: "tok_1", data: { user_id: "alice", name: "cli" } },
    { ...unknown, id: 1, at: 1, action: "user.create", target: "alice", data: {} },
  ]);
  const tokens = await sql`select token_id, last_used_at, replaced_by from tokens`.execute(files.read);
  expect(tokens.rows).toEqual([{ token_id: "tok_1", last_used_at: 5, replaced_by: null }]);
  // A program of schema 1 may still write beside this one.
  await sql`insert into audit (at, actor, action, target, data) values (3, 'admin', 'user.disable', 'alice', '{}')`.execute(files.write);
  files.close();
});
