/** Postgres through `pg`: one pool to read, one connection to write, so that a slow read never holds up an acknowledgement. */
import pg from "pg";
import { Kysely, PostgresDialect } from "kysely";
import type { Tables } from "./tables.ts";

const CONNECT_TIMEOUT_MS = 5000;
const STATEMENT_TIMEOUT_MS = 30_000;

/** A process that is stopped inside a transaction would hold its row locks for ever; after this the server ends the transaction. */
const IDLE_IN_TRANSACTION_MS = 10_000;

// Times and counters stay far below 2^53; pg gives bigint as text otherwise.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

export type PostgresConnections = {
  readonly write: Kysely<Tables>;
  readonly read: Kysely<Tables>;
  readonly close: () => Promise<void>;
};

export function postgresConfig(url: string, name: string): pg.PoolConfig {
  return {
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    keepAlive: true,
  };
}

/** `onIdleError` hears of connections that break while nobody uses them; the pool replaces them by itself. */
export function openPostgres(url: string, onIdleError: (error: Error) => void): PostgresConnections {
  const pool = (name: string, max: number): pg.Pool => {
    const made = new pg.Pool({ ...postgresConfig(url, name), max });
    made.on("error", onIdleError);
    return made;
  };
  const open = (name: string, max: number): Kysely<Tables> =>
    new Kysely<Tables>({ dialect: new PostgresDialect({ pool: pool(name, max) }) });
  const write = open("verlpool write", 1);
  const read = open("verlpool read", 6);
  const close = async (): Promise<void> => {
    await read.destroy();
    await write.destroy();
  };
  return { write, read, close };
}
