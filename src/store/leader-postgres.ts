/** The lead on Postgres: an advisory lock on a connection of its own, and an epoch that outlives it (docs/protocol.md, rule 10). */
import pg from "pg";
import type { Clock, LeaderStore } from "../control/ports.ts";
import { postgresConfig } from "./postgres.ts";

/** Any constant of ours, the same in every server on one database. */
const LEADER_LOCK = 7_358_002;

/** A leader moves its row with each call of `lead`; one that stands still for so long is frozen, and its connection does not tell. */
const FROZEN_MS = 6000;

type Held = { readonly client: pg.Client; readonly epoch: number };
type Seen = { readonly epoch: number; readonly at: number | null; readonly since: number };

export type PostgresLead = { readonly lead: LeaderStore["lead"]; readonly close: () => Promise<void> };

export function makePostgresLead(url: string, clock: Pick<Clock, "monotonicMs">): PostgresLead {
  let client: pg.Client | null = null;
  let held: Held | null = null;
  let seen: Seen | null = null;

  const forget = (broken: pg.Client): void => {
    if (client === broken) client = null;
    if (held?.client === broken) held = null;
  };

  const connected = async (): Promise<pg.Client> => {
    if (client !== null) return client;
    const fresh = new pg.Client(postgresConfig(url, "verlpool leader"));
    // A connection that breaks takes the lock with it; the next call begins anew.
    fresh.on("error", () => forget(fresh));
    fresh.on("end", () => forget(fresh));
    await fresh.connect();
    client = fresh;
    return fresh;
  };

  const drop = async (broken: pg.Client): Promise<void> => {
    forget(broken);
    await broken.end().catch(() => undefined);
  };

  const watch = async (on: pg.Client): Promise<void> => {
    const now = clock.monotonicMs();
    const row = (await on.query<{ epoch: number; at: number | null }>("select epoch, at from leader")).rows[0];
    if (row === undefined) return;
    if (seen === null || seen.epoch !== row.epoch || seen.at !== row.at) seen = { ...row, since: now };
    if (now - seen.since < FROZEN_MS) return;
    seen = null;
    await on.query(
      `select pg_terminate_backend(pid) from pg_locks
        where locktype = 'advisory' and classid = 0 and objid = $1 and objsubid = 1 and granted
          and database = (select oid from pg_database where datname = current_database())`,
      [LEADER_LOCK],
    );
  };

  const lead: LeaderStore["lead"] = async (owner, at) => {
    const on = await connected();
    try {
      if (held !== null) {
        if (await beat(on, held.epoch, at)) return held.epoch;
        await drop(on);
        return null;
      }
      const locked = await on.query<{ locked: boolean }>("select pg_try_advisory_lock($1::bigint) as locked", [LEADER_LOCK]);
      if (locked.rows[0]?.locked !== true) {
        await watch(on);
        return null;
      }
      const epoch = await take(on, owner, at);
      held = { client: on, epoch };
      return epoch;
    } catch (error) {
      await drop(on);
      throw error;
    }
  };

  const close = async (): Promise<void> => {
    if (client !== null) await drop(client);
  };

  return { lead, close };
}

/** `at` always moves, also while the wall clock stands still or goes back: others watch it. */
async function beat(on: pg.Client, epoch: number, at: number): Promise<boolean> {
  const { rowCount } = await on.query("update leader set at = greatest($1::bigint, coalesce(at, 0) + 1) where epoch = $2", [at, epoch]);
  return rowCount === 1;
}

async function take(on: pg.Client, owner: string, at: number): Promise<number> {
  const { rows } = await on.query<{ epoch: number }>(
    "update leader set epoch = epoch + 1, owner = $1, at = greatest($2::bigint, coalesce(at, 0) + 1) returning epoch",
    [owner, at],
  );
  const [row] = rows;
  if (row === undefined) throw new Error("the leader row is missing from the database; restore a backup or run the migrations anew");
  return row.epoch;
}
