/** The command lines of `ray start`, and the process they make. */
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { recordProcess, type ProcessRecord } from "./process-record.ts";
import { type Containment, containmentArgv } from "./ray-install.ts";

/** Ports that every raylet needs for itself when several share a host. */
export type NodePorts = {
  readonly nodeManager: number;
  readonly objectManager: number;
  readonly agentHttp: number;
  readonly agentGrpc: number;
  readonly runtimeEnvAgent: number;
  readonly metrics: number;
};

export type HeadPorts = NodePorts & { readonly gcs: number; readonly dashboard: number; readonly client: number };

export const NODE_PORT_COUNT = 6;

export function nodePorts(ports: readonly number[]): NodePorts {
  const [nodeManager, objectManager, agentHttp, agentGrpc, runtimeEnvAgent, metrics] = ports as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return { nodeManager, objectManager, agentHttp, agentGrpc, runtimeEnvAgent, metrics };
}

export type RayNode = {
  readonly name: string;
  /** 127.0.0.2 and up: Ray rewrites 127.0.0.1 to the host's outer address. */
  readonly address: string;
  readonly tempDir: string;
  /** Null = Ray's own choice, 30 % of the memory. */
  readonly objectStoreBytes: number | null;
};

/** The head takes no driver and no actor: 0 CPU, 0 GPU. */
export function headArgv(python: string, node: RayNode, ports: HeadPorts, dashboardHost: string): readonly string[] {
  return [
    ...start(python, node, ports),
    "--head",
    `--port=${ports.gcs}`,
    "--num-cpus=0",
    "--num-gpus=0",
    `--temp-dir=${node.tempDir}`,
    "--include-dashboard=true",
    `--dashboard-host=${dashboardHost}`,
    `--dashboard-port=${ports.dashboard}`,
    `--ray-client-server-port=${ports.client}`,
  ];
}

export type WorkerShape = { readonly gpus: number; readonly cpus: number };

/** `worker_node` draws drivers to workers; GPUs are logical, as many as told. `ownTempDir` false: this Ray uses the head's. */
export function workerArgv(
  python: string,
  node: RayNode,
  ports: NodePorts,
  head: string,
  shape: WorkerShape,
  ownTempDir: boolean,
): readonly string[] {
  return [
    ...start(python, node, ports),
    `--address=${head}`,
    `--num-cpus=${shape.cpus}`,
    `--num-gpus=${shape.gpus}`,
    `--resources=${JSON.stringify({ worker_node: 100 })}`,
    ...(ownTempDir ? [`--temp-dir=${node.tempDir}`] : []),
  ];
}

function start(python: string, node: RayNode, ports: NodePorts): readonly string[] {
  return [
    python,
    "-m",
    "ray.scripts.scripts",
    "start",
    "--block",
    "--disable-usage-stats",
    `--node-ip-address=${node.address}`,
    `--node-name=${node.name}`,
    ...(node.objectStoreBytes === null ? [] : [`--object-store-memory=${node.objectStoreBytes}`]),
    `--node-manager-port=${ports.nodeManager}`,
    `--object-manager-port=${ports.objectManager}`,
    `--dashboard-agent-listen-port=${ports.agentHttp}`,
    `--dashboard-agent-grpc-port=${ports.agentGrpc}`,
    `--runtime-env-agent-port=${ports.runtimeEnvAgent}`,
    `--metrics-export-port=${ports.metrics}`,
    // 0 = the system chooses, instead of Ray's fixed range that a second raylet would run into.
    "--min-worker-port=0",
    "--max-worker-port=0",
  ];
}

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly error: string | null };

export type RayProcess = {
  readonly record: ProcessRecord | null;
  readonly ended: Promise<Exit>;
};

export type Spawning = {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env: { readonly [name: string]: string };
  readonly cwd: string;
  readonly logFile: string;
  readonly containment: Containment;
  /** Killed by the kernel when this program ends, however it ends; else it goes on. */
  readonly diesWithUs?: boolean;
};

/** Kept over the exec of unshare, whose own child then dies with it (--kill-child); seen with both kinds of namespace and without. */
const DIES_WITH_PARENT = ["setpriv", "--pdeathsig", "SIGKILL"];

/** Starts it in a session of its own, so that a Ctrl-C at our terminal reaches only us. Never throws: a failure to start is an `Exit`. */
export function spawnRay(spawning: Spawning): RayProcess {
  const bound = spawning.diesWithUs === true ? DIES_WITH_PARENT : [];
  const [program = "", ...args] = [...bound, ...containmentArgv(spawning.containment), ...spawning.argv];
  const log = openSync(spawning.logFile, "a", 0o600);
  try {
    const child = spawn(program, args, { cwd: spawning.cwd, env: { ...spawning.env }, detached: true, stdio: ["ignore", log, log] });
    const ended = new Promise<Exit>((resolve) => {
      child.once("error", (error) => resolve({ code: null, signal: null, error: error.message }));
      child.once("exit", (code, signal) => resolve({ code, signal, error: null }));
    });
    return { record: child.pid === undefined ? null : recordProcess(spawning.name, child.pid), ended };
  } finally {
    closeSync(log);
  }
}

export function exitText(exit: Exit): string {
  if (exit.error !== null) return `could not be started: ${exit.error}`;
  return exit.signal === null ? `ended with exit code ${exit.code}` : `was ended by ${exit.signal}`;
}

/** The last lines of a log, without colours, for an error message. */
export function logTail(logFile: string, lines: number): string {
  let text: string;
  try {
    text = readFileSync(logFile, "utf8");
  } catch {
    return "";
  }
  return stripVTControlCharacters(text).trimEnd().split("\n").slice(-lines).join("\n");
}
