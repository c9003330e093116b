/** The queries of pages and ticks, each with the index it must walk, and a history long enough to punish one that does not. */
import { type Compilable, type Kysely, sql } from "kysely";
import type { TaskFilter } from "../../src/control/ports.ts";
import type { Dialect } from "../../src/store/migrations/migration.ts";
import type { Tables } from "../../src/store/tables.ts";
import type { AuditFilter } from "../../src/domain/audit.ts";
import { auditQuery } from "../../src/store/audit-store.ts";
import { oldCheckpointsQuery, oldFilesQuery, toClearQuery } from "../../src/store/retention-store.ts";
import { nthNewestQuery } from "../../src/store/task-limits.ts";
import { attemptsQuery, eventsQuery, latestQuery, listQuery, openQuery, partQuery, versionsQuery } from "../../src/store/task-reads.ts";

const ALL: TaskFilter = { userId: null, states: null, workload: null, labels: {} };

const NO_FILTER: AuditFilter = { actor: null, action: null, target: null, userId: null, after: null, before: null };

/** `index` is the one that SQLite, which knows no statistics, must take; Postgres may know better and is judged by the rows it read. */
type NamedQuery = { readonly name: string; readonly query: Compilable; readonly index: string };

export function pageQueries(db: Kysely<Tables>, dialect: Dialect): readonly NamedQuery[] {
  const audit = (filter: Partial<AuditFilter>) => auditQuery(db, { ...NO_FILTER, ...filter }, { at: 15_000, id: 15_000 }, 50);
  const list = (filter: Partial<TaskFilter>) => listQuery(db, dialect, { ...ALL, ...filter }, 15_000, 50);
  return [
    { name: "list of all", query: list({}), index: "sqlite_autoindex_tasks_2" },
    { name: "list of a user with few tasks", query: list({ userId: "bob" }), index: "tasks_user" },
    { name: "list of a user's rare state", query: list({ userId: "alice", states: ["CANCELED"] }), index: "tasks_user_state" },
    { name: "list of two states", query: list({ states: ["CANCELED", "RUNNING"] }), index: "tasks_state" },
    { name: "list of what is open", query: openQuery(db), index: "tasks_open" },
    { name: "versions of what is open and newest", query: versionsQuery(db), index: "tasks_open" },
    { name: "find by prefix", query: partQuery(db, "task_id", "h12", null), index: "sqlite_autoindex_tasks_1" },
    { name: "find by prefix of a user", query: partQuery(db, "task_id", "mvp2-bob-", "bob"), index: "sqlite_autoindex_tasks_1" },
    { name: "find by suffix", query: partQuery(db, "id_reversed", "0012", null), index: "tasks_reversed" },
    { name: "find by suffix among a user's", query: partQuery(db, "id_reversed", "0012", "alice"), index: "tasks_reversed" },
    { name: "events", query: eventsQuery(db, "t1", 0, 50), index: "PRIMARY KEY" },
    { name: "attempts", query: attemptsQuery(db, "t1"), index: "sqlite_autoindex_attempts_2" },
    { name: "n-th newest of a user", query: nthNewestQuery(db, "alice", 100), index: "tasks_user" },
    { name: "audit", query: audit({}), index: "audit_at" },
    { name: "audit of a time", query: audit({ after: 1, before: 14_000 }), index: "audit_at" },
    { name: "audit of a user", query: audit({ userId: "u5", after: 1 }), index: "audit_user_id" },
    { name: "audit of a target", query: audit({ target: "h77" }), index: "audit_target" },
    { name: "audit of an action", query: audit({ action: "token.create" }), index: "audit_action" },
    { name: "audit by an actor", query: audit({ actor: "admin" }), index: "audit_actor" },
    { name: "old files", query: oldFilesQuery(db, 15_000, 100), index: "tasks_with_files" },
    { name: "old checkpoints", query: oldCheckpointsQuery(db, 15_000, 100), index: "tasks_unpruned" },
    { name: "what is to be cleared", query: toClearQuery(db, 100), index: "tasks_to_clear" },
    { name: "newest attempts", query: latestQuery(db, ["t1", "t2"]), index: "sqlite_autoindex_attempts_2" },
  ];
}

/** The plan as text; on Postgres with what it really read. */
export async function planOf(db: Kysely<Tables>, dialect: Dialect, query: Compilable): Promise<string> {
  const compiled = query.compile();
  const explain = dialect === "sqlite" ? "explain query plan" : "explain (analyze, costs off, timing off)";
  const { rows } = await db.executeQuery<Record<string, string>>({ ...compiled, sql: `${explain} ${compiled.sql}` });
  return rows.map((row) => row["detail"] ?? row["QUERY PLAN"] ?? "").join("\n");
}

/** `count` ended tasks like the task `t1`, with one ended attempt, three events and one audit row each. */
export async function addHistory(db: Kysely<Tables>, dialect: Dialect, count: number): Promise<void> {
  const numbers = `with recursive counter(n) as (select 1 union all select n + 1 from counter where n < ${count})`;
  const copied =
    "user_id, workload, version, priority, labels, spec_text, spec, profile, needs, attempts, held, created_at, ended_at".split(", ");
  const serial = dialect === "sqlite" ? ["seq", "(select max(seq) from tasks) + n"] : null;
  const columns = ["task_id", "id_reversed", "state", ...copied, ...(serial === null ? [] : [serial[0]])].join(", ");
  const values = ["'h' || n", "n || 'h'", "'SUCCEEDED'", ...copied.map((column) => `t.${column}`), ...(serial === null ? [] : [serial[1]])];
  const statements = [
    `${numbers} insert into tasks (${columns}) select ${values.join(", ")} from tasks t, counter where t.task_id = 't1'`,
    `insert into attempts (task_id, attempt, user_id, submission_id, state, quarantined, stalled, placement, created_at)
       select task_id, 1, user_id, task_id || '--a01', 'SUCCEEDED', 0, 0, '[]', created_at from tasks where state = 'SUCCEEDED'`,
    ...[1, 2, 3].map(
      (seq) => `insert into events (task_id, seq, at, actor, type, data)
       select task_id, ${seq}, created_at, 'system', 'state_changed', '{}' from tasks where state = 'SUCCEEDED'`,
    ),
    `${numbers} insert into audit (at, actor, action, target, user_id, data)
       select n, 'admin', case n % 50 when 0 then 'token.create' else 'task.cancel' end, 'h' || n, 'u' || (n % 100), '{}' from counter`,
  ];
  for (const statement of statements) await sql.raw(statement).execute(db);
  if (dialect === "postgres") for (const table of ["tasks", "attempts", "events", "audit"]) await sql.raw(`analyze ${table}`).execute(db);
}
