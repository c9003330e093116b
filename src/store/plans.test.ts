import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openTestStore } from "../../test/support/databases.ts";
import { addHistory, pageQueries, planOf } from "../../test/support/store-plans.ts";
import { CREATED, newTask } from "../../test/support/task-samples.ts";
import { openSqlite, type SqliteFiles } from "./sqlite.ts";
import { countByState } from "./task-counts.ts";
import { listOpenTasks } from "./task-reads.ts";

const OPEN_TASKS = 50;
const HISTORY = 20_000;

let folder: string;
let path: string;
let before: number;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "verlpool-plans-"));
  path = join(folder, "mvp.sqlite3");
  const store = await openTestStore({ url: path });
  const ids = Array.from({ length: OPEN_TASKS }, (_, n) => `t${n + 1}`);
  await Promise.all(ids.map(async (id) => await store.tasks.insertTask(newTask(id), CREATED, null, null, () => "")));
  await store.close();
  before = await bytesRead(async (files) => void (await listOpenTasks(files.read)));
  await withFiles(async (files) => await addHistory(files.write, "sqlite", HISTORY));
});

afterAll(() => {
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

/** Bytes that this process asked the kernel for while `use` ran on connections with empty caches (proc(5), rchar). */
async function bytesRead(use: (files: SqliteFiles) => Promise<void>): Promise<number> {
  const total = (): number => Number(/rchar: (\d+)/.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
  return await withFiles(async (files) => {
    const from = total();
    await use(files);
    return total() - from;
  });
}

it("every query of a page or a tick walks an index, and sorts at most one page", async () => {
  await withFiles(async (files) => {
    for (const { name, query, index } of pageQueries(files.read, "sqlite")) {
      const plan = await planOf(files.read, "sqlite", query);
      expect(`${name}: ${plan}`).toContain(index);
      expect(`${name}: ${plan}`).not.toMatch(/SCAN (tasks|attempts|events|audit)(?! USING INDEX (tasks_open|tasks_to_clear|audit_at))/);
      if (name !== "list of two states") expect(`${name}: ${plan}`).not.toContain("TEMP B-TREE");
    }
  });
});

it(`reading what is open costs the same beside ${HISTORY} ended tasks, which a scan would read`, async () => {
  const after = await bytesRead(async (files) => expect(await listOpenTasks(files.read)).toHaveLength(OPEN_TASKS));
  const scan = await bytesRead(async (files) => {
    await sql`select sum(length(spec)) from tasks not indexed where state not in ('SUCCEEDED')`.execute(files.read);
  });
  expect(before).toBeGreaterThan(0);
  expect(after).toBeLessThan(before * 2);
  expect(scan).toBeGreaterThan(before * 20);
});

it("counting by state reads the counters, not the tasks", async () => {
  const read = await bytesRead(async (files) => expect((await countByState(files.read)).QUEUED).toBe(OPEN_TASKS));
  expect(read).toBeLessThan(before);
});
