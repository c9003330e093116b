import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openTestStore } from "../../test/support/databases.ts";
import { CREATED, newTask } from "../../test/support/task-samples.ts";
import { migrate } from "./migrate.ts";
import { MIGRATIONS } from "./migrations/list.ts";
import type { Migration } from "./migrations/migration.ts";
import { openSqlite, type SqliteFiles } from "./sqlite.ts";

const NEXT = (MIGRATIONS.at(-1)?.version ?? 0) + 1;

/** What a later release may bring: a column, filled from the rows that are there. */
const later: Migration = {
  version: NEXT,
  minReaderVersion: 1,
  up: async (db) => {
    await sql`alter table tasks add column of_a_later_step text`.execute(db);
    await sql`update tasks set of_a_later_step = 'was ' || task_id`.execute(db);
  },
};

const breaking: Migration = { version: NEXT, minReaderVersion: NEXT, up: later.up };

const failing: Migration = {
  version: NEXT,
  minReaderVersion: NEXT,
  up: async (db) => {
    await later.up(db, "sqlite");
    await sql`insert into nowhere values (1)`.execute(db);
  },
};

let folder: string;
let path: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "verlpool-migrate-"));
  path = join(folder, "mvp.sqlite3");
  const store = await openTestStore({ url: path });
  await store.tasks.insertTask(newTask("t1"), CREATED, null, null, () => "");
  await store.close();
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

async function withFiles<T>(use: (files: SqliteFiles) => Promise<T>): Promise<T> {
  const files = openSqlite(path, false);
  try {
    return await use(files);
  } finally {
    files.close();
  }
}

async function migrateTo(extra: readonly Migration[]): Promise<string> {
  return await withFiles(async (files) => await migrate(files.write, "sqlite", [...MIGRATIONS, ...extra], () => "another", path));
}

async function metaOf(): Promise<Record<string, string>> {
  const rows = await withFiles(async (files) => await files.read.selectFrom("meta").selectAll().execute());
  return Object.fromEntries(rows.map((row) => [row.key, row.value]));
}

it("numbers the steps from 1 without gaps, and none asks for a reader later than itself", () => {
  expect(MIGRATIONS.map((each) => each.version)).toEqual(MIGRATIONS.map((_, index) => index + 1));
  for (const each of MIGRATIONS) expect(each.minReaderVersion).toBeLessThanOrEqual(each.version);
});

it("an empty database gets every table, a version and an id of its own", async () => {
  const files = openSqlite(":memory:", false);
  expect(await migrate(files.write, "sqlite", MIGRATIONS, () => "id1", "memory")).toBe("id1");
  expect(await migrate(files.write, "sqlite", MIGRATIONS, () => "id2", "memory")).toBe("id1");
  const { rows } = await sql<{ name: string }>`select name from sqlite_schema where type = 'table' order by name`.execute(files.read);
  const tables =
    "attempts audit events idempotency leader meta node_wishes outbox queue_pause storage_use task_counts tasks tokens usage usage_split users".split(
      " ",
    );
  expect(rows.map((row) => row.name).filter((name) => !name.startsWith("sqlite_"))).toEqual(tables);
  files.close();
});

it("a later step keeps the rows, and this program still works on a database that allows it", async () => {
  const before = await metaOf();
  await migrateTo([later]);
  expect(await metaOf()).toEqual({ ...before, schema_version: String(NEXT) });
  const store = await openTestStore({ url: path });
  expect((await store.tasks.get("t1"))?.state).toBe("QUEUED");
  await store.tasks.insertTask(newTask("t2"), CREATED, null, null, () => "");
  await store.close();
  const rows = await withFiles(async (files) => await sql`select task_id, of_a_later_step from tasks order by seq`.execute(files.read));
  expect(rows.rows).toEqual([
    { task_id: "t1", of_a_later_step: "was t1" },
    { task_id: "t2", of_a_later_step: null },
  ]);
});

it("a database that needs a newer program is refused, by name and with what to do", async () => {
  await migrateTo([breaking]);
  await expect(openTestStore({ url: path })).rejects.toThrow(
    `${path} has schema ${NEXT} and needs a program of schema ${NEXT} or later; this one knows ${NEXT - 1}`,
  );
  expect((await metaOf()).schema_version).toBe(String(NEXT));
});

it("a step that fails leaves the database as it was", async () => {
  const before = await metaOf();
  await expect(migrateTo([failing])).rejects.toThrow(/nowhere/);
  expect(await metaOf()).toEqual(before);
  await migrateTo([later]);
  expect((await metaOf()).schema_version).toBe(String(NEXT));
});
