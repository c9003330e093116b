/** The tables of verlpool 2.5. Text that is compared or ordered uses byte order in both databases (SQLite's default, Postgres' "C"). */
import { type QueryExecutorProvider, sql } from "kysely";
import type { Dialect, Migration } from "./migration.ts";

/** Said by what it is not: a list of open states would tempt SQLite to walk tasks_state five times and sort. */
const OPEN = "state not in ('SUCCEEDED', 'FAILED', 'CANCELED')";
const OPEN_ATTEMPT = "state in ('SUBMITTING', 'SUBMITTED', 'RUNNING')";

export const initial: Migration = { version: 1, minReaderVersion: 1, up };

async function up(db: QueryExecutorProvider, dialect: Dialect): Promise<void> {
  const text = dialect === "sqlite" ? "text" : `text collate "C"`;
  // Rows that are only read by their key lie in its tree: a page less to sync for each write.
  const clustered = dialect === "sqlite" ? "without rowid" : "";
  const serial = dialect === "sqlite" ? "integer primary key autoincrement" : "bigint generated always as identity primary key";
  // One writer at a time in SQLite gives max(seq) + 1 itself; several servers on one Postgres share a sequence.
  const taskSeq = dialect === "sqlite" ? "bigint not null unique" : "bigint generated always as identity unique";
  const statements = [
    `create table users (user_id ${text} primary key, display_name text, state text not null, limits text not null, created_at bigint not null)`,
    `create table tokens (
      token_id ${text} primary key, user_id ${text} not null references users (user_id), name text not null, scope text not null,
      hash ${text} not null unique, last4 text not null, created_at bigint not null, expires_at bigint, revoked_at bigint, last_used_at bigint)`,
    `create index tokens_user on tokens (user_id, created_at, token_id)`,
    `create table tasks (
      task_id ${text} primary key, id_reversed ${text} not null, user_id ${text} not null, workload text not null, state ${text} not null,
      version bigint not null, epoch bigint, priority integer not null, name text, labels text not null, spec_text text not null,
      spec text not null, profile text not null, needs text not null, attempts integer not null, held integer not null,
      next_run_at bigint, cancel_requested_at bigint, cancel_actor text, waiting text, failure text, progress text,
      deadline bigint, max_runtime_ms bigint, created_at bigint not null, started_at bigint, ended_at bigint, seq ${taskSeq})`,
    `create index tasks_open on tasks (seq) where ${OPEN}`,
    `create index tasks_user on tasks (user_id, seq)`,
    `create index tasks_user_state on tasks (user_id, state, seq)`,
    `create index tasks_state on tasks (state, seq)`,
    `create index tasks_reversed on tasks (id_reversed)`,
    `create table task_counts (user_id ${text} not null, state text not null, n bigint not null, primary key (user_id, state)) ${clustered}`,
    `create table attempts (
      task_id ${text} not null references tasks (task_id), attempt integer not null, user_id ${text} not null, submission_id ${text} not null unique,
      state text not null, quarantined integer not null, stalled integer not null, epoch bigint, node text, ray_session text, claim_nonce text,
      placement text not null, evidence text, exit_code integer, signal text, failure text, resumed_from text,
      counted_gpu_ms bigint not null default 0, created_at bigint not null, submitted_at bigint, started_at bigint, ended_at bigint,
      primary key (task_id, attempt))`,
    `create unique index attempts_one_open on attempts (task_id) where ${OPEN_ATTEMPT}`,
    `create table events (
      task_id ${text} not null references tasks (task_id), seq bigint not null, attempt integer, at bigint not null, actor text not null,
      type text not null, from_state text, to_state text, reason text, data text not null, primary key (task_id, seq)) ${clustered}`,
    `create table idempotency (
      user_id ${text} not null, key ${text} not null, body_hash text not null, task_id text not null, answer text not null,
      created_at bigint not null, primary key (user_id, key)) ${clustered}`,
    `create index idempotency_age on idempotency (created_at)`,
    `create table audit (id ${serial}, at bigint not null, actor text not null, action text not null, target text not null, data text not null)`,
    `create table leader (one integer primary key check (one = 1), epoch bigint not null, owner text, at bigint)`,
    `insert into leader (one, epoch) values (1, 0)`,
    `create table node_wishes (node ${text} primary key, cordon integer not null, drain integer not null, actor text not null, at bigint not null)`,
    `create table usage (user_id ${text} not null, day text not null, gpu_ms bigint not null, primary key (user_id, day))`,
    `create table outbox (id ${serial}, kind text not null, body text not null, due_at bigint not null, tries integer not null default 0)`,
    `create index outbox_due on outbox (due_at)`,
  ];
  for (const statement of statements) await sql.raw(statement).execute(db);
}
