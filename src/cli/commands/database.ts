/** The database as a file: copy, put back, bring up to date, begin anew. */
import type { Command } from "commander";
import { type Bind, leaf } from "./leaf.ts";

const ROOT = ["--root <dir>", "where the shared storage is seen here; else VERLPOOL_ROOT, else /private"] as const;
const CONFIG = ["--config <file>", "the configuration; else VERLPOOL_CONFIG, else <root>/common/verlpool/verlpool.yaml"] as const;

type Flags = { config?: string; root?: string };

function where(flags: Flags): { readonly config: string | null; readonly root: string | null } {
  return { config: flags.config ?? null, root: flags.root ?? null };
}

export function addDatabase(program: Command, bind: Bind): void {
  leaf(program, "backup", "A consistent copy of the SQLite database, also while a server writes; prints its path", [
    "verlpool backup",
    "verlpool backup --to /backup/mvp.sqlite3",
  ])
    .option(...CONFIG)
    .option(...ROOT)
    .option("--to <file>", "a file that is not there yet; else backups/ beside the database")
    .option("--json", "print one object")
    .action((flags: Flags & { to?: string; json?: true }) =>
      bind((session) => session.world.local.backup({ ...where(flags), to: flags.to ?? null, json: flags.json === true })),
    );
  leaf(program, "restore <file>", "Put a backup in the place of the database, which is kept beside it; refused while a server lives", [
    "verlpool restore /private/common/db/backups/mvp.sqlite3.20260131-142501.bak",
  ])
    .option(...CONFIG)
    .option(...ROOT)
    .option("--stop-unknown", "end attempts that run and that the backup does not know")
    .action((file: string, flags: Flags & { stopUnknown?: true }) =>
      bind((session) => session.world.local.restore({ ...where(flags), file, stopUnknown: flags.stopUnknown === true })),
    );
  leaf(program, "migrate", "Bring the database to the schema of this program, as a server does when it starts", ["verlpool migrate"])
    .option(...CONFIG)
    .option(...ROOT)
    .action((flags: Flags) => bind((session) => session.world.local.migrate(where(flags))));
  leaf(program, "reset-db", "Put the database aside as mvp.sqlite3.<time>.bak and begin anew; refused while attempts live", [
    "verlpool reset-db",
    "verlpool reset-db --cancel-tasks",
  ])
    .option(...CONFIG)
    .option(...ROOT)
    .option("--cancel-tasks", "cancel every task that has not ended, and wait for it")
    .action((flags: Flags & { cancelTasks?: true }) =>
      bind((session) => session.world.local.resetDb({ ...where(flags), cancelTasks: flags.cancelTasks === true })),
    );
}
