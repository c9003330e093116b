/** `verlpool backup`, `restore`, `migrate` and `reset-db`: the database as a file. Postgres has tools of its own. */
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { BackupOptions, DatabaseOptions, OutputStream, ResetOptions, RestoreOptions } from "../../cli/world.ts";
import { type Settings, settingsOf } from "../../config/settings.ts";
import { copyDatabase, putDatabase, readDatabase, setDatabaseAside } from "../../store/database-file.ts";
import { openStore, sqlitePath } from "../../store/open-store.ts";
import { lockDatabase } from "../../store/process-lock.ts";
import { clock, ids } from "../clock.ts";
import { type Environment, loadConfig } from "../load-config.ts";
import { cancelOpenTasks } from "./cancel-open-tasks.ts";
import { type Quarantined, quarantine, standingOf } from "./unmanaged-attempts.ts";

const NO_TASKS: ReadonlySet<string> = new Set();

function settingsFor(options: DatabaseOptions, environment: Environment): Settings {
  const flags = options.root === null ? {} : { shared_root: resolve(options.root) };
  return settingsOf(loadConfig(options.config, flags, environment).config);
}

/** Throws where the database is not a file. */
function databasePath(settings: Settings, instead: string): string {
  if (/^postgres(ql)?:/.test(settings.databaseUrl)) throw new Error(`database.url names Postgres: use ${instead}`);
  return sqlitePath(settings.databaseUrl);
}

/** 20260131-142501, UTC. */
function stamp(): string {
  return new Date(clock.now()).toISOString().replaceAll(/[-:]/g, "").replace("T", "-").slice(0, 15);
}

export async function backupCommand(options: BackupOptions, environment: Environment, stdout: OutputStream): Promise<number> {
  const path = databasePath(settingsFor(options, environment), "pg_dump");
  const to = options.to === null ? join(dirname(path), "backups", `${basename(path)}.${stamp()}.bak`) : resolve(options.to);
  copyDatabase(path, to);
  const { tasks, schemaVersion } = readDatabase(to);
  await stdout.write(options.json ? `${JSON.stringify({ path: to, tasks, schema_version: schemaVersion })}\n` : `${to}\n`);
  return 0;
}

export async function migrateCommand(options: DatabaseOptions, environment: Environment, stderr: OutputStream): Promise<number> {
  const settings = settingsFor(options, environment);
  const store = await openStore({ url: settings.databaseUrl, ids, clock });
  await store.close();
  await stderr.write("verlpool: the database has the schema of this program\n");
  return 0;
}

export async function restoreCommand(options: RestoreOptions, environment: Environment, stderr: OutputStream): Promise<number> {
  const settings = settingsFor(options, environment);
  const path = databasePath(settings, "pg_restore");
  const backup = resolve(options.file);
  const { tasks, submissionIds } = readDatabase(backup);
  // Refuses while a server lives.
  const lock = lockDatabase(path);
  try {
    if (existsSync(path)) {
      const aside = `${path}.${stamp()}.bak`;
      setDatabaseAside(path, aside);
      await stderr.write(`verlpool: the database that was there is now ${aside}\n`);
    }
    putDatabase(backup, path);
  } finally {
    lock.release();
  }
  await stderr.write(`verlpool: restored ${backup} (${tasks} tasks)\n`);
  await tellQuarantine(quarantine(settings.sharedRoot, submissionIds, options.stopUnknown), stderr);
  return 0;
}

export async function resetCommand(
  options: ResetOptions,
  environment: Environment,
  stderr: OutputStream,
  signal: AbortSignal,
): Promise<number> {
  const settings = settingsFor(options, environment);
  const path = databasePath(settings, "dropdb and createdb");
  if (!existsSync(path)) {
    await stderr.write(`verlpool: there is no ${path}; nothing to reset\n`);
    await tellQuarantine(quarantine(settings.sharedRoot, NO_TASKS, true), stderr);
    return 0;
  }
  if (options.cancelTasks) await cancelOpenTasks(settings, stderr, signal);
  const lock = lockDatabase(path);
  try {
    const living = readDatabase(path)
      .openAttempts.map((attempt) => ({ ...attempt, standing: standingOf(settings.sharedRoot, attempt) }))
      .filter(({ standing }) => standing !== "ended");
    if (living.length > 0) {
      const lines = living.map(({ submissionId, standing }) => `  ${submissionId} (${standing})`).join("\n");
      await stderr.write(
        `verlpool: ${living.length} attempts live, so the database stays:\n${lines}\nwait for them, cancel them, or: verlpool reset-db --cancel-tasks\n`,
      );
      return 1;
    }
    const aside = `${path}.${stamp()}.bak`;
    setDatabaseAside(path, aside);
    await stderr.write(`verlpool: the database is now ${aside}; the next server makes a new one\n`);
  } finally {
    lock.release();
  }
  await tellQuarantine(quarantine(settings.sharedRoot, NO_TASKS, true), stderr);
  return 0;
}

async function tellQuarantine({ revoked, stopped, running }: Quarantined, stderr: OutputStream): Promise<void> {
  const tell = async (ids: readonly string[], text: string): Promise<void> => {
    if (ids.length > 0)
      await stderr.write(
        `verlpool: ${ids.length} attempts that the database does not know ${text}:\n${ids.map((id) => `  ${id}`).join("\n")}\n`,
      );
  };
  await tell(revoked, "will never start, whatever Ray still has of them");
  await tell(stopped, "had started and are told to stop");
  await tell(running, "had started and go on, managed by nobody; end them with: verlpool restore … --stop-unknown");
}
