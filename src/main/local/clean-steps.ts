/**
 * What `verlpool clean` may touch on this machine: what a record proves to be ours by pid, start time and boot, and what such a process left behind
 * once it is gone. What is not proven is not listed.
 */
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../control/ports.ts";
import { endLeftoverPool } from "../../pool/local-pool.ts";
import { lockPool } from "../../pool/pool-lock.ts";
import { isAlive, type ProcessRecord, signalProcess } from "../../pool/process-record.ts";
import { findTagged } from "../../pool/tagged-processes.ts";
import { readApiFile } from "../../storage/api-file.ts";
import { discoveryDir, discoveryFile, readHeadFile } from "../../storage/head-file.ts";
import type { NodeRecord } from "../../domain/node-record.ts";
import { NODE_FILE_BYTES, parseNodeFile } from "../../storage/node-file.ts";
import { agentPlacesOf } from "../agent/agent-places.ts";
import { lifeOf, listAgentRecords, removeAgentRecord } from "../agent/agent-record.ts";
import { stopAgent } from "../agent/stop-command.ts";
import type { Places } from "./places.ts";
import { readRecord } from "./run-record.ts";

export type CleanScope = {
  readonly root: string;
  /** Those whose discovery is looked at. */
  readonly clusters: readonly string[];
  /** Of the agents that `start` started. */
  readonly agentsHome: string;
  /** What heads of these clusters keep on this machine. */
  readonly headDirs: readonly string[];
  /** Of `up`. */
  readonly places: Places;
  readonly clock: Clock;
};

export type CleanStep = {
  readonly what: string;
  /** Null = done; else why it could not be. */
  readonly run: (signal: AbortSignal) => Promise<string | null>;
};

const DOWN_MS = 120_000;
const LOOK_MS = 100;
const CONNECT_MS = 2_000;
const TEMP_ROOT = "/tmp";

/** What runs: workers first, so that their attempts end while a head and a server still hear of it. */
export function endings(scope: CleanScope): readonly CleanStep[] {
  const order = ["worker", "server", "head"];
  const agents = listAgentRecords(scope.agentsHome)
    .filter((record) => ["runs", "unsupervised", "waits", "stopping"].includes(lifeOf(record)))
    .sort((a, b) => order.indexOf(a.role) - order.indexOf(b.role));
  const steps: CleanStep[] = agents.map((record) => ({
    what: `end ${record.name} (pid ${record.agent?.pid ?? record.supervisor.pid}) of ${record.root}`,
    run: async (signal) => {
      const left = await stopAgent(record, signal);
      if (left === null) removeAgentRecord(agentPlacesOf({ ...record, home: scope.agentsHome }).recordFile);
      return left;
    },
  }));
  const up = readRecord(scope.places.recordFile);
  if (up !== null && isAlive(up.up)) {
    steps.push({
      what: `end the pool of \`verlpool up\` (pid ${up.up.pid}) on ${scope.root}`,
      run: (signal) => endUp(up.up, scope.clock, signal),
    });
  }
  return steps;
}

async function endUp(up: ProcessRecord, clock: Clock, signal: AbortSignal): Promise<string | null> {
  signalProcess(up, "SIGTERM", "process");
  const start = clock.monotonicMs();
  while (isAlive(up)) {
    if (clock.monotonicMs() - start > DOWN_MS) return `pid ${up.pid} does not end`;
    await clock.sleep(LOOK_MS, signal);
  }
  return null;
}

/** What processes that are gone left behind. */
export async function leftovers(scope: CleanScope): Promise<readonly CleanStep[]> {
  const discovery = await Promise.all(scope.clusters.map((cluster) => deadDiscovery(scope.root, cluster)));
  return [...deadAgents(scope), ...(await deadPools(scope)), ...discovery.flat()];
}

function deadAgents(scope: CleanScope): readonly CleanStep[] {
  const dead = listAgentRecords(scope.agentsHome).filter((record) => ["dead", "failed"].includes(lifeOf(record)));
  return dead.map((record) =>
    removal(`the record of ${record.name}, whose process is gone`, agentPlacesOf({ ...record, home: scope.agentsHome }).recordFile),
  );
}

/** Of `up`, of the workers and of the head: each has its own directory, whose id is the tag of all its processes. */
function stateDirs({ places, agentsHome, headDirs }: CleanScope): readonly string[] {
  const workers = existsSync(agentsHome) ? readdirSync(agentsHome).map((name) => join(agentsHome, name, "node")) : [];
  return [places.stateDir, ...workers, ...headDirs].filter((dir) => existsSync(dir));
}

async function deadPools(scope: CleanScope): Promise<readonly CleanStep[]> {
  const steps = await Promise.all(stateDirs(scope).map((dir) => deadPool(dir, scope.clock)));
  return [...steps.flat(), ...deadUp(scope)];
}

async function deadPool(stateDir: string, clock: Clock): Promise<readonly CleanStep[]> {
  const lock = await lockPool(stateDir);
  // Its program lives.
  if (lock === null) return [];
  const processes = findTagged(lock.id);
  await lock.release();
  const temp = join(TEMP_ROOT, `vp-${lock.id}`);
  if (processes.length === 0 && !existsSync(temp)) return [];
  const pids = processes.map(({ pid }) => pid).join(", ");
  const what = processes.length > 0 ? `end ${processes.length} processes that a killed agent left (pids ${pids}), and ` : "";
  return [
    {
      what: `${what}remove ${temp}, sockets and logs of dead Ray nodes`,
      run: async (signal) => {
        await endLeftoverPool({ stateDir, tempRoot: TEMP_ROOT, clock }, signal);
        return null;
      },
    },
  ];
}

function deadUp({ places }: CleanScope): readonly CleanStep[] {
  const record = readRecord(places.recordFile);
  if (record === null || isAlive(record.up)) return [];
  return [removal(`${places.recordFile}, whose processes are gone`, places.recordFile)];
}

async function deadDiscovery(root: string, cluster: string): Promise<readonly CleanStep[]> {
  const steps: CleanStep[] = [];
  const headFile = discoveryFile(root, cluster, "head.json");
  const reading = readHeadFile(headFile, { uid: process.getuid?.() ?? 0, key: null });
  const beat = reading.kind === "ok" ? reading.head : reading.kind === "starting" ? reading.beat : null;
  if (beat !== null && !beat.released && isGoneHere(beat.owner.host, beat.owner.process))
    steps.push(removal(`${headFile}, whose head is gone`, headFile));
  for (const { file, record } of nodeFiles(join(discoveryDir(root, cluster), "nodes")))
    if (isGoneHere(record.agent.host, record.agent)) steps.push(removal(`${file}, whose worker is gone`, file));
  const api = readApiFile(root, cluster);
  const apiFile = discoveryFile(root, cluster, "api.json");
  if (api !== null && isThisMachine(api.url) && !(await answers(api.url)))
    steps.push(removal(`${apiFile}: nothing listens at ${api.url}`, apiFile));
  return steps;
}

function nodeFiles(directory: string): readonly { readonly file: string; readonly record: NodeRecord }[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory).flatMap((name) => {
    const file = join(directory, name);
    const stats = lstatSync(file);
    if (!name.endsWith(".json") || !stats.isFile() || stats.size !== NODE_FILE_BYTES) return [];
    const record = parseNodeFile(readFileSync(file));
    return record === null || `${record.node}.json` !== name ? [] : [{ file, record }];
  });
}

type Owner = { readonly pid: number; readonly startTicks: number; readonly bootId: string; readonly pidNamespace: string };

/** Proven: its pid was one of this boot and this PID namespace, and is no more. A record of another boot of this host is of the dead too. */
function isGoneHere(host: string, owner: Owner | null): boolean {
  if (owner === null || host !== hostname() || owner.pidNamespace !== readlinkSync("/proc/self/ns/pid")) return false;
  return !isAlive({ name: host, pid: owner.pid, startTicks: owner.startTicks, bootId: owner.bootId });
}

function isThisMachine(url: string): boolean {
  const { hostname: host } = new URL(url);
  return host === "localhost" || host === "[::1]" || host.startsWith("127.") || host === hostname();
}

function answers(url: string): Promise<boolean> {
  const { hostname: host, port, protocol } = new URL(url);
  const socket = connect({
    host: host.replaceAll(/[[\]]/g, ""),
    port: Number(port === "" ? (protocol === "https:" ? 443 : 80) : port),
    timeout: CONNECT_MS,
  });
  return new Promise((resolve) => {
    const end = (isThere: boolean): void => {
      socket.destroy();
      resolve(isThere);
    };
    socket.once("connect", () => end(true));
    // Silence is no proof that nothing is there.
    socket.once("timeout", () => end(true));
    socket.once("error", () => end(false));
  });
}

function removal(what: string, path: string): CleanStep {
  return {
    what: `remove ${what}`,
    run: async () => {
      rmSync(path, { force: true });
      return Promise.resolve(null);
    },
  };
}
