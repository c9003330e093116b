/**
 * Ray nodes to be killed: a head that comes back with or without its memory, and workers of any shape that a watchdog starts again, as a plain
 * `ray start` under a supervisor does. Made of the pool's own parts, but without what the pool does about a lost head: here the rest must hold.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeView } from "../../src/domain/types.ts";
import { chooseFreePorts } from "../../src/pool/free-ports.ts";
import { headEnv, rayEnv } from "../../src/pool/ray-env.ts";
import { probeRay } from "../../src/pool/ray-install.ts";
import { headArgv, logTail, NODE_PORT_COUNT, nodePorts, type RayProcess, spawnRay, workerArgv } from "../../src/pool/ray-process.ts";
import { findTagged, killTagged, signalTagged, type TaggedProcess } from "../../src/pool/tagged-processes.ts";
import { ensureTokenFile } from "../../src/pool/token-file.ts";
import { createRayCluster } from "../../src/ray/cluster-client.ts";
import { createRayHttp } from "../../src/ray/ray-http.ts";
import { realClock } from "./real-ray.ts";

const MAX_WORKERS = 6;
const HEAD_PORTS = NODE_PORT_COUNT + 3;
const START_MS = 240_000;
const SWEEP_MS = 20_000;
const HEAD_ADDRESS = "127.0.0.2";
const quiet = new AbortController().signal;

export type FaultClusterOptions = {
  readonly python: string;
  /** `RAY_gcs_rpc_server_reconnect_timeout_s` of workers and jobs; null = what Ray has of itself. */
  readonly reconnectS: number | null;
  /** Workers in PID namespaces: all that a node started dies with it. Without, what it started lives on, as after a plain `ray start`. */
  readonly contained: boolean;
};

export type FaultCluster = {
  readonly dashboardUrl: string;
  readonly tokenFile: string;
  readonly rayVersion: string;
  readonly nodes: () => Promise<readonly NodeView[]>;
  /** Resolves when it answers. `empty`: it knows nothing of what was before. */
  readonly startHead: (memory: "kept" | "empty") => Promise<void>;
  /** SIGKILL to GCS, raylet, dashboard and all the rest of the head. */
  readonly killHead: () => Promise<void>;
  /** Resolves with its name when it is ALIVE. */
  readonly addWorker: (shape: { readonly gpus: number; readonly cpus: number }) => Promise<string>;
  /** SIGKILL to everything that runs on the node, jobs included where it is contained; the watchdog starts it again. */
  readonly killWorker: (name: string) => Promise<void>;
  /** Of a worker's own processes: what it starts later has their cgroup and limits. */
  readonly pidsOf: (name: string) => readonly number[];
  /** How often the watchdog started this worker. */
  readonly starts: (name: string) => number;
  readonly workersAlive: () => Promise<void>;
  readonly close: () => Promise<void>;
};

export async function startFaultCluster(options: FaultClusterOptions): Promise<FaultCluster> {
  const id = randomBytes(4).toString("hex");
  const home = mkdtempSync(join(tmpdir(), "vpf-"));
  const { python } = options;
  const { rayVersion } = await probeRay(python, process.env, quiet);
  const ports = await chooseFreePorts(HEAD_PORTS + MAX_WORKERS * NODE_PORT_COUNT, Number.parseInt(id, 16));
  const [gcs, dashboard, client] = ports.slice(NODE_PORT_COUNT) as [number, number, number];
  const address = `${HEAD_ADDRESS}:${gcs}`;
  const dashboardUrl = `http://127.0.0.1:${dashboard}`;
  const tokenFile = ensureTokenFile(join(home, "token"), { hex: (bytes) => randomBytes(bytes).toString("hex") });
  const http = createRayHttp({ baseUrl: () => dashboardUrl, tokenFile: () => tokenFile });
  const ray = createRayCluster(
    http,
    () => address,
    () => dashboardUrl,
  );
  const closing = new AbortController();
  const workers = new Map<string, { starts: number; readonly over: Promise<void> }>();
  let memories = 0;

  function spawn(name: string, argv: readonly string[], env: { readonly [name: string]: string }, tempDir: string): RayProcess {
    const extra: Record<string, string> =
      options.reconnectS === null ? {} : { RAY_gcs_rpc_server_reconnect_timeout_s: String(options.reconnectS) };
    const whole = { ...rayEnv({ parentEnv: process.env, python, tag: `${id}/${name}`, tokenFile, extra }), ...env };
    const containment = name === "head" || options.contained ? "pidns" : "none";
    return spawnRay({ name, argv, env: whole, cwd: tempDir, logFile: logOf(name), containment });
  }

  function logOf(name: string): string {
    return join(home, `${name}.log`);
  }

  async function waitFor(what: string, log: string, look: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + START_MS;
    while (!(await look())) {
      if (performance.now() > deadline) throw new Error(`not within ${START_MS} ms: ${what}\n${logTail(logOf(log), 20)}`);
      await realClock.sleep(200, closing.signal);
    }
  }

  async function startHead(memory: "kept" | "empty"): Promise<void> {
    if (memory === "empty") memories += 1;
    const tempDir = join(home, `h${memories}`);
    const gcsDir = join(home, `gcs${memories}`);
    for (const path of [tempDir, gcsDir]) mkdirSync(path, { recursive: true });
    rmSync(join(tempDir, "ray_current_cluster"), { force: true });
    const node = { name: "head", address: HEAD_ADDRESS, tempDir, objectStoreBytes: 80_000_000 };
    const argv = headArgv(python, node, { ...nodePorts(ports.slice(0, NODE_PORT_COUNT)), gcs, dashboard, client }, "127.0.0.1");
    spawn("head", argv, headEnv({ kind: "rocksdb", dir: gcsDir }), tempDir);
    await waitFor("the head answers", "head", async () => (await ray.head(closing.signal)).kind === "up");
  }

  /** What is left of a worker's own processes, but not what it started for jobs. */
  function leftovers(name: string): readonly TaggedProcess[] {
    return findTagged(`${id}/${name}`).filter(({ pid }) => !isOfAttempt(pid));
  }

  async function watch(name: string, index: number, shape: { readonly gpus: number; readonly cpus: number }): Promise<void> {
    const own = ports.slice(HEAD_PORTS + index * NODE_PORT_COUNT);
    while (!closing.signal.aborted) {
      const worker = workers.get(name);
      if (worker !== undefined) worker.starts += 1;
      // Short: a Unix socket's path has 107 bytes.
      const tempDir = join(home, `${index}-${worker?.starts ?? 1}`);
      mkdirSync(tempDir, { recursive: true });
      const node = { name, address: `127.0.0.${index + 3}`, tempDir, objectStoreBytes: 80_000_000 };
      await spawn(name, workerArgv(python, node, nodePorts(own), address, shape, true), {}, tempDir).ended;
      while (leftovers(name).length > 0 && !closing.signal.aborted) {
        signalTagged(leftovers(name), "SIGKILL");
        await realClock.sleep(100, quiet);
      }
      await realClock.sleep(1_000, closing.signal).catch(() => undefined);
    }
  }

  async function nodes(): Promise<readonly NodeView[]> {
    return ray.nodes(closing.signal).catch(() => []);
  }

  return {
    dashboardUrl,
    tokenFile,
    rayVersion,
    nodes,
    startHead,
    killHead: async () => void (await killTagged(`${id}/head`, realClock, SWEEP_MS, quiet)),
    addWorker: async (shape) => {
      const index = workers.size;
      const name = `worker-${index + 1}`;
      if (index >= MAX_WORKERS) throw new Error(`no ports are set aside for ${name}`);
      const worker = { starts: 0, over: Promise.resolve() };
      workers.set(name, worker);
      worker.over = watch(name, index, shape);
      await waitFor(`${name} joins`, name, async () => (await nodes()).some(({ node }) => node === name));
      return name;
    },
    killWorker: async (name) => void (await killTagged(`${id}/${name}`, realClock, SWEEP_MS, quiet)),
    pidsOf: (name) => findTagged(`${id}/${name}`).map(({ pid }) => pid),
    starts: (name) => workers.get(name)?.starts ?? 0,
    workersAlive: () =>
      waitFor("all workers are alive", "worker-1", async () => {
        const alive = (await nodes()).map(({ node }) => node);
        return [...workers.keys()].every((name) => alive.includes(name));
      }),
    close: async () => {
      closing.abort(new Error("the cluster is closed"));
      await killTagged(id, realClock, SWEEP_MS, quiet);
      await Promise.all([...workers.values()].map(({ over }) => over));
      await killTagged(id, realClock, SWEEP_MS, quiet);
      await http.close();
      rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}

function isOfAttempt(pid: number): boolean {
  return environmentOf(pid).includes("\0VERLPOOL_ATTEMPT=");
}

/** Empty when it has ended, or is another user's. */
export function environmentOf(pid: number): string {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, "latin1")}`;
  } catch {
    return "";
  }
}
