import { chmodSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Kysely, sql } from "kysely";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openTestStore } from "../../test/support/databases.ts";
import { networkFileSystem } from "../domain/network-file-systems.ts";
import { sqlitePath } from "./open-store.ts";
import { openSqlite } from "./sqlite.ts";
import type { Tables } from "./tables.ts";

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "verlpool-sqlite-"));
  path = join(folder, "db", "mvp.sqlite3");
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

async function pragma(db: Kysely<Tables>, name: string): Promise<unknown> {
  const { rows } = await sql.raw<Record<string, unknown>>(`pragma ${name}`).execute(db);
  return Object.values(rows[0] ?? {})[0];
}

function modeOf(file: string): string {
  return (statSync(file).mode & 0o777).toString(8);
}

it("makes a directory and files that only the owner may read, and takes looser modes back", async () => {
  const store = await openTestStore({ url: path, lock: true });
  expect(modeOf(join(folder, "db"))).toBe("700");
  for (const end of ["", "-wal", "-shm", ".lock", ".owner"]) expect([end, modeOf(path + end)]).toEqual([end, "600"]);
  await store.close();
  chmodSync(path, 0o644);
  await (await openTestStore({ url: path })).close();
  expect(modeOf(path)).toBe("600");
});

it("syncs every commit and lets readers see a log of their own on a local file system", async () => {
  await (await openTestStore({ url: path })).close();
  const files = openSqlite(path, false);
  expect(files.read).not.toBe(files.write);
  expect([await pragma(files.write, "journal_mode"), await pragma(files.write, "synchronous")]).toEqual(["wal", 2]);
  expect(await pragma(files.write, "foreign_keys")).toBe(1);
  await expect(sql`delete from meta`.execute(files.read)).rejects.toThrow(/readonly/);
  files.close();
});

it("uses one connection, an exclusive lock and a rollback journal on a network file system, also after WAL", async () => {
  await (await openTestStore({ url: path, fileSystem: "local" })).close();
  const store = await openTestStore({ url: path, fileSystem: "network" });
  expect(existsSync(`${path}-wal`)).toBe(false);
  expect(existsSync(`${path}-shm`)).toBe(false);
  await store.close();
  const files = openSqlite(path, true);
  expect(files.read).toBe(files.write);
  expect(await pragma(files.write, "journal_mode")).toBe("truncate");
  expect(await pragma(files.write, "locking_mode")).toBe("exclusive");
  expect(await pragma(files.write, "synchronous")).toBe(2);
  files.close();
});

describe("the kind of a file system", () => {
  it.each([
    [0x6969, "nfs"],
    [0xfe534d42 - 2 ** 32, "smb2"],
    [0xff534d42, "cifs"],
    [0x65735546, "fuse"],
    [0x0bd00bd0, "lustre"],
    [0x47504653, "gpfs"],
    [0xef53, null],
    [0x58465342, null],
    [0x01021994, null],
    [0x794c7630, null],
  ])("of type %d is %j", (type, expected) => {
    expect(networkFileSystem(type)).toBe(expected);
  });
});

it.each([
  ["sqlite:/a/b.sqlite3", "/a/b.sqlite3"],
  ["sqlite:///a/b.sqlite3", "/a/b.sqlite3"],
  ["file:///a/b%20c.sqlite3", "/a/b c.sqlite3"],
  ["/a/b.sqlite3", "/a/b.sqlite3"],
  ["sqlite::memory:", ":memory:"],
  [":memory:", ":memory:"],
])("the url %j means the file %j", (url, expected) => {
  expect(sqlitePath(url)).toBe(expected);
});
