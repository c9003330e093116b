/** All writes of a process, one after another: plans that arrive together share one transaction and one sync to the disk. */
import { CompiledQuery, type Kysely, sql } from "kysely";
import type { Dialect } from "./migrations/migration.ts";
import type { Tables } from "./tables.ts";
import { applyCounts, type CountChanges, makeCountChanges } from "./task-counts.ts";

/** What a plan may touch. It must do all its work before it resolves, and only through `db`. */
export type WriteTx = { readonly db: Kysely<Tables>; readonly counts: CountChanges };

export type Plan<T> = (tx: WriteTx) => Promise<T>;

export type WriteQueue = {
  /**
   * Runs `plan` in a savepoint of its own and resolves with its result once the transaction is durable. A plan that throws leaves
   * nothing behind and rejects alone; when the transaction itself fails, each of its plans rejects, and whether a commit that broke off
   * took place is unknown.
   */
  readonly write: <T>(plan: Plan<T>) => Promise<T>;
  /** Waits for the plans already given; later ones are refused. */
  readonly close: () => Promise<void>;
};

/** Bounds how long the first plan of a burst waits for its acknowledgement. */
const MAX_PLANS_PER_COMMIT = 256;
const MAX_TRIES = 4;

/** serialization_failure, deadlock_detected, unique_violation: another server was faster, and a second look decides anew. */
const RACE_CODES: ReadonlySet<unknown> = new Set(["40001", "40P01", "23505"]);

const SAVEPOINT = CompiledQuery.raw("savepoint plan");
const RELEASE = CompiledQuery.raw("release savepoint plan");
const UNDO = CompiledQuery.raw("rollback to savepoint plan");

type Entry = {
  readonly plan: Plan<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  tries: number;
};

export function makeWriteQueue(db: Kysely<Tables>, dialect: Dialect): WriteQueue {
  const begin = sql.raw(dialect === "sqlite" ? "begin immediate" : "begin");
  let waiting: Entry[] = [];
  let running: Promise<void> | null = null;
  let closed = false;

  const write = async <T>(plan: Plan<T>): Promise<T> => {
    if (closed) throw new Error("the store is closed; nothing more can be written");
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    waiting.push({ plan, resolve, reject, tries: 0 });
    running ??= drain();
    return (await promise) as T;
  };

  const drain = async (): Promise<void> => {
    // Requests that were read in the same turn of the event loop join the first commit.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (waiting.length > 0) {
      const batch = waiting.slice(0, MAX_PLANS_PER_COMMIT);
      waiting = waiting.slice(MAX_PLANS_PER_COMMIT);
      const settle = await commitBatch(db, begin, batch, (entry) => waiting.push(entry)).catch((error: unknown) => failAll(batch, error));
      for (const each of settle) each();
    }
    running = null;
  };

  const close = async (): Promise<void> => {
    closed = true;
    if (running !== null) await running;
  };

  return { write, close };
}

type Settle = () => void;

function failAll(batch: readonly Entry[], error: unknown): Settle[] {
  return batch.map((entry) => () => entry.reject(error));
}

/** Runs the batch; what it returns tells each plan its outcome and is to be called only now that the commit is durable. */
async function commitBatch(
  db: Kysely<Tables>,
  begin: ReturnType<typeof sql.raw>,
  batch: readonly Entry[],
  again: (entry: Entry) => void,
): Promise<Settle[]> {
  return await db.connection().execute(async (connection) => {
    await begin.execute(connection);
    try {
      const retries: Entry[] = [];
      const settle: Settle[] = [];
      const counts = makeCountChanges();
      for (const entry of batch) settle.push(await runPlan(connection, entry, counts, retries));
      await applyCounts(connection, counts);
      await sql`commit`.execute(connection);
      for (const entry of retries) again(entry);
      return settle;
    } catch (error) {
      // The database may have rolled back by itself (disk full, connection lost): then this fails too and says nothing new.
      await sql`rollback`.execute(connection).catch(() => undefined);
      throw error;
    }
  });
}

async function runPlan(connection: Kysely<Tables>, entry: Entry, batchCounts: CountChanges, retries: Entry[]): Promise<Settle> {
  await connection.executeQuery(SAVEPOINT);
  const counts = makeCountChanges(batchCounts);
  try {
    const value = await entry.plan({ db: connection, counts });
    await connection.executeQuery(RELEASE);
    counts.mergeInto(batchCounts);
    return () => entry.resolve(value);
  } catch (error) {
    await connection.executeQuery(UNDO);
    await connection.executeQuery(RELEASE);
    entry.tries += 1;
    if (entry.tries < MAX_TRIES && isRace(error)) {
      retries.push(entry);
      return () => undefined;
    }
    return () => entry.reject(error);
  }
}

function isRace(error: unknown): boolean {
  return error instanceof Error && "code" in error && RACE_CODES.has(error.code);
}
