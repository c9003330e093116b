/** `verlpool worker`: only parsed here; main/ does it. */
import type { Command } from "commander";
import { usageError } from "../problem-error.ts";
import { labelValue, wholeNumber } from "../parse-values.ts";
import { visible } from "../visible.ts";
import { type Bind, leaf } from "./leaf.ts";

type Flags = {
  config?: string;
  root?: string;
  cluster?: string;
  nodeName?: string;
  nodeIp?: string;
  numGpus?: number;
  numCpus?: number;
  label?: readonly string[];
  objectStoreMib?: number;
  python?: string;
  tokenFile?: string;
  healthPort?: number;
  stateDir?: string;
  tempDir?: string;
};

export function addWorker(program: Command, bind: Bind): void {
  leaf(program, "worker", "This machine as a worker, in the foreground: it finds the head by head.json, joins it and joins again", [
    "verlpool worker --root /private",
    "verlpool worker --root /private --cluster default --label zone=a --health-port 8090",
  ])
    .option("--config <file>", "the configuration; else VERLPOOL_CONFIG, else <root>/common/verlpool/verlpool.yaml")
    .option("--root <dir>", "where the shared storage is seen here; else VERLPOOL_ROOT, else /private")
    .option("--cluster <name>", "which head to join; else pool.cluster")
    .option("--node-name <name>", "else the host's name; no two workers of a cluster may share it")
    .option("--node-ip <address>", "the address of this machine that the head reaches; else the one that leads to the head")
    .option("--num-gpus <n>", "else as many as nvidia-smi shows", wholeNumber(0, 1024))
    .option("--num-cpus <n>", "logical CPUs; else the machine's cores, or 12 for each GPU if that is more", wholeNumber(0, 100_000))
    .option("--label <key=value>", "a label of the node in Ray; repeatable", labelValue)
    .option("--object-store-mib <n>", "Ray's object store; else Ray's own choice", wholeNumber(75, 16_000_000))
    .option("--python <exe>", "the interpreter that has Ray; else pool.python, else the environment that `prepare` made")
    .option("--token-file <file>", "Ray's cluster token; else ray.token_file, else the one that the head published")
    .option("--health-port <port>", "answer GET /healthz on 127.0.0.1", wholeNumber(1, 65_535))
    .option("--state-dir <dir>", "on this machine's own disk; else /var/lib/verlpool (root) or ~/.local/state/verlpool")
    .option("--temp-dir <dir>", "for Ray's sockets and logs: short, and on this machine's own disk; else /tmp")
    .action((flags: Flags) =>
      bind((session) =>
        session.world.local.worker({
          config: flags.config ?? null,
          root: flags.root ?? null,
          cluster: flags.cluster ?? null,
          nodeName: flags.nodeName ?? null,
          nodeIp: flags.nodeIp ?? null,
          gpus: flags.numGpus ?? null,
          cpus: flags.numCpus ?? null,
          labels: labelsOf(flags.label ?? []),
          objectStoreMib: flags.objectStoreMib ?? null,
          python: flags.python ?? null,
          tokenFile: flags.tokenFile ?? null,
          healthPort: flags.healthPort ?? null,
          stateDir: flags.stateDir ?? null,
          tempDir: flags.tempDir ?? null,
        }),
      ),
    );
}

/** Ray's own rule for labels (ray.io, "Use labels to control scheduling"): letters, digits and -_. with a letter or digit at both ends. */
function labelsOf(pairs: readonly string[]): { readonly [name: string]: string } {
  const entries = pairs.map((pair): [string, string] => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]);
  for (const [name, value] of entries) {
    if (
      !/^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/.test(name) ||
      !/^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/.test(value)
    )
      throw usageError(
        `${visible(`${name}=${value}`)} is no label`,
        "use at most 63 letters, digits and -_. with a letter or digit at both ends",
      );
  }
  return Object.fromEntries(entries);
}
