/** `verlpool up`: Ray's head, workers with logical GPUs, and the server, on this machine, as one program that leaves nothing behind. */
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { dirname } from "node:path";
import { contextPath, contextText } from "../../cli/context.ts";
import type { OutputStream, UpOptions } from "../../cli/world.ts";
import type { ConfigKey } from "../../config/config.ts";
import { settingsOf } from "../../config/settings.ts";
import type { Log } from "../../control/ports.ts";
import { type LocalPool, startLocalPool } from "../../pool/local-pool.ts";
import { poolId } from "../../pool/pool-lock.ts";
import { isAlive, type ProcessRecord, recordProcess } from "../../pool/process-record.ts";
import { createRayCluster } from "../../ray/cluster-client.ts";
import { createRayHttp } from "../../ray/ray-http.ts";
import { type CallStorage, storageInProcess } from "../../storage/storage-client.ts";
import { nodeNameOf } from "../agent/agent-places.ts";
import { headFiles, ownTrust } from "../agent/head-files.ts";
import { stackCollection } from "../agent/stack-collection.ts";
import { clock, ids } from "../clock.ts";
import { failpointFrom } from "../failpoints.ts";
import { type Environment, loadConfig } from "../load-config.ts";
import { createLog } from "../logger.ts";
import { self } from "../self.ts";
import { type RunningServer, startServer } from "../server.ts";
import { stopSignal } from "../stop-signal.ts";
import { sendEnvironment, shownEnvironment } from "./hidden-environment.ts";
import { CLUSTER, localRoot, type Places, placesOf } from "./places.ts";
import { prepareRoot } from "./prepare-command.ts";
import { readRecord, removeRecord, type RunRecord, writeRecord } from "./run-record.ts";

const DEFAULT_PORT = 8080;
const DEFAULT_WORKERS = 2;
const OBJECT_STORE_BYTES = 200_000_000;
const DRAIN_MS = 30_000;
const START_TIMEOUT_MS = 180_000;
const READY_EVERY_MS = 200;

export type UpPlan = {
  readonly root: string;
  readonly port: number;
  readonly workers: number;
  readonly gpusPerWorker: number;
  readonly cpusPerWorker: number;
  readonly python: string;
  /** Whether to leave a context file for the command line, if there is none. */
  readonly login: boolean;
};

export type Talk = (text: string) => Promise<void>;

export async function upCommand(options: UpOptions, environment: Environment, home: string, stderr: OutputStream): Promise<number> {
  const root = localRoot(options.root, environment);
  const places = placesOf(root, environment);
  const running = readRecord(places.recordFile);
  if (running !== null && isAlive(running.up)) {
    await stderr.write(`verlpool: ${runsAlready(root, running)}
`);
    return 1;
  }
  const signal = stopSignal("is ignored");
  await stderr.write(`verlpool: preparing ${root}\n`);
  const prepared = await prepareRoot(root, options, environment, stderr, signal);
  const gpus = options.gpusPerWorker ?? 1;
  const plan: UpPlan = {
    root,
    port: options.port ?? DEFAULT_PORT,
    workers: options.workers ?? DEFAULT_WORKERS,
    gpusPerWorker: gpus,
    cpusPerWorker: options.cpusPerWorker ?? 12 * gpus + 4,
    python: prepared.pythonPath,
    login: true,
  };
  const say: Talk = (text) => stderr.write(`verlpool: ${text}\n`);
  if (!options.detach) return runUp(plan, environment, home, say, signal);
  const url = await startDetached(plan, places, environment, say, signal);
  if (url === null) return signal.aborted ? 130 : 1;
  await say(`end it with: verlpool down${root === localRoot(null, environment) ? "" : ` --root ${root}`}`);
  return 0;
}

function runsAlready(root: string, record: RunRecord): string {
  const where = record.url === null ? "not ready yet" : record.url;
  return `a pool on ${root} runs already (pid ${record.up.pid}, ${where}); end it with: verlpool down --root ${root}`;
}

/** Runs until the signal, or until the pool ends by itself; then everything it started is down. */
export async function runUp(plan: UpPlan, environment: Environment, home: string, say: Talk, signal: AbortSignal): Promise<number> {
  const places = placesOf(plan.root, environment);
  const other = readRecord(places.recordFile);
  if (other !== null && isAlive(other.up)) throw new Error(runsAlready(plan.root, other));
  const up = recordProcess("up", process.pid);
  if (up === null) throw new Error("the start time of this very process can't be read from /proc");
  let record: RunRecord = { schema: 1, up, processes: [], url: null, dashboard_url: null, started_at: new Date(clock.now()).toISOString() };
  const save = (changes: Partial<RunRecord>): void => writeRecord(places.recordFile, (record = { ...record, ...changes }));
  save({});
  const log = createLog("warn");
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  let pool: LocalPool | null = null;
  let server: RunningServer | null = null;
  try {
    await say(`starting Ray: a head and ${plan.workers} workers with ${plan.gpusPerWorker} logical GPUs each …`);
    pool = await startPool(plan, places, environment, (processes) => save({ processes: [...processes] }), log, ended);
    const about = pool.describe();
    for (const warning of about.warnings) await say(`warning: ${warning}`);
    const place = { tag: poolId(places.stateDir), node: nodeNameOf(null), path: environment["PATH"] ?? "" };
    void stackCollection(localStorage(plan), place, () => Promise.resolve(plan.python), log).run(ended);
    const token = adminTokenOf(places, environment);
    server = await startLocalServer(plan, places, about.tokenFile, token, environment, log, ended);
    save({ url: server.url, dashboard_url: about.dashboardUrl });
    await say(`ready: ${server.url} (Ray ${about.rayVersion} at ${about.dashboardUrl})`);
    if (plan.login) await tellAccess(places, server, token, environment, home, say);
    const end = await Promise.race([pool.exited, aborted(ended)]);
    if (end !== null && end.kind === "failed") {
      await say(`the pool ended: ${end.error}`);
      return 1;
    }
    return 0;
  } catch (error) {
    if (!ended.aborted) throw error;
    return 130;
  } finally {
    stop.abort();
    await takeDown(server, pool, places, log);
    await say("stopped; no process of this pool is left");
  }
}

/** The server first: an attempt that the pool's end interrupts is followed at the next start. Whatever fails on the way, the pool comes down. */
async function takeDown(server: RunningServer | null, pool: LocalPool | null, places: Places, log: Log): Promise<void> {
  try {
    await server?.closed;
  } catch (error) {
    log.error({ error: String(error) }, "the server did not close in order");
  } finally {
    await pool?.stop();
    removeRecord(places.recordFile);
  }
}

function aborted(signal: AbortSignal): Promise<null> {
  if (signal.aborted) return Promise.resolve(null);
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(null), { once: true }));
}

/** In this very process: the pool's storage is a disk of this machine. */
function localStorage({ root }: UpPlan): CallStorage {
  return storageInProcess({ sharedRoot: root, allowedSymlinkTargets: [] }).call;
}

function startPool(
  plan: UpPlan,
  places: Places,
  environment: Environment,
  onProcesses: (processes: readonly ProcessRecord[]) => void,
  log: Log,
  signal: AbortSignal,
): Promise<LocalPool> {
  mkdirSync(places.stateDir, { recursive: true, mode: 0o700 });
  return startLocalPool(
    {
      cluster: CLUSTER,
      headFiles: headFiles(localStorage(plan), CLUSTER, ownTrust(null), clock),
      stateDir: places.stateDir,
      python: plan.python,
      tempRoot: "/tmp",
      containment: null,
      shape: {
        workers: plan.workers,
        gpusPerWorker: plan.gpusPerWorker,
        cpusPerWorker: plan.cpusPerWorker,
        gpuDevices: [],
        objectStoreBytes: OBJECT_STORE_BYTES,
      },
      parentEnv: environment,
      extraEnv: {},
      drainMs: DRAIN_MS,
      startTimeoutMs: START_TIMEOUT_MS,
      connect: ({ baseUrl, tokenFile, address }) =>
        createRayCluster(
          createRayHttp({ baseUrl: () => baseUrl, tokenFile: () => tokenFile }),
          () => address,
          () => baseUrl,
        ),
      onProcesses,
      clock,
      ids,
      log,
    },
    signal,
  );
}

/** From the environment, or made once and kept in a file that only its owner can read. */
export function adminTokenOf(places: Places, environment: Environment): string {
  const given = environment["MVP_INTERNAL_TOKEN"] ?? "";
  if (given.length >= 16) return given;
  const kept = existsSync(places.adminTokenFile) ? readFileSync(places.adminTokenFile, "utf8").trim() : "";
  // A full disk may have left it empty.
  if (kept.length >= 16) return kept;
  const token = randomBytes(24).toString("hex");
  writeFileSync(places.adminTokenFile, `${token}\n`, { mode: 0o600 });
  return token;
}

function startLocalServer(
  plan: UpPlan,
  places: Places,
  tokenFile: string | null,
  adminToken: string,
  environment: Environment,
  log: Log,
  signal: AbortSignal,
): Promise<RunningServer> {
  const flags: { [K in ConfigKey]?: unknown } = {
    shared_root: plan.root,
    "server.port": plan.port,
    "pool.cluster": CLUSTER,
    "pool.python": plan.python,
    "ray.token_file": tokenFile,
  };
  writeConfigOnce(places, flags);
  const { config } = loadConfig(places.configFile, flags, environment);
  return startServer(
    { settings: settingsOf(config), adminToken, failpoint: failpointFrom(environment["VERLPOOL_FAILPOINT"]), log },
    signal,
  );
}

/** What a `verlpool server --config` beside this pool needs; the operator's own settings in it are kept. */
function writeConfigOnce(places: Places, flags: { readonly [K in ConfigKey]?: unknown }): void {
  if (existsSync(places.configFile)) return;
  const lines = Object.entries(flags).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  writeFileSync(
    places.configFile,
    `# Written by verlpool up; add settings here (verlpool config show lists them).\n${lines.join("\n")}\n`,
    { mode: 0o600 },
  );
}

async function tellAccess(
  places: Places,
  { url, fingerprint }: RunningServer,
  token: string,
  environment: Environment,
  home: string,
  say: Talk,
): Promise<void> {
  const path = contextPath(environment, home);
  if (existsSync(path)) {
    const isKept = existsSync(places.adminTokenFile) && readFileSync(places.adminTokenFile, "utf8").trim() === token;
    await say(
      isKept
        ? `the admin token is in ${places.adminTokenFile}; use it with: verlpool login --url ${url} --token-stdin < ${places.adminTokenFile}`
        : `the admin token is the one in MVP_INTERNAL_TOKEN; use it with: printenv MVP_INTERNAL_TOKEN | verlpool login --url ${url} --token-stdin`,
    );
    return;
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, contextText(url, token, { caFile: null, fingerprint }), { mode: 0o600, flag: "wx" });
  await say(`you are logged in as the admin (${path}); try: verlpool nodes`);
}

/** Starts the same again in a session of its own; resolves to its address when it is ready, to null when it did not come up. */
export async function startDetached(
  plan: UpPlan,
  places: Places,
  environment: Environment,
  say: Talk,
  signal: AbortSignal,
): Promise<string | null> {
  mkdirSync(dirname(places.logFile), { recursive: true });
  mkdirSync(places.runDir, { recursive: true, mode: 0o700 });
  const out = openSync(places.logFile, "a", 0o600);
  const { command, args } = self("internal", "up", JSON.stringify(plan));
  const child = spawn(command, args, { detached: true, stdio: ["pipe", out, out], cwd: "/", env: shownEnvironment(environment) });
  closeSync(out);
  if (child.stdin !== null) sendEnvironment(child.stdin, environment);
  const gone = new AbortController();
  child.once("exit", () => gone.abort());
  child.unref();
  await say(`starting the pool in the background (log: ${places.logFile}) …`);
  while (!gone.signal.aborted) {
    const record = readRecord(places.recordFile);
    if (record !== null && record.up.pid === child.pid && record.url !== null) {
      await say(`ready: ${record.url}`);
      return record.url;
    }
    try {
      await clock.sleep(READY_EVERY_MS, signal);
    } catch {
      child.kill("SIGTERM");
      await say("interrupted: the pool is being taken down");
      return null;
    }
  }
  const tail = readFileSync(places.logFile, "utf8").trim().split("\n").slice(-15).join("\n  ");
  await say(`it did not come up; the end of ${places.logFile}:\n  ${tail}`);
  return null;
}
