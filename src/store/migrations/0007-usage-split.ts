/** What the GPU time of attempts went into, by day, user, workload and node. */
import { type QueryExecutorProvider, sql } from "kysely";
import type { Placement, Workload } from "../../domain/types.ts";
import { gpuMsByDay } from "../../domain/usage.ts";
import type { Dialect, Migration } from "./migration.ts";

/** A program of an older schema would end attempts without telling what their time went into. */
export const usageSplit: Migration = { version: 7, minReaderVersion: 7, up };

type Counted = { user_id: string; workload: Workload; placement: string; started_at: number; ended_at: number };

async function up(db: QueryExecutorProvider, dialect: Dialect): Promise<void> {
  const text = dialect === "sqlite" ? "text" : `text collate "C"`;
  const statements = [
    "alter table attempts add column use_marks text",
    `create table usage_split (
      day text not null, user_id ${text} not null, workload text not null, node ${text} not null,
      productive bigint not null, recomputed bigint not null, stalled bigint not null, before_first_step bigint not null,
      unknown bigint not null, primary key (day, user_id, workload, node))`,
  ];
  for (const statement of statements) await sql.raw(statement).execute(db);
  const { rows } = await sql<Counted>`select attempts.user_id, tasks.workload, attempts.placement, attempts.started_at, attempts.ended_at
    from attempts join tasks on tasks.task_id = attempts.task_id where attempts.counted_gpu_ms > 0`.execute(db);
  for (const row of rows) await addUnknown(db, row);
}

/** What was counted before nobody had looked at its steps. */
async function addUnknown(db: QueryExecutorProvider, row: Counted): Promise<void> {
  for (const { node, gpus } of JSON.parse(row.placement) as Placement)
    for (const { day, gpuMs } of gpuMsByDay(gpus, row.started_at, row.ended_at))
      await sql`insert into usage_split values (${day}, ${row.user_id}, ${row.workload}, ${node}, 0, 0, 0, 0, ${gpuMs})
        on conflict (day, user_id, workload, node) do update set unknown = usage_split.unknown + excluded.unknown`.execute(db);
}
