/** Brings a database to this program's schema, or refuses one that a newer program has changed too much. */
import { type Kysely, sql } from "kysely";
import type { Dialect, Migration } from "./migrations/migration.ts";
import type { Tables } from "./tables.ts";

/** The migrators of one Postgres database wait for each other on this lock; any constant of ours does. */
const MIGRATION_LOCK = 7_358_001;

/**
 * Runs the missing steps in one transaction, the version row first, so that of several migrators one does the work and the others find
 * it done. Throws, having changed nothing, when a step fails or when the database needs a newer program. Returns the database's own id,
 * which is `newId()` when it was made here.
 */
export async function migrate(
  db: Kysely<Tables>,
  dialect: Dialect,
  migrations: readonly Migration[],
  newId: () => string,
  where: string,
): Promise<string> {
  return await db.connection().execute(async (connection) => {
    await sql.raw(dialect === "sqlite" ? "begin immediate" : "begin").execute(connection);
    try {
      if (dialect === "postgres") await alone(connection);
      const databaseId = await migrateInside(connection, dialect, migrations, newId, where);
      await sql`commit`.execute(connection);
      return databaseId;
    } catch (error) {
      await sql`rollback`.execute(connection);
      throw error;
    }
  });
}

/** Waits for another migrator, and then for as long as a step over many rows takes. */
async function alone(db: Kysely<Tables>): Promise<void> {
  await sql`set local statement_timeout = 0`.execute(db);
  await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`.execute(db);
}

async function migrateInside(
  db: Kysely<Tables>,
  dialect: Dialect,
  migrations: readonly Migration[],
  newId: () => string,
  where: string,
): Promise<string> {
  await sql`create table if not exists meta (key text primary key, value text not null)`.execute(db);
  const rows = await db.selectFrom("meta").selectAll().execute();
  const meta = new Map(rows.map((row) => [row.key, row.value]));
  const version = Number(meta.get("schema_version") ?? 0);
  const minReader = Number(meta.get("min_reader_version") ?? 0);
  const ours = migrations.at(-1)?.version ?? 0;
  if (minReader > ours) {
    throw new Error(
      `the database ${where} has schema ${version} and needs a program of schema ${minReader} or later; this one knows ${ours}. ` +
        `Install the newer verlpool, or restore a backup made before the upgrade.`,
    );
  }
  let needed = minReader;
  for (const migration of migrations.filter((each) => each.version > version)) {
    // A step that asks for less does not undo what an earlier one needs.
    needed = Math.max(needed, migration.minReaderVersion);
    await put(db, "schema_version", String(migration.version));
    await put(db, "min_reader_version", String(needed));
    await migration.up(db, dialect);
  }
  const known = meta.get("database_id");
  if (known !== undefined) return known;
  const databaseId = newId();
  await put(db, "database_id", databaseId);
  return databaseId;
}

async function put(db: Kysely<Tables>, key: string, value: string): Promise<void> {
  await db
    .insertInto("meta")
    .values({ key, value })
    .onConflict((conflict) => conflict.column("key").doUpdateSet({ value }))
    .execute();
}
