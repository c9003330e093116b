/**
 * The real store on SQLite in memory, one for each process and emptied between worlds; and a look at its rows that no server takes part in,
 * which is what invariants are checked against.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Kysely } from "kysely";
import type { Attempt, Task, TaskEvent } from "../../src/domain/types.ts";
import { migrate } from "../../src/store/migrate.ts";
import { MIGRATIONS } from "../../src/store/migrations/list.ts";
import { kyselyOn } from "../../src/store/sqlite.ts";
import type { Tables } from "../../src/store/tables.ts";
import { attemptOf, eventOf, taskOf } from "../../src/store/task-rows.ts";

export type TaskSnapshot = {
  readonly task: Task;
  readonly attempts: readonly Attempt[];
  readonly events: number;
  readonly lastEventAt: number;
};

export type TaskDelta = {
  readonly taskId: string;
  readonly before: TaskSnapshot | null;
  readonly after: TaskSnapshot;
  readonly newEvents: readonly TaskEvent[];
};

export type LeaderRow = { readonly epoch: number; readonly owner: string | null; readonly at: number | null };

export type Database = {
  readonly db: Kysely<Tables>;
  /** As of the last `changes`. */
  readonly tasks: ReadonlyMap<string, TaskSnapshot>;
  /** What has changed since the last call; `gone` = rows that are no longer there. */
  readonly changes: () => { readonly deltas: readonly TaskDelta[]; readonly gone: readonly string[] };
  readonly leader: () => LeaderRow;
  readonly beatLeader: (epoch: number, at: number) => boolean;
  readonly takeLead: (owner: string, at: number) => number;
  readonly countsByState: () => ReadonlyMap<string, number>;
  readonly reset: () => void;
};

type Statements = { readonly [name in "versions" | "task" | "attempts" | "events" | "leader" | "beat" | "take" | "counts"]: StatementSync };

export async function openDatabase(): Promise<Database> {
  const file = new DatabaseSync(":memory:");
  file.exec("pragma foreign_keys = on");
  const db = kyselyOn(file);
  await migrate(db, "sqlite", MIGRATIONS, () => "simulated", ":memory:");
  const statements: Statements = {
    versions: file.prepare("select task_id, version from tasks order by seq"),
    task: file.prepare("select * from tasks where task_id = ?"),
    attempts: file.prepare("select * from attempts where task_id = ? order by attempt"),
    events: file.prepare("select * from events where task_id = ? and seq > ? order by seq"),
    leader: file.prepare("select epoch, owner, at from leader"),
    beat: file.prepare("update leader set at = max(?, coalesce(at, 0) + 1) where epoch = ?"),
    take: file.prepare("update leader set epoch = epoch + 1, owner = ?, at = max(?, coalesce(at, 0) + 1) returning epoch"),
    counts: file.prepare("select state, sum(n) as n from task_counts group by state"),
  };
  const tasks = new Map<string, TaskSnapshot>();
  const tables = file
    .prepare("select name from sqlite_master where type = 'table' and name not in ('meta', 'leader') and name not like 'sqlite_%'")
    .all()
    .map((row) => String(row["name"]));
  const emptied = tables.map((name) => `delete from ${name};`).join("\n");

  return {
    db,
    tasks,
    changes: () => look(statements, tasks),
    leader: () => statements.leader.get() as LeaderRow,
    beatLeader: (epoch, at) => statements.beat.run(at, epoch).changes === 1,
    takeLead: (owner, at) => Number(statements.take.get(owner, at)?.["epoch"]),
    countsByState: () => new Map(statements.counts.all().map((row) => [String(row["state"]), Number(row["n"])])),
    reset: () => {
      tasks.clear();
      file.exec(`pragma foreign_keys = off;\n${emptied}\nupdate leader set epoch = 0, owner = null, at = null;\npragma foreign_keys = on;`);
    },
  };
}

function look(statements: Statements, tasks: Map<string, TaskSnapshot>): ReturnType<Database["changes"]> {
  const deltas: TaskDelta[] = [];
  const rows = statements.versions.all();
  for (const row of rows) {
    const taskId = String(row["task_id"]);
    const before = tasks.get(taskId) ?? null;
    if (before?.task.version === row["version"]) continue;
    const newEvents = statements.events.all(taskId, before?.events ?? 0).map((event) => eventOf(event as Parameters<typeof eventOf>[0]));
    const after: TaskSnapshot = {
      task: taskOf(statements.task.get(taskId) as Parameters<typeof taskOf>[0]),
      attempts: statements.attempts.all(taskId).map((attempt) => attemptOf(attempt as Parameters<typeof attemptOf>[0])),
      events: newEvents.at(-1)?.seq ?? before?.events ?? 0,
      lastEventAt: newEvents.at(-1)?.at ?? before?.lastEventAt ?? 0,
    };
    tasks.set(taskId, after);
    deltas.push({ taskId, before, after, newEvents });
  }
  const gone = rows.length === tasks.size ? [] : [...tasks.keys()].filter((taskId) => !rows.some((row) => row["task_id"] === taskId));
  return { deltas, gone };
}
