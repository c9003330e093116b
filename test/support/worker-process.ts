/** `verlpool worker` as a process of its own, and a head.json for it to find, which the test writes. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NodeRecord } from "../../src/domain/node-record.ts";
import type { PoolDescription } from "../../src/pool/pool-options.ts";
import { formatHead } from "../../src/storage/head-file.ts";
import { parseNodeFile } from "../../src/storage/node-file.ts";

const CLI = join(import.meta.dirname, "../../src/main/cli.ts");
export const CLUSTER = "default";

export type WorkerProcess = {
  readonly child: ChildProcess;
  /** The last whole record that it wrote. */
  readonly record: () => NodeRecord | null;
  readonly said: () => string;
  readonly stop: (signal: "SIGTERM" | "SIGKILL") => Promise<void>;
};

export type WorkerStart = {
  readonly root: string;
  readonly stateDir: string;
  readonly node: string;
  readonly flags: readonly string[];
  readonly env?: { readonly [name: string]: string };
};

export function startWorkerProcess({ root, stateDir, node, flags, env = {} }: WorkerStart): WorkerProcess {
  const argv = ["worker", "--root", root, "--cluster", CLUSTER, "--state-dir", stateDir, "--node-name", node, ...flags];
  const coverage = process.env["NODE_V8_COVERAGE"];
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", CLI, ...argv], {
    env: {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: stateDir,
      ...(coverage === undefined ? {} : { NODE_V8_COVERAGE: coverage }),
      // A helper process that has to start on a busy machine is not a hung mount.
      VERLPOOL_STORAGE_DEADLINE_S: "20",
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  let last: NodeRecord | null = null;
  return {
    child,
    record: () => (last = readRecord(root, node) ?? last),
    said: () => said,
    stop: async (signal) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill(signal);
      await ended;
    },
  };
}

function readRecord(root: string, node: string): NodeRecord | null {
  try {
    return parseNodeFile(readFileSync(join(root, "ray", "discovery", CLUSTER, "nodes", `${node}.json`)));
  } catch {
    return null;
  }
}

export type HeadSign = {
  /** Names this pool as the head from now on, with a new epoch, and beats. */
  readonly name: (pool: PoolDescription) => void;
  readonly close: () => void;
};

export function headSign(root: string): HeadSign {
  const dir = join(root, "ray", "discovery", CLUSTER);
  mkdirSync(dir, { recursive: true });
  let epoch = 0;
  let seq = 0;
  let beating: NodeJS.Timeout | null = null;

  function beat({ session, address, dashboardUrl, rayVersion, pythonVersion }: PoolDescription): void {
    seq += 1;
    const owner = { host: "head", nonce: `n${epoch}`, process: null };
    const record = { cluster: CLUSTER, epoch, seq, released: false, owner, session, address, dashboardUrl, rayVersion, pythonVersion };
    const at = new Date().toISOString();
    writeFileSync(join(dir, ".head"), formatHead(record, { publishedAt: at, expiresAt: at }, null), { mode: 0o644 });
    renameSync(join(dir, ".head"), join(dir, "head.json"));
  }

  const close = (): void => {
    if (beating !== null) clearInterval(beating);
  };
  return {
    name: (pool) => {
      close();
      epoch += 1;
      beat(pool);
      beating = setInterval(() => beat(pool), 2_000);
    },
    close,
  };
}
