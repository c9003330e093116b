import { fileURLToPath } from "node:url";
import type { Kysely } from "kysely";
import type { Clock, Ids, LeaderStore, Store } from "../control/ports.ts";
import { makeAuditStore } from "./audit-store.ts";
import { makePostgresLead } from "./leader-postgres.ts";
import { makeSqliteLead } from "./leader-sqlite.ts";
import { migrate } from "./migrate.ts";
import { MIGRATIONS } from "./migrations/list.ts";
import type { Dialect } from "./migrations/migration.ts";
import { openPostgres } from "./postgres.ts";
import { lockDatabase } from "./process-lock.ts";
import { isOnNetwork, makeSqliteFile, openSqlite, type SqliteFiles } from "./sqlite.ts";
import type { Tables } from "./tables.ts";
import { makeNodeStore } from "./node-store.ts";
import { makeQueueStore } from "./queue-store.ts";
import { makeTaskStore } from "./task-store.ts";
import { withTrouble } from "./trouble.ts";
import { makeRetentionStore } from "./retention-store.ts";
import { makeUsageStore } from "./usage-store.ts";
import { makeUserStore } from "./user-store.ts";
import { makeWriteQueue, type WriteQueue } from "./write-queue.ts";

export type StoreOptions = {
  /** `sqlite:/path/file`, a plain path, `:memory:` (gone at close) or `postgres://user:password@host:port/database`. */
  readonly url: string;
  readonly ids: Ids;
  /** Measures how long another leader stands still; used on Postgres only. */
  readonly clock: Pick<Clock, "monotonicMs">;
  /** False for tools and tests that open a SQLite file beside the server that owns it. */
  readonly lock?: boolean;
  /** Overrides what `statfs` says of a SQLite file's directory, for file systems it does not know. */
  readonly fileSystem?: "local" | "network";
  /** Hears of idle Postgres connections that broke; the pool replaces them by itself. */
  readonly onIdleError?: (error: Error) => void;
};

/** Opens, and where needed makes or migrates, the database. Throws when it is locked by another server, too new, or not reachable. */
export async function openStore(options: StoreOptions): Promise<Store> {
  return isPostgres(options.url) ? await openPostgresStore(options) : await openSqliteStore(options);
}

function isPostgres(url: string): boolean {
  return /^postgres(ql)?:/.test(url);
}

/** The file of a SQLite url, or `:memory:`. */
export function sqlitePath(url: string): string {
  if (url.startsWith("file:")) return fileURLToPath(url);
  const path = url.replace(/^sqlite:(\/\/(?=\/))?/, "");
  // A file of that name would be made, with the password in it. The message must not repeat it.
  if (path === url && /^(?:[a-z][a-z0-9+.-]*:|postgres\w*\/\/)/i.test(url))
    throw new Error("database.url is none that verlpool knows: it begins with postgres://, postgresql:// or sqlite:, or is a path");
  return path;
}

async function openSqliteStore(options: StoreOptions): Promise<Store> {
  const path = sqlitePath(options.url);
  const inMemory = path === ":memory:";
  if (!inMemory) makeSqliteFile(path);
  const lock = inMemory || options.lock === false ? null : lockDatabase(path);
  const network = options.fileSystem === undefined ? isOnNetwork(path) : options.fileSystem === "network";
  const files = openFiles(path, network, () => lock?.release());
  return await assemble(files.read, files.write, "sqlite", options, path, files.close, (write) => makeSqliteLead(files.read, write));
}

function openFiles(path: string, network: boolean, release: () => void): SqliteFiles {
  try {
    const files = openSqlite(path, network);
    const close = (): void => {
      files.close();
      release();
    };
    return { ...files, close };
  } catch (error) {
    release();
    throw error;
  }
}

async function openPostgresStore(options: StoreOptions): Promise<Store> {
  const connections = openPostgres(options.url, options.onIdleError ?? (() => undefined));
  const leader = makePostgresLead(options.url, options.clock);
  const close = async (): Promise<void> => {
    await leader.close();
    await connections.close();
  };
  const where = new URL(options.url).host;
  return await assemble(connections.read, connections.write, "postgres", options, where, close, () => leader.lead);
}

async function assemble(
  read: Kysely<Tables>,
  writer: Kysely<Tables>,
  dialect: Dialect,
  options: StoreOptions,
  where: string,
  closeConnections: () => void | Promise<void>,
  makeLead: (write: WriteQueue["write"]) => LeaderStore["lead"],
): Promise<Store> {
  let databaseId: string;
  try {
    databaseId = await migrate(writer, dialect, MIGRATIONS, () => options.ids.hex(16), where);
  } catch (error) {
    await closeConnections();
    throw error;
  }
  const queue = makeWriteQueue(writer, dialect);
  let closing: Promise<void> | null = null;
  return {
    tasks: withTrouble(makeTaskStore(read, queue.write, dialect)),
    users: withTrouble(makeUserStore(read, queue.write, dialect)),
    audit: withTrouble(makeAuditStore(read)),
    queue: withTrouble(makeQueueStore(read, queue.write)),
    nodes: withTrouble(makeNodeStore(read, queue.write, dialect)),
    usage: withTrouble(makeUsageStore(read)),
    retention: withTrouble(makeRetentionStore(read, queue.write, dialect)),
    leader: withTrouble({
      lead: makeLead(queue.write),
      ping: async () => {
        await read.selectFrom("meta").select("key").limit(1).execute();
      },
      databaseId: async () => await Promise.resolve(databaseId),
    }),
    close: async () => {
      closing ??= queue.close().then(closeConnections);
      await closing;
    },
  };
}
