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
  // A day and a half that two nodes were held by an attempt of which nobody had noted what it did.
  const placement = '[{"node":"w1","gpus":2,"cpus":1},{"node":"w2","gpus":1,"cpus":1}]';
  await sql`insert into tasks (task_id, id_reversed, user_id, workload, state, version, priority, labels, spec_text, spec, profile, needs, attempts,
    held, created_at, seq) ${dialect === "postgres" ? sql`overriding system value` : sql``} values ('t1', '1t', 'alice', 'sft', 'FAILED', 1, 0, '{}', '', '{}', '{}', '{}', 1, 0, 1, 1)`.execute(
    db,
  );
  await sql`insert into attempts (task_id, attempt, user_id, submission_id, state, quarantined, stalled, placement, counted_gpu_ms, created_at,
    started_at, ended_at) values ('t1', 1, 'alice', 't1--a01', 'FAILED', 0, 0, ${placement}, ${129_600_000 * 3}, 1, 0, 129600000)`.execute(
    db,
  );

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
  const split = await sql`select day, user_id, workload, node, unknown, productive from usage_split order by day, node`.execute(db);
  const who = { user_id: "alice", workload: "sft", productive: 0 };
  expect(split.rows).toEqual([
    { ...who, day: "1970-01-01", node: "w1", unknown: 86_400_000 * 2 },
    { ...who, day: "1970-01-01", node: "w2", unknown: 86_400_000 },
    { ...who, day: "1970-01-02", node: "w1", unknown: 43_200_000 * 2 },
    { ...who, day: "1970-01-02", node: "w2", unknown: 43_200_000 },
  ]);
  // A program of schema 1 may still write beside this one.
  await sql`insert into audit (at, actor, action, target, data) values (3, 'admin', 'user.disable', 'alice', '{}')`.execute(db);
}
