/** The databases that every test of the store runs on: a fresh, empty one for each test. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import type { Store } from "../../src/control/ports.ts";
import { openStore, type StoreOptions } from "../../src/store/open-store.ts";
import type { PostgresServer } from "./postgres.ts";

export type FreshDatabase = Pick<StoreOptions, "url" | "fileSystem"> & { readonly drop: () => Promise<void> };

export type TestDatabase = {
  readonly name: string;
  readonly dialect: "sqlite" | "postgres";
  /** Whether a second store sees what the first one wrote. */
  readonly shared: boolean;
  readonly fresh: () => Promise<FreshDatabase>;
};

export const MEMORY: TestDatabase = {
  name: "sqlite in memory",
  dialect: "sqlite",
  shared: false,
  fresh: async () => await Promise.resolve({ url: ":memory:", drop: async () => await Promise.resolve() }),
};

export const FILE = fileDatabase("sqlite file", "local");
export const NETWORK_FILE = fileDatabase("sqlite file as on a network file system", "network");

function fileDatabase(name: string, fileSystem: "local" | "network"): TestDatabase {
  const fresh = async (): Promise<FreshDatabase> => {
    const folder = mkdtempSync(join(tmpdir(), "verlpool-store-"));
    const drop = async (): Promise<void> => {
      rmSync(folder, { recursive: true });
      await Promise.resolve();
    };
    return await Promise.resolve({ url: `sqlite:${join(folder, "mvp.sqlite3")}`, fileSystem, drop });
  };
  return { name, dialect: "sqlite", shared: true, fresh };
}

export function postgresDatabase(server: () => PostgresServer): TestDatabase {
  const fresh = async (): Promise<FreshDatabase> => {
    const name = `test_${randomBytes(6).toString("hex")}`;
    await onPostgres(server().url("postgres"), `create database ${name}`);
    const drop = async (): Promise<void> => await onPostgres(server().url("postgres"), `drop database ${name} with (force)`);
    return { url: server().url(name), drop };
  };
  return { name: "postgres", dialect: "postgres", shared: true, fresh };
}

async function onPostgres(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

export type ManualClock = { readonly monotonicMs: () => number; readonly advance: (ms: number) => void };

export function manualClock(): ManualClock {
  let time = 0;
  return {
    monotonicMs: () => time,
    advance: (ms) => {
      time += ms;
    },
  };
}

export async function openTestStore(
  database: Pick<StoreOptions, "url" | "fileSystem" | "lock">,
  clock: ManualClock = manualClock(),
): Promise<Store> {
  const { url, fileSystem, lock } = database;
  return await openStore({
    url,
    clock,
    ids: { hex: (bytes) => randomBytes(bytes).toString("hex") },
    lock: lock ?? false,
    ...(fileSystem === undefined ? {} : { fileSystem }),
  });
}
