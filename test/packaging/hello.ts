/** The smallest program with all that the single executable must hold: an asset, a helper process of itself, node:sqlite, npm packages. */
import { execFileSync } from "node:child_process";
import { DatabaseSync } from "node:sqlite";
import { Command } from "commander";
import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from "kysely";
import { asset, assetBytes, assetNames } from "../../src/main/assets.ts";
import { self } from "../../src/main/self.ts";

const kysely = new Kysely<{ tasks: { task_id: string } }>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});

const program = new Command("hello");
program.command("internal <name>").action((name: string) => console.log(`internal ${name}`));
program.command("report").action(() => console.log(JSON.stringify(report())));
program.parse();

function report(): object {
  const database = new DatabaseSync(":memory:");
  database.exec("create table tasks (task_id text primary key); insert into tasks values ('t1')");
  const { sql } = kysely.selectFrom("tasks").selectAll().compile();
  const { command, args } = self("internal", "hello");
  const helper = execFileSync(command, args, { encoding: "utf8" }).trim();
  const launcher = "launcher/launch.py";
  return {
    rows: database.prepare(sql).all(),
    helper,
    launcher: asset(launcher),
    launcherBytes: assetBytes(launcher).byteLength,
    launchers: assetNames("launcher"),
  };
}
