/** SQLite through node:sqlite: how its files are made, opened and tuned, and the adapter that Kysely's own dialect drives. */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { Kysely, SqliteDialect, type SqliteDatabase, type SqliteStatement } from "kysely";
import { networkFileSystemOf } from "./file-system.ts";
import type { Tables } from "./tables.ts";

/** Statements kept prepared per connection; our texts are few, only lists of values vary in length. */
const MAX_PREPARED = 500;

export type SqliteFiles = {
  readonly write: Kysely<Tables>;
  /** The same object as `write` where only one connection may exist: Kysely then lets a read wait for the running transaction. */
  readonly read: Kysely<Tables>;
  readonly close: () => void;
};

/**
 * Opens `path` (or `:memory:`). A local file gets WAL, so readers never wait; a network file system gets one connection with an exclusive
 * lock and a rollback journal. Both sync every commit to the disk before it returns.
 */
export function openSqlite(path: string, network: boolean): SqliteFiles {
  const write = connect(path, false, pragmas(path, network));
  if (network || path === ":memory:") {
    const both = kyselyOn(write);
    return { write: both, read: both, close: () => write.close() };
  }
  try {
    const read = connect(path, true, ["busy_timeout = 5000", "cache_size = -16384"]);
    const close = (): void => {
      read.close();
      write.close();
    };
    return { write: kyselyOn(write), read: kyselyOn(read), close };
  } catch (error) {
    write.close();
    throw error;
  }
}

/** Makes the directory (0700) and the file (0600) where they are absent, and takes a file's looser mode back. */
export function makeSqliteFile(path: string): void {
  const directory = dirname(path);
  if (!existsSync(directory)) {
    mkdirSync(dirname(directory), { recursive: true });
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }
  makePrivateFile(path);
}

/** Never opens a file that exists: closing any descriptor of it would drop this process's POSIX locks on it (fcntl(2)). */
export function makePrivateFile(path: string): void {
  if (existsSync(path)) {
    chmodSync(path, 0o600);
    return;
  }
  closeSync(openSync(path, "a", 0o600));
}

export function isOnNetwork(path: string): boolean {
  return path !== ":memory:" && networkFileSystemOf(dirname(path)) !== null;
}

function pragmas(path: string, network: boolean): readonly string[] {
  if (path === ":memory:") return ["foreign_keys = on"];
  const journal = network ? ["locking_mode = exclusive", "journal_mode = truncate"] : ["busy_timeout = 5000", "journal_mode = wal"];
  return [...journal, "synchronous = full", "foreign_keys = on", "cache_size = -16384"];
}

function connect(path: string, readOnly: boolean, settings: readonly string[]): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly });
  try {
    for (const setting of settings) database.exec(`pragma ${setting}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The queries of the store on a connection that is open; the simulation has one of its own. */
export function kyselyOn(database: DatabaseSync): Kysely<Tables> {
  return new Kysely<Tables>({ dialect: new SqliteDialect({ database: adapt(database) }) });
}

function adapt(database: DatabaseSync): SqliteDatabase {
  const prepared = new Map<string, SqliteStatement>();
  const prepare = (text: string): SqliteStatement => {
    const known = prepared.get(text);
    if (known !== undefined) return known;
    if (prepared.size >= MAX_PREPARED) prepared.clear();
    const statement = adaptStatement(database.prepare(text));
    prepared.set(text, statement);
    return statement;
  };
  return { prepare, close: () => database.close() };
}

/** Kysely passes on what the tables' types allow: strings, numbers and null. */
function adaptStatement(statement: StatementSync): SqliteStatement {
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...(parameters as SQLInputValue[])),
    run: (parameters) => statement.run(...(parameters as SQLInputValue[])),
    iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])),
  };
}
