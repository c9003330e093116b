/**
 * The one raylet of an agent. It lives in a PID namespace of its own whose death is the death of everything that Ray started there, and it dies with the
 * agent, however the agent dies (PR_SET_PDEATHSIG): so an agent that comes back never finds a raylet that nobody watched.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Ids } from "../control/ports.ts";
import type { HeadTarget } from "../domain/worker-watch.ts";
import { chooseFreePorts } from "./free-ports.ts";
import { endLaunchers } from "./launcher-stop.ts";
import { signalProcess } from "./process-record.ts";
import { rayEnv, WORKER_ENV } from "./ray-env.ts";
import { type Containment, probeRay, type RayInstall } from "./ray-install.ts";
import { type Exit, exitText, logTail, NODE_PORT_COUNT, nodePorts, type RayProcess, spawnRay, workerArgv } from "./ray-process.ts";
import { findTagged, killTagged } from "./tagged-processes.ts";
import { readWorkerState, withDeath, writeWorkerState } from "./worker-state.ts";

export type RayletOptions = {
  readonly node: string;
  /** On this machine's own disk, ours alone. */
  readonly stateDir: string;
  /** Made by makeTempDir. */
  readonly tempDir: string;
  /** The tag of this agent; a raylet's is `<tag>/<incarnation>`. */
  readonly tag: string;
  readonly labels: { readonly [name: string]: string };
  readonly objectStoreBytes: number | null;
  readonly containment: Containment;
  readonly parentEnv: { readonly [name: string]: string | undefined };
  readonly extraEnv: { readonly [name: string]: string };
  readonly clock: Clock;
  readonly ids: Ids;
};

export type StartOrder = {
  readonly head: HeadTarget;
  /** The node's own address, as the head reaches it. */
  readonly address: string;
  /** What the head runs; null = it does not say. */
  readonly rayVersion: string | null;
  readonly tokenFile: string | null;
  readonly python: () => Promise<string>;
  readonly shape: { readonly gpus: number; readonly cpus: number };
};

export type Raylet = {
  readonly incarnation: string;
  readonly install: RayInstall;
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<Exit>;
  /** Ray's own id of it, once its process shows it. */
  readonly rayNodeId: () => string | null;
  readonly logTail: () => string;
};

export type RayletKeeper = {
  /** Throws when it can't be started; nothing is left then. Aborting the signal before it runs keeps it from running. */
  readonly start: (order: StartOrder, signal: AbortSignal) => Promise<Raylet>;
  /** Kills whatever lives by this agent's raylets, and resolves once all of it is gone; rejects when something outlives SIGKILL (a hung mount). */
  readonly end: () => Promise<void>;
  /** Asks the launchers on this node to end their attempts, and waits for at most `drainMs`. */
  readonly endLaunchers: (drainMs: number) => Promise<number>;
  readonly incarnation: () => string | null;
  readonly dead: () => readonly string[];
};

const END_MS = 20_000;

export function createRayletKeeper(options: RayletOptions): RayletKeeper {
  const { node, stateDir, tempDir, tag, clock, ids } = options;
  let state = readWorkerState(stateDir);
  let current: RayProcess | null = null;
  let starts = 0;

  async function start(order: StartOrder, signal: AbortSignal): Promise<Raylet> {
    const python = await order.python();
    const install = await probeRay(python, options.parentEnv, signal);
    if (order.rayVersion !== null && order.rayVersion !== install.rayVersion)
      throw new Error(
        `the head runs Ray ${order.rayVersion} and ${python} has ${install.rayVersion}: give this node the head's Python environment`,
      );
    const ports = await chooseFreePorts(NODE_PORT_COUNT, Number.parseInt(ids.hex(3), 16));
    signal.throwIfAborted();
    // The one before stays for people to look into.
    const dir = join(tempDir, `w${starts % 2}`);
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    starts += 1;
    const incarnation = ids.hex(8);
    state = { ...state, incarnation };
    writeWorkerState(stateDir, state);
    const ray = { name: node, address: order.address, tempDir: dir, objectStoreBytes: options.objectStoreBytes };
    const argv = [
      ...workerArgv(python, ray, nodePorts(ports), order.head.address, order.shape, install.hasWorkerTempDir),
      `--labels=${Object.entries(options.labels)
        .map(([name, value]) => `${name}=${value}`)
        .join(",")}`,
    ].filter((word) => word !== "--labels=");
    const env = {
      ...rayEnv({
        parentEnv: options.parentEnv,
        python,
        tag: `${tag}/${incarnation}`,
        tokenFile: install.hasTokenAuth ? order.tokenFile : null,
        extra: options.extraEnv,
      }),
      ...WORKER_ENV,
      VERLPOOL_AGENT_INCARNATION: incarnation,
    };
    const logFile = join(stateDir, "ray-start.log");
    const { containment } = options;
    const raylet = spawnRay({ name: node, argv, env, cwd: dir, logFile, containment, diesWithUs: true });
    current = raylet;
    return {
      incarnation,
      install,
      ended: raylet.ended,
      rayNodeId: () => rayNodeIdOf(`${tag}/${incarnation}`),
      logTail: () => logTail(logFile, 12),
    };
  }

  async function end(): Promise<void> {
    const process = current?.record ?? null;
    const seen = findTagged(tag);
    if (process !== null) signalProcess(process, "SIGKILL", "group");
    await killTagged(tag, clock, END_MS, new AbortController().signal, seen);
    if (current !== null) await current.ended;
    current = null;
    state = withDeath(state);
    writeWorkerState(stateDir, state);
  }

  return {
    start,
    end,
    endLaunchers: (drainMs) => endLaunchers(tag, drainMs, clock),
    incarnation: () => state.incarnation,
    dead: () => state.dead,
  };
}

/** Of the raylet's own command line (services.py: `--node_id=`). */
function rayNodeIdOf(tag: string): string | null {
  for (const { argv } of findTagged(tag)) {
    if (!(argv[0] ?? "").endsWith("/raylet")) continue;
    const word = argv.find((one) => /^--node[_-]id=[0-9a-f]+$/.test(one));
    if (word !== undefined) return word.slice(word.indexOf("=") + 1);
  }
  return null;
}

/** Why a raylet ended, for people. */
export function endText(exit: Exit, tail: string): string {
  const last = tail.split("\n").findLast((line) => line.trim() !== "");
  return last === undefined ? exitText(exit) : `${exitText(exit)}; its log ends with: ${last.trim().slice(0, 200)}`;
}
