/** `verlpool worker`: the agent of one node, composed. */
import { readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import type { OutputStream, WorkerOptions as Flags } from "../../cli/world.ts";
import { ConfigError } from "../../config/config.ts";
import { type Settings, settingsOf } from "../../config/settings.ts";
import type { Log } from "../../control/ports.ts";
import { headTimes } from "../../domain/head-watch.ts";
import { isNodeName, type NodeAgent, nodeRecordJson } from "../../domain/node-record.ts";
import { CLEAN_LIMITS } from "../../pool/clean-node.ts";
import { lockPool } from "../../pool/pool-lock.ts";
import { bootId, startTicksOf } from "../../pool/process-record.ts";
import { probeContainment } from "../../pool/ray-install.ts";
import { makeTempDir, removeTempDir } from "../../pool/temp-dir.ts";
import { createWorkerAgent, type WorkerAgent } from "../../pool/worker-agent.ts";
import type { WorkerStorage, WorkerTimes } from "../../pool/worker-options.ts";
import { createRayCluster } from "../../ray/cluster-client.ts";
import { createRayHttp } from "../../ray/ray-http.ts";
import type { StorageClient } from "../../storage/storage-client.ts";
import { clock, ids, random } from "../clock.ts";
import { type Environment, loadConfig } from "../load-config.ts";
import { stopSignal } from "../stop-signal.ts";
import { VERSION } from "../version.ts";
import { agentIdOf, agentPlacesOf, nodeNameOf } from "./agent-places.ts";
import { discoveryKey, openAgentLog, openAgentStorage, pythonOf, untilStorage } from "./agent-base.ts";
import { ownTrust } from "./head-files.ts";
import { stackCollection } from "./stack-collection.ts";
import { serveHealth } from "./health-port.ts";

const DRAIN_MS = 30_000;
const AGAIN_MS = 2_000;

export async function workerCommand(options: Flags, environment: Environment, stderr: OutputStream): Promise<number> {
  if (process.platform !== "linux") throw new Error("a worker needs Linux");
  const node = nodeNameOf(options.nodeName);
  if (!isNodeName(node) || (options.nodeName !== null && options.nodeName !== node))
    throw new ConfigError(`--node-name ${JSON.stringify(options.nodeName)} is no node name: write it as ${node}`);
  const flags = {
    ...(options.root === null ? {} : { shared_root: resolve(options.root) }),
    ...(options.cluster === null ? {} : { "pool.cluster": options.cluster }),
    ...(options.tokenFile === null ? {} : { "ray.token_file": resolve(options.tokenFile) }),
  };
  const { config } = loadConfig(options.config, flags, environment);
  const settings = settingsOf(config);
  const id = agentIdOf({ role: "worker", argv: [], ...options }, environment);
  const places = agentPlacesOf(id);
  const stateDir = join(places.dir, "node");
  const lock = await lockPool(stateDir);
  if (lock === null) throw new Error(`a worker named ${node} runs on this machine already (its state: ${stateDir}); stop that one first`);
  const signal = stopSignal("is ignored");
  const { log, close: closeLog } = openAgentLog(settings.logLevel, stateDir, places.logFile);
  const storage = openAgentStorage(settings);
  const tempRoot = options.tempDir === null ? "/tmp" : resolve(options.tempDir);
  let code = 0;
  try {
    const tempDir = makeTempDir(tempRoot, lock.id);
    const place = { node, stateDir, tag: lock.id, tempDir };
    const agent = await composeWorker(options, settings, place, environment, storage, log, signal);
    const closeHealth =
      options.healthPort === null ? () => undefined : await serveHealth(options.healthPort, () => healthOf(agent.status()));
    await stderr.write(`verlpool: worker ${node} of cluster ${settings.cluster} (root ${settings.sharedRoot})\n`);
    await agent.run(signal);
    closeHealth();
    removeTempDir(tempRoot, lock.id);
  } catch (error) {
    if (!signal.aborted) {
      log.error({ err: error }, "the agent of this node ends");
      await stderr.write(`verlpool: ${error instanceof Error ? error.message : String(error)}\n`);
      code = 1;
    }
  } finally {
    storage.close();
    await closeLog();
    await lock.release();
  }
  if (code === 0) await stderr.write(`verlpool: worker ${node} stopped; nothing of it runs here\n`);
  // A thread that hangs on a dead mount must not keep it alive.
  process.exit(code);
}

type Place = { readonly node: string; readonly stateDir: string; readonly tag: string; readonly tempDir: string };

async function composeWorker(
  options: Flags,
  settings: Settings,
  place: Place,
  environment: Environment,
  storage: StorageClient,
  log: Log,
  signal: AbortSignal,
): Promise<WorkerAgent> {
  const { cluster } = settings;
  const containment = await probeContainment(signal);
  if (containment === "none")
    log.warn({ containment }, "this user may not make PID namespaces: what outlives its raylet is found by its environment only");
  const times = await timesOf(settings, storage, log, signal);
  const token = tokenKeeper(settings, storage, join(place.stateDir, "ray-token"), log);
  void token.run(signal);
  const python = (): Promise<string> => pythonOf(options.python, settings);
  void stackCollection(storage.call, { ...place, path: environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin" }, python, log).run(signal);
  return createWorkerAgent({
    ...place,
    cluster,
    agent: thisAgent(),
    agentVersion: VERSION,
    python,
    address: options.nodeIp,
    gpus: options.gpus,
    cpus: options.cpus,
    labels: options.labels,
    objectStoreBytes: options.objectStoreMib === null ? null : options.objectStoreMib * 2 ** 20,
    containment,
    limits: CLEAN_LIMITS,
    parentEnv: environment,
    extraEnv: {},
    tokenFile: token.file,
    times,
    storage: workerStorage(settings, place.node, storage),
    connect: (dashboardUrl) => createRayCluster(createRayHttp({ baseUrl: dashboardUrl, tokenFile: token.file }), () => null, dashboardUrl),
    clock,
    bootMs,
    ids,
    random,
    log,
  });
}

function workerStorage(settings: Settings, node: string, { call }: StorageClient): WorkerStorage {
  const { cluster } = settings;
  const trust = ownTrust(discoveryKey(settings));
  return {
    readHead: () => call("readHead", { cluster, trust }),
    beat: (record) => call("beatNode", { cluster, record }),
    readWant: () => call("readWant", { cluster, node }),
    readAttempt: (submissionId, userId) => call("attemptEvidence", { submissionId, userId }),
  };
}

/** A network file system may serve content that is 65 s old, and needs 90 s for a fail-over. Waits until storage answers: nothing can be done before. */
async function timesOf(settings: Settings, { call }: StorageClient, log: Log, signal: AbortSignal): Promise<WorkerTimes> {
  const network = await untilStorage(() => call("discoveryFileSystem", { cluster: settings.cluster }), log, signal);
  const own = { selfFenceMs: settings.selfFenceS * 1000, staleMs: settings.staleS * 1000 };
  const least = network === null ? own : { selfFenceMs: headTimes(true).selfFenceMs, staleMs: 65_000 };
  return {
    beatMs: settings.beatS * 1000,
    selfFenceMs: Math.max(own.selfFenceMs, least.selfFenceMs),
    staleMs: Math.max(own.staleMs, least.staleMs),
    drainMs: DRAIN_MS,
  };
}

type TokenKeeper = { readonly file: () => string | null; readonly run: (signal: AbortSignal) => Promise<void> };

/** The cluster's token on our own disk, so that neither Ray nor we read it from a mount that may hang. */
function tokenKeeper({ cluster, rayTokenFile }: Settings, { call }: StorageClient, copy: string, log: Log): TokenKeeper {
  if (rayTokenFile !== null) return { file: () => rayTokenFile, run: () => Promise.resolve() };
  let held: string | null = null;
  const look = async (): Promise<void> => {
    const token = await call("readRayToken", { cluster, uid: process.getuid?.() ?? 0 });
    if (token === held) return;
    if (token !== null) writeFileSync(copy, token, { mode: 0o600 });
    held = token;
  };
  const run = async (signal: AbortSignal): Promise<void> => {
    let complaint = "";
    while (!signal.aborted) {
      const error = await look().then(() => "", String);
      if (error !== complaint && error !== "") log.warn({ error }, "Ray's token can't be read");
      complaint = error;
      await clock.sleep(AGAIN_MS, signal).catch(() => undefined);
    }
  };
  return { file: () => (held === null ? null : copy), run };
}

function thisAgent(): NodeAgent {
  const { pid } = process;
  const pidNamespace = readlinkSync("/proc/self/ns/pid");
  return { host: hostname(), nonce: ids.hex(8), pid, startTicks: startTicksOf(pid) ?? 0, bootId: bootId(), pidNamespace };
}

function healthOf({ record, unbeatenMs }: ReturnType<WorkerAgent["status"]>) {
  const body = { ...(JSON.parse(nodeRecordJson(record)) as object), since_beat_ms: Math.round(unbeatenMs) };
  return { isWell: record.state !== "fenced", body };
}

/** /proc/uptime is CLOCK_BOOTTIME, in hundredths of a second. */
function bootMs(): number {
  return Number.parseFloat(readFileSync("/proc/uptime", "latin1")) * 1000;
}
