/** Commands that need no server. They are only parsed here; main/ does them. */
import type { Command } from "commander";
import { wholeNumber } from "../parse-values.ts";
import { type Bind, leaf } from "./leaf.ts";

const ROOT = ["--root <dir>", "where the shared storage is seen here; else VERLPOOL_ROOT, else /private"] as const;
const CONFIG = ["--config <file>", "the configuration; else VERLPOOL_CONFIG, else <root>/common/verlpool/verlpool.yaml"] as const;
const port = wholeNumber(0, 65_535);

function addServer(program: Command, bind: Bind): void {
  leaf(program, "server", "The API and the scheduler, in the foreground; starts and queues also while Ray is down", [
    "MVP_INTERNAL_TOKEN=… verlpool server --root /private",
    "verlpool server --dev --root ./pool --port 8080",
  ])
    .option(...CONFIG)
    .option(...ROOT)
    .option("--host <host>", "the address to listen on")
    .option("--port <port>", "0 = a free one", port)
    .option("--dev", "development: loopback only, any admin token")
    .action((flags: { config?: string; root?: string; host?: string; port?: number; dev?: true }) =>
      bind((session) =>
        session.world.local.server({
          config: flags.config ?? null,
          root: flags.root ?? null,
          host: flags.host ?? null,
          port: flags.port ?? null,
          dev: flags.dev === true,
        }),
      ),
    );
}

function addUp(program: Command, bind: Bind): void {
  type Flags = { root?: string; port?: number; workers?: number; gpusPerWorker?: number; cpusPerWorker?: number; detach?: true };
  leaf(program, "up", "The whole pool on this machine, with logical GPUs: head, workers, server; you are logged in", [
    "verlpool up --detach",
    "verlpool up --root ./pool --workers 2 --gpus-per-worker 4",
  ])
    .option(...ROOT)
    .option("--port <port>", "of the API; 0 = a free one", port)
    .option("--workers <n>", "worker nodes", wholeNumber(0, 64))
    .option("--gpus-per-worker <n>", "logical GPUs of each", wholeNumber(0, 64))
    .option("--cpus-per-worker <n>", "logical CPUs of each; else 12 for each GPU and 4", wholeNumber(1, 4096))
    .option("--detach", "return when it is up, and leave it running")
    .action((flags: Flags) =>
      bind((session) =>
        session.world.local.up({
          root: flags.root ?? null,
          port: flags.port ?? null,
          workers: flags.workers ?? null,
          gpusPerWorker: flags.gpusPerWorker ?? null,
          cpusPerWorker: flags.cpusPerWorker ?? null,
          detach: flags.detach === true,
        }),
      ),
    );
}

export function addLocal(program: Command, bind: Bind): void {
  addServer(program, bind);
  addUp(program, bind);
  leaf(program, "down", "End what `up` started here; only processes that are proven to be its own", ["verlpool down --root ./pool"])
    .option(...ROOT)
    .action((flags: { root?: string }) => bind((session) => session.world.local.down({ root: flags.root ?? null })));
  leaf(program, "status", "What of the pool on this machine runs", ["verlpool status", "verlpool status --json"])
    .option(...ROOT)
    .option("--json", "print one object")
    .action((flags: { root?: string; json?: true }) =>
      bind((session) => session.world.local.status({ root: flags.root ?? null, json: flags.json === true })),
    );
  leaf(program, "prepare", "Python environment, verl, a small model and data sets under the root; does only what is not done yet", [
    "verlpool prepare --root ./pool",
  ])
    .option(...ROOT)
    .action((flags: { root?: string }) => bind((session) => session.world.local.prepare({ root: flags.root ?? null })));
  leaf(program, "demo", "From nothing to three trained tasks: prepare, up, a user, PPO, GRPO and SFT, a table, down", [
    "verlpool demo",
    "verlpool demo --root ./pool --keep",
  ])
    .option(...ROOT)
    .option("--keep", "leave the pool running, and print its address and token")
    .action((flags: { root?: string; keep?: true }) =>
      bind((session) => session.world.local.demo({ root: flags.root ?? null, keep: flags.keep === true })),
    );
  const config = program.command("config").description("The configuration of this machine");
  leaf(config, "show", "Each value with its origin: flag, environment, file or default", ["verlpool config show --json"])
    .option(...CONFIG)
    .option(...ROOT)
    .option("--json", "print one object")
    .action((flags: { config?: string; root?: string; json?: true }) =>
      bind((session) =>
        session.world.local.configShow({ config: flags.config ?? null, root: flags.root ?? null, json: flags.json === true }),
      ),
    );
}
