import { sql } from "kysely";
import { afterEach, beforeEach, expect, it } from "vitest";
import { migrate } from "./migrate.ts";
import { MIGRATIONS } from "./migrations/list.ts";
import { openSqlite, type SqliteFiles } from "./sqlite.ts";
import { makeWriteQueue, type Plan, type WriteQueue } from "./write-queue.ts";

let files: SqliteFiles;
let queue: WriteQueue;

beforeEach(async () => {
  files = openSqlite(":memory:", false);
  await migrate(files.write, "sqlite", MIGRATIONS, () => "id", "memory");
  queue = makeWriteQueue(files.write, "sqlite");
});

afterEach(async () => {
  await queue.close();
  files.close();
});

function put(key: string): Plan<string> {
  return async ({ db }) => {
    await db.insertInto("meta").values({ key, value: key }).execute();
    return key;
  };
}

/** A row whose parent is missing, which SQLite is told to notice at the commit only. */
const breakCommit: Plan<string> = async ({ db }) => {
  await sql`pragma defer_foreign_keys = on`.execute(db);
  await sql`insert into attempts (task_id, attempt, user_id, submission_id, state, quarantined, stalled, placement, created_at)
    values ('nobody', 1, 'u', 's', 'LOST', 0, 0, '[]', 0)`.execute(db);
  return "acknowledged too early";
};

async function keys(): Promise<readonly string[]> {
  const rows = await files.read.selectFrom("meta").select("key").where("key", "like", "k%").orderBy("key").execute();
  return rows.map((row) => row.key);
}

it("rejects every plan of a transaction that could not be committed, and goes on with the next", async () => {
  const outcomes = await Promise.allSettled([queue.write(put("k1")), queue.write(breakCommit), queue.write(put("k2"))]);
  expect(outcomes.map((outcome) => outcome.status)).toEqual(["rejected", "rejected", "rejected"]);
  expect(await keys()).toEqual([]);
  expect(await queue.write(put("k3"))).toBe("k3");
  expect(await keys()).toEqual(["k3"]);
});

it("undoes what a failing plan wrote, and only that, with its counts", async () => {
  const failing: Plan<string> = async (tx) => {
    await put("k2")(tx);
    tx.counts.add("alice", "QUEUED", 5);
    throw new Error("changed its mind");
  };
  const counting: Plan<string> = async (tx) => {
    tx.counts.add("alice", "QUEUED", 2);
    tx.counts.add("alice", "FAILED", 1);
    return await put("k3")(tx);
  };
  const outcomes = await Promise.allSettled([queue.write(put("k1")), queue.write(failing), queue.write(counting)]);
  expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(await keys()).toEqual(["k1", "k3"]);
  expect(await files.read.selectFrom("task_counts").select(["state", "n"]).orderBy("state").execute()).toEqual([
    { state: "FAILED", n: 1 },
    { state: "QUEUED", n: 2 },
  ]);
});

it("keeps the order in which plans were given, over many transactions", async () => {
  const done: number[] = [];
  const plan: Plan<number> = async (tx) => {
    const { n } = await tx.db
      .selectFrom("meta")
      .select((of) => of.fn.countAll<number>().as("n"))
      .executeTakeFirstOrThrow();
    await put(`k${n}`)(tx);
    return n;
  };
  await Promise.all(Array.from({ length: 600 }, async () => done.push(await queue.write(plan))));
  expect(done).toEqual([...done].sort((a, b) => a - b));
  expect(new Set(done).size).toBe(600);
});
