/** Commands that need no server. They are only parsed here; main/ does them. */
import type { Command } from "commander";
import { wholeNumber } from "../parse-values.ts";
import type { PrepareChoices } from "../world.ts";
import { type Bind, leaf } from "./leaf.ts";

const ROOT = ["--root <dir>", "where the shared storage is seen here; else VERLPOOL_ROOT, else /private"] as const;
const POOL_ROOT = [
  "--root <dir>",
  "the pool's shared storage; else VERLPOOL_ROOT, else /private if it is there, else ~/.local/share/verlpool",
] as const;
const DEMO_ROOT = ["--root <dir>", "the demo's shared storage; else VERLPOOL_ROOT, else ~/.local/share/verlpool-demo"] as const;
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
    .option("--tls-cert <file>", "serve HTTPS with this PEM certificate; with --tls-key")
    .option("--tls-key <file>", "its key; both are read again when they change")
    .option("--dev", "development: loopback only, any admin token")
    .action((flags: { config?: string; root?: string; host?: string; port?: number; tlsCert?: string; tlsKey?: string; dev?: true }) =>
      bind((session) =>
        session.world.local.server({
          config: flags.config ?? null,
          root: flags.root ?? null,
          host: flags.host ?? null,
          port: flags.port ?? null,
          tlsCert: flags.tlsCert ?? null,
          tlsKey: flags.tlsKey ?? null,
          dev: flags.dev === true,
        }),
      ),
    );
}

type ChoiceFlags = { python?: string; existingPython?: string; torchIndex?: string; allowCuda?: true };

/** `up` and `demo` prepare as well, so they take the same choices. */
function withChoices(command: Command): Command {
  return command
    .option("--python <exe>", "build the environment from this interpreter (3.10 or newer); else the best in PATH")
    .option("--existing-python <exe>", "use an environment that has verl and Ray already, as it is; install nothing")
    .option("--torch-index <url>", "one more package index for torch, such as one of CPU wheels")
    .option("--allow-cuda", "take a CUDA build of torch (several GB) even without a GPU");
}

function choicesOf(flags: ChoiceFlags): PrepareChoices {
  return {
    python: flags.python ?? null,
    existingPython: flags.existingPython ?? null,
    torchIndex: flags.torchIndex ?? null,
    allowCuda: flags.allowCuda === true,
  };
}

function addUp(program: Command, bind: Bind): void {
  type Flags = ChoiceFlags & {
    root?: string;
    port?: number;
    workers?: number;
    gpusPerWorker?: number;
    cpusPerWorker?: number;
    detach?: true;
  };
  const up = leaf(program, "up", "The whole pool on this machine, with logical GPUs: head, workers, server; you are logged in", [
    "verlpool up --detach",
    "verlpool up --root ./pool --workers 2 --gpus-per-worker 4",
  ]);
  withChoices(up)
    .option(...POOL_ROOT)
    .option("--port <port>", "of the API; 0 = a free one", port)
    .option("--workers <n>", "worker nodes", wholeNumber(0, 64))
    .option("--gpus-per-worker <n>", "logical GPUs of each", wholeNumber(0, 64))
    .option("--cpus-per-worker <n>", "logical CPUs of each; else 12 for each GPU and 4", wholeNumber(1, 4096))
    .option("--detach", "return when it is up, and leave it running")
    .action((flags: Flags) =>
      bind((session) =>
        session.world.local.up({
          ...choicesOf(flags),
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
    .option(...POOL_ROOT)
    .action((flags: { root?: string }) => bind((session) => session.world.local.down({ root: flags.root ?? null })));
  leaf(program, "status", "What of the pool on this machine runs", ["verlpool status", "verlpool status --json"])
    .option(...POOL_ROOT)
    .option("--json", "print one object")
    .action((flags: { root?: string; json?: true }) =>
      bind((session) => session.world.local.status({ root: flags.root ?? null, json: flags.json === true })),
    );
  const prepare = leaf(
    program,
    "prepare",
    "Python environment, verl, a small model, data sets and the single executable under the root; does only what is not done yet",
    ["verlpool prepare --root ./pool"],
  );
  withChoices(prepare)
    .option("--no-executable", "leave out the single executable (130 MB) that worker containers run")
    .option(...POOL_ROOT)
    .action((flags: ChoiceFlags & { root?: string; executable: boolean }) =>
      bind((session) => session.world.local.prepare({ ...choicesOf(flags), root: flags.root ?? null, executable: flags.executable })),
    );
  const demo = leaf(program, "demo", "From nothing to three trained tasks: prepare, up, a user, PPO, GRPO and SFT, a table, down", [
    "verlpool demo",
    "verlpool demo --root ./pool --keep",
  ]);
  withChoices(demo)
    .option(...DEMO_ROOT)
    .option("--keep", "leave the pool running, and print its address and token")
    .action((flags: ChoiceFlags & { root?: string; keep?: true }) =>
      bind((session) => session.world.local.demo({ ...choicesOf(flags), root: flags.root ?? null, keep: flags.keep === true })),
    );
  for (const [kind, example] of [
    ["model", "Qwen/Qwen2.5-0.5B-Instruct"],
    ["dataset", "openai/gsm8k"],
  ] as const) {
    const group = program
      .command(kind)
      .description(`${kind === "model" ? "Models" : "Data sets"} of the Hugging Face hub, for jobs to read offline`);
    leaf(group, "pull <id>", `Fetch a ${kind} into common/hf; needs a way to the hub`, [`verlpool ${kind} pull ${example}`])
      .option("--revision <name>", "a branch, tag or commit")
      .option(...POOL_ROOT)
      .action((id: string, flags: { revision?: string; root?: string }) =>
        bind((session) => session.world.local.pull({ kind, id, revision: flags.revision ?? null, root: flags.root ?? null })),
      );
  }
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
