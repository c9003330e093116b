/** `verlpool head`: only parsed here; main/ does it. */
import type { Command } from "commander";
import { wholeNumber } from "../parse-values.ts";
import { type Bind, leaf } from "./leaf.ts";

type Flags = {
  config?: string;
  root?: string;
  cluster?: string;
  nodeIp?: string;
  host?: string;
  rayPort?: number;
  dashboardPort?: number;
  gcs?: string;
  takeOver?: true;
  python?: string;
  tokenFile?: string;
  healthPort?: number;
  stateDir?: string;
  tempDir?: string;
};

const port = wholeNumber(1, 65_535);

export function addHead(program: Command, bind: Bind): void {
  leaf(program, "head", "Ray's head of a cluster, in the foreground; where one lives already, it stands by until it is needed", [
    "verlpool head --root /private",
    "verlpool head --root /private --cluster default --node-ip 10.0.0.1 --health-port 8091",
    "verlpool head --root /private --take-over",
  ])
    .option("--config <file>", "the configuration; else VERLPOOL_CONFIG, else <root>/common/verlpool/verlpool.yaml")
    .option("--root <dir>", "where the shared storage is seen here; else VERLPOOL_ROOT, else /private")
    .option("--cluster <name>", "which cluster to be head of; else pool.cluster")
    .option("--node-ip <address>", "the IPv4 address of this machine that workers reach; else the one that its way out starts from")
    .option("--host <address>", "where Ray's dashboard listens; else --node-ip where Ray asks for a token, else 127.0.0.1")
    .option("--ray-port <port>", "of Ray's GCS; else 6379", port)
    .option("--dashboard-port <port>", "else 8265", port)
    .option(
      "--gcs <where>",
      "what a killed head comes back with: auto (RocksDB on this disk where Ray can), rocksdb, none, redis://HOST:PORT",
    )
    .option("--take-over", "become head at once, also from one that lives: it steps down")
    .option("--python <exe>", "the interpreter that has Ray; else pool.python, else the environment that `prepare` made")
    .option("--token-file <file>", "Ray's cluster token; else ray.token_file, else one beside head.json, made by the first head")
    .option("--health-port <port>", "answer GET /healthz on 127.0.0.1", port)
    .option("--state-dir <dir>", "on this machine's own disk; else /var/lib/verlpool (root) or ~/.local/state/verlpool")
    .option("--temp-dir <dir>", "for Ray's sockets and logs: short, and on this machine's own disk; else /tmp")
    .action((flags: Flags) =>
      bind((session) =>
        session.world.local.head({
          config: flags.config ?? null,
          root: flags.root ?? null,
          cluster: flags.cluster ?? null,
          nodeIp: flags.nodeIp ?? null,
          host: flags.host ?? null,
          rayPort: flags.rayPort ?? null,
          dashboardPort: flags.dashboardPort ?? null,
          gcs: flags.gcs ?? null,
          takeOver: flags.takeOver === true,
          python: flags.python ?? null,
          tokenFile: flags.tokenFile ?? null,
          healthPort: flags.healthPort ?? null,
          stateDir: flags.stateDir ?? null,
          tempDir: flags.tempDir ?? null,
        }),
      ),
    );
}
