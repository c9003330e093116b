/** The nodes of a local pool, worked out before anything starts: who gets which address, ports, environment and command line. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chooseFreePorts } from "./free-ports.ts";
import { headEnv, rayEnv, WORKER_ENV } from "./ray-env.ts";
import type { Containment, RayInstall } from "./ray-install.ts";
import { headArgv, NODE_PORT_COUNT, nodePorts, type Spawning, workerArgv } from "./ray-process.ts";

export type PoolShape = {
  readonly workers: number;
  /** Logical GPUs: as many as told, present or not. */
  readonly gpusPerWorker: number;
  readonly cpusPerWorker: number;
  /** Real GPUs (as CUDA_VISIBLE_DEVICES names them) to deal out among the workers; empty = leave that to Ray. */
  readonly gpuDevices: readonly string[];
  readonly objectStoreBytes: number;
};

export type PlannedNode = {
  readonly name: string;
  readonly address: string;
  readonly tag: string;
  readonly tempDir: string;
  readonly spawning: Spawning;
};

export type PoolPlan = {
  readonly head: PlannedNode;
  readonly workers: readonly PlannedNode[];
  /** The head's GCS, `host:port`. */
  readonly address: string;
  readonly dashboardUrl: string;
};

export type Planning = {
  readonly poolId: string;
  readonly python: string;
  readonly parentEnv: { readonly [name: string]: string | undefined };
  readonly extraEnv: { readonly [name: string]: string };
  readonly install: RayInstall;
  readonly containment: Containment;
  readonly tempDir: string;
  readonly logDir: string;
  readonly gcsDir: string;
  readonly tokenFile: string | null;
  readonly shape: PoolShape;
};

const HEAD_ADDRESS = "127.0.0.2";
const HEAD_STORE_BYTES = 80_000_000;
const HEAD_PORT_COUNT = NODE_PORT_COUNT + 3;

export async function planPool(planning: Planning): Promise<PoolPlan> {
  const { python, install, shape } = planning;
  const ports = await chooseFreePorts(HEAD_PORT_COUNT + shape.workers * NODE_PORT_COUNT, Number.parseInt(planning.poolId.slice(0, 8), 16));
  const [gcs, dashboard, client] = ports.slice(NODE_PORT_COUNT) as [number, number, number];
  const address = `${HEAD_ADDRESS}:${gcs}`;

  function plan(name: string, nodeAddress: string, argv: readonly string[], env: { readonly [name: string]: string }): PlannedNode {
    const { parentEnv, extraEnv: extra, tokenFile, containment } = planning;
    const tag = `${planning.poolId}/${name}`;
    const tempDir = join(planning.tempDir, shortName(name));
    mkdirSync(tempDir, { recursive: true, mode: 0o700 });
    const whole = { ...rayEnv({ parentEnv, python, tag, tokenFile, extra }), ...env };
    const logFile = join(planning.logDir, `${name}.log`);
    return { name, address: nodeAddress, tag, tempDir, spawning: { name, argv, env: whole, cwd: tempDir, logFile, containment } };
  }

  const head = { name: "head", address: HEAD_ADDRESS, tempDir: join(planning.tempDir, "h"), objectStoreBytes: HEAD_STORE_BYTES };
  const headPorts = { ...nodePorts(ports.slice(0, NODE_PORT_COUNT)), gcs, dashboard, client };
  const workers = Array.from({ length: shape.workers }, (_, index) => {
    const name = `worker-${index + 1}`;
    const nodeAddress = `127.0.0.${index + 3}`;
    const own = ports.slice(HEAD_PORT_COUNT + index * NODE_PORT_COUNT);
    const node = { name, address: nodeAddress, tempDir: join(planning.tempDir, shortName(name)), objectStoreBytes: shape.objectStoreBytes };
    const worker = { gpus: shape.gpusPerWorker, cpus: shape.cpusPerWorker };
    const argv = workerArgv(python, node, nodePorts(own), address, worker, install.hasWorkerTempDir);
    return plan(name, nodeAddress, argv, { ...WORKER_ENV, ...gpuEnv(shape, index) });
  });
  return {
    head: plan(
      "head",
      HEAD_ADDRESS,
      headArgv(python, head, headPorts, "127.0.0.1"),
      headEnv(install.hasDurableGcs ? { kind: "rocksdb", dir: planning.gcsDir } : { kind: "none" }),
    ),
    workers,
    address,
    dashboardUrl: `http://127.0.0.1:${dashboard}`,
  };
}

/** Ray hands out the devices that its raylet sees, so each worker sees its own share. */
function gpuEnv(shape: PoolShape, index: number): { readonly [name: string]: string } {
  const share = shape.gpuDevices.slice(index * shape.gpusPerWorker, (index + 1) * shape.gpusPerWorker);
  return share.length === shape.gpusPerWorker && share.length > 0 ? { CUDA_VISIBLE_DEVICES: share.join(",") } : {};
}

/** Unix sockets leave few bytes for a path. */
function shortName(name: string): string {
  return name === "head" ? "h" : name.replace("worker-", "w");
}
