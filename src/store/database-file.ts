/** A SQLite database as a file: what stands in it, a copy of it while a server writes, and putting it aside. Never migrates. */
import { closeSync, copyFileSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { AttemptState } from "../domain/types.ts";
import { MIGRATIONS } from "./migrations/list.ts";
import { makePrivateFile } from "./sqlite.ts";

export type OpenAttempt = { readonly userId: string; readonly submissionId: string };

export type DatabaseSummary = {
  readonly schemaVersion: number;
  readonly tasks: number;
  /** Tasks that have not ended. */
  readonly openTasks: number;
  /** Attempts that may be running or may still start, as far as this database knows. */
  readonly openAttempts: readonly OpenAttempt[];
  /** Every submission id that was ever made out, as far as this database knows. */
  readonly submissionIds: ReadonlySet<string>;
};

const OPEN: readonly AttemptState[] = ["SUBMITTING", "SUBMITTED", "RUNNING"];
const SIDES = ["-wal", "-shm", "-journal"];

/** Throws with what is wrong when `path` is no whole database of verlpool, or one that needs a newer program. */
export function readDatabase(path: string): DatabaseSummary {
  if (!existsSync(path)) throw new Error(`there is no ${path}`);
  const database = openReadable(path);
  try {
    const all = (text: string): readonly Record<string, unknown>[] => database.prepare(text).all();
    const [check] = all("pragma quick_check(1)");
    if (check?.["quick_check"] !== "ok") throw new Error(`${path} is damaged: ${String(check?.["quick_check"])}`);
    const meta = new Map(all("select key, value from meta").map(({ key, value }) => [key, Number(value)]));
    const ours = MIGRATIONS.at(-1)?.version ?? 0;
    if ((meta.get("min_reader_version") ?? 0) > ours)
      throw new Error(
        `${path} needs a program of schema ${meta.get("min_reader_version")}; this one knows ${ours}: install the newer verlpool`,
      );
    const open = OPEN.map((state) => `'${state}'`).join(", ");
    return {
      schemaVersion: meta.get("schema_version") ?? 0,
      tasks: countOf(all("select count(*) as n from tasks")),
      openTasks: countOf(all("select count(*) as n from tasks where state not in ('SUCCEEDED', 'FAILED', 'CANCELED')")),
      openAttempts: all(`select user_id, submission_id from attempts where state in (${open}) order by submission_id`).map((row) => ({
        userId: String(row["user_id"]),
        submissionId: String(row["submission_id"]),
      })),
      submissionIds: new Set(all("select submission_id from attempts").map((row) => String(row["submission_id"]))),
    };
  } finally {
    database.close();
  }
}

function countOf(rows: readonly Record<string, unknown>[]): number {
  return Number(rows[0]?.["n"] ?? 0);
}

function openReadable(path: string): DatabaseSync {
  try {
    const database = new DatabaseSync(path, { readOnly: true });
    database.exec("pragma busy_timeout = 5000");
    // The first look at the file: what is none is told here.
    database.prepare("select 1 from meta limit 1").all();
    return database;
  } catch (error) {
    throw new Error(`${path} can't be read as a database of verlpool: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

/** A consistent copy of what is committed now, synced, mode 0600, also while a server writes. Throws when `to` exists. */
export function copyDatabase(from: string, to: string): void {
  if (existsSync(to)) throw new Error(`${to} exists: name another file`);
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  const database = openReadable(from);
  const temporary = `${to}.${process.pid}.tmp`;
  try {
    makePrivateFile(temporary);
    database.prepare("vacuum into ?").run(temporary);
    syncFile(temporary);
    renameSync(temporary, to);
    syncFile(dirname(to));
  } finally {
    database.close();
    rmSync(temporary, { force: true });
  }
}

/** Renames the database to `to`, whole in one file. The caller holds its lock (process-lock.ts). */
export function setDatabaseAside(path: string, to: string): void {
  if (existsSync(to)) throw new Error(`${to} exists`);
  const database = new DatabaseSync(path);
  try {
    // Its last commits may lie in the write-ahead log.
    database.exec("pragma busy_timeout = 5000; pragma wal_checkpoint(truncate); pragma journal_mode = delete");
  } finally {
    database.close();
  }
  renameSync(path, to);
  for (const side of SIDES) rmSync(`${path}${side}`, { force: true });
  syncFile(dirname(path));
}

/** Puts a copy of `backup` in the place of the database, which must be free. The caller holds its lock. */
export function putDatabase(backup: string, path: string): void {
  if (existsSync(path)) throw new Error(`${path} exists`);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    makePrivateFile(temporary);
    copyFileSync(backup, temporary);
    syncFile(temporary);
    renameSync(temporary, path);
    syncFile(dirname(path));
  } finally {
    rmSync(temporary, { force: true });
  }
}

function syncFile(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
