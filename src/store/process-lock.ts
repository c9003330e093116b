/** One server process for each SQLite file: the kernel holds the lock and frees it however the process ends, kill -9 included. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { DatabaseSync } from "node:sqlite";
import { makePrivateFile } from "./sqlite.ts";

export type ProcessLock = { readonly release: () => void };

/** SQLITE_BUSY, https://sqlite.org/rescode.html */
const BUSY = 5;

/**
 * Takes the lock of the database at `path`, which is a second SQLite file beside it with an exclusive transaction held open.
 * Throws at once, naming the owner's pid and host, when another process (or another store of this one) has it.
 */
export function lockDatabase(path: string): ProcessLock {
  const lockPath = `${path}.lock`;
  makePrivateFile(lockPath);
  const database = new DatabaseSync(lockPath);
  try {
    database.exec("begin exclusive");
  } catch (error) {
    database.close();
    if (!isBusy(error)) throw error;
    throw new Error(
      `the database ${path} is in use: ${ownerOf(path)} has it open. Stop that server first, or give this one its own database.url.`,
      { cause: error },
    );
  }
  writeOwner(path);
  return { release: () => database.close() };
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === BUSY;
}

/** For the message only: the lock itself never depends on this file. */
function writeOwner(path: string): void {
  const temporary = `${path}.owner.${process.pid}`;
  writeFileSync(temporary, `pid ${process.pid} on ${hostname()}\n`, { mode: 0o600 });
  renameSync(temporary, `${path}.owner`);
}

function ownerOf(path: string): string {
  try {
    return readFileSync(`${path}.owner`, "utf8").trim();
  } catch {
    return "another process";
  }
}
