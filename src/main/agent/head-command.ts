/** `verlpool head`: the agent of Ray's head, composed. */
import { createSocket } from "node:dgram";
import { renameSync, writeFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import { join, resolve } from "node:path";
import type { HeadOptions, OutputStream } from "../../cli/world.ts";
import { ConfigError } from "../../config/config.ts";
import { type Settings, settingsOf } from "../../config/settings.ts";
import type { Log } from "../../control/ports.ts";
import { headTimes } from "../../domain/head-watch.ts";
import { createHeadAgent, type HeadAgent, type HeadAgentStatus } from "../../pool/head-agent.ts";
import type { GcsChoice } from "../../pool/head-memory.ts";
import { lockPool } from "../../pool/pool-lock.ts";
import { probeContainment } from "../../pool/ray-install.ts";
import { createRayCluster } from "../../ray/cluster-client.ts";
import { createRayHttp, type RayHttp } from "../../ray/ray-http.ts";
import type { StorageClient } from "../../storage/storage-client.ts";
import { clock, ids, random } from "../clock.ts";
import { type Environment, loadConfig } from "../load-config.ts";
import { stateHome } from "../local/places.ts";
import { stopSignal } from "../stop-signal.ts";
import { discoveryKey, openAgentLog, openAgentStorage, pythonOf, untilStorage } from "./agent-base.ts";
import { headFiles, ownTrust } from "./head-files.ts";
import { serveHealth } from "./health-port.ts";

const DEFAULT_RAY_PORT = 6379;
const DEFAULT_DASHBOARD_PORT = 8265;
const RAY_TIMES = { startMs: 240_000, hungMs: 90_000 };
/** Nothing runs on the head, so nothing stores objects there; Ray takes no less. */
const OBJECT_STORE_BYTES = 80_000_000;

export async function headCommand(options: HeadOptions, environment: Environment, stderr: OutputStream): Promise<number> {
  if (process.platform !== "linux") throw new Error("a head needs Linux");
  const gcs = gcsChoice(options.gcs);
  const flags = {
    ...(options.root === null ? {} : { shared_root: resolve(options.root) }),
    ...(options.cluster === null ? {} : { "pool.cluster": options.cluster }),
    ...(options.tokenFile === null ? {} : { "ray.token_file": resolve(options.tokenFile) }),
  };
  const settings = settingsOf(loadConfig(options.config, flags, environment).config);
  const home = options.stateDir === null ? stateHome(environment) : resolve(options.stateDir);
  const place = { stateDir: join(home, "head", settings.cluster), gcsDir: join(home, "gcs", settings.cluster) };
  const nodeIp = await addressOf(options.nodeIp);
  const lock = await lockPool(place.stateDir);
  if (lock === null)
    throw new Error(
      `an agent of the head of cluster ${settings.cluster} runs on ${home} already: stop it, or give this one its own --state-dir`,
    );
  const signal = stopSignal("is ignored");
  const { log, close: closeLog } = openAgentLog(settings.logLevel, place.stateDir, join(settings.sharedRoot, "common", "logs", "head.log"));
  const storage = openAgentStorage(settings);
  const clients: RayHttp[] = [];
  let code = 0;
  try {
    const agent = await compose(
      { ...options, gcs },
      settings,
      { ...place, tag: lock.id, nodeIp },
      environment,
      storage,
      clients,
      log,
      signal,
    );
    const closeHealth =
      options.healthPort === null ? () => undefined : await serveHealth(options.healthPort, () => healthOf(agent.status()));
    await stderr.write(`verlpool: head of cluster ${settings.cluster} at ${nodeIp} (root ${settings.sharedRoot})\n`);
    await agent.run(signal);
    closeHealth();
  } catch (error) {
    if (!signal.aborted) {
      log.error({ err: error }, "the agent of the head ends");
      await stderr.write(`verlpool: ${error instanceof Error ? error.message : String(error)}\n`);
      code = 1;
    }
  } finally {
    for (const http of clients) await http.close();
    storage.close();
    await closeLog();
    await lock.release();
  }
  if (code === 0) await stderr.write("verlpool: head stopped; nothing of its Ray runs here, and jobs wait 120 s for the next one\n");
  // A thread that hangs on a dead mount must not keep it alive.
  process.exit(code);
}

type Place = {
  readonly stateDir: string;
  readonly gcsDir: string;
  readonly tag: string;
  readonly nodeIp: string;
};

async function compose(
  options: Omit<HeadOptions, "gcs"> & { readonly gcs: GcsChoice },
  settings: Settings,
  place: Place,
  environment: Environment,
  storage: StorageClient,
  clients: RayHttp[],
  log: Log,
  signal: AbortSignal,
): Promise<HeadAgent> {
  const { cluster } = settings;
  const containment = await probeContainment(signal);
  if (containment === "none")
    log.warn({ containment }, "this user may not make PID namespaces: what outlives Ray's head is found by its environment only");
  const network = await untilStorage(() => storage.call("discoveryFileSystem", { cluster }), log, signal);
  if (network !== null) log.info({ file_system: network }, "discovery lies on a network file system: another head is given up after 95 s");
  return createHeadAgent({
    ...place,
    cluster,
    gcs: options.gcs,
    tempRoot: options.tempDir === null ? "/tmp" : resolve(options.tempDir),
    python: () => pythonOf(options.python, settings),
    tokenFile: (until) => clusterToken(settings, storage, join(place.stateDir, "ray-token"), log, until),
    containment,
    dashboardHost: options.host,
    rayPort: options.rayPort ?? DEFAULT_RAY_PORT,
    dashboardPort: options.dashboardPort ?? DEFAULT_DASHBOARD_PORT,
    objectStoreBytes: OBJECT_STORE_BYTES,
    parentEnv: environment,
    extraEnv: {},
    takeOver: options.takeOver,
    times: headTimes(network !== null),
    rayTimes: RAY_TIMES,
    files: headFiles(storage.call, cluster, ownTrust(discoveryKey(settings)), clock),
    connect: ({ baseUrl, tokenFile, address }) => {
      const http = createRayHttp({ baseUrl: () => baseUrl, tokenFile: () => tokenFile });
      clients.push(http);
      return createRayCluster(
        http,
        () => address,
        () => baseUrl,
      );
    },
    clock,
    ids,
    random,
    log,
  });
}

/** `ray.token_file`, else the cluster's own beside head.json, made by its first head; copied to our own disk, so that Ray never reads it from a mount that hangs. */
async function clusterToken(
  { cluster, rayTokenFile }: Settings,
  { call }: StorageClient,
  copy: string,
  log: Log,
  signal: AbortSignal,
): Promise<string> {
  if (rayTokenFile !== null) return rayTokenFile;
  const uid = process.getuid?.() ?? 0;
  const token = await untilStorage(() => call("ensureRayToken", { cluster, uid, token: ids.hex(32), tag: ids.hex(8) }), log, signal);
  writeFileSync(`${copy}.tmp`, token, { mode: 0o600 });
  renameSync(`${copy}.tmp`, copy);
  return copy;
}

export function gcsChoice(text: string | null): GcsChoice {
  if (text === null || text === "auto") return { kind: "auto" };
  if (text === "none" || text === "rocksdb") return { kind: text };
  const address = /^redis:\/\/([A-Za-z0-9.-]+:\d{1,5})$/.exec(text)?.[1];
  if (address !== undefined) return { kind: "redis", address };
  throw new ConfigError(`--gcs ${JSON.stringify(text)}: say auto, rocksdb, none, or redis://HOST:PORT (no password, no TLS)`);
}

/** The address by which others reach this machine: the one that its way out starts from, else its only one. */
async function addressOf(given: string | null): Promise<string> {
  if (given !== null) {
    if (!isIPv4(given) || given === "127.0.0.1" || given === "0.0.0.0")
      throw new ConfigError(
        `--node-ip ${given}: give an IPv4 address that workers reach (Ray replaces 127.0.0.1; on one machine take 127.0.0.2)`,
      );
    return given;
  }
  const outer = await wayOut();
  if (outer !== null) return outer;
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const candidates = addresses.filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => address);
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) return only;
  const those = candidates.length === 0 ? "it has none but loopback" : `it has ${candidates.join(", ")}`;
  throw new ConfigError(`which address of this machine workers reach can't be told (${those}): give --node-ip`);
}

/** Null = no route leads out. No packet is sent. */
async function wayOut(): Promise<string | null> {
  const socket = createSocket("udp4");
  try {
    // TEST-NET-3 (RFC 5737): routed like any far address, and nobody's.
    await new Promise<void>((done, fail) => socket.once("error", fail).connect(9, "203.0.113.1", done));
    return socket.address().address;
  } catch {
    return null;
  } finally {
    socket.close();
  }
}

/** Well = it stands by, or Ray answers and the beat is fresh. */
function healthOf(status: HeadAgentStatus) {
  const isWell = status.state === "standing_by" || status.state === "starting" || (status.state === "head" && status.isRayUp);
  const body = {
    state: status.state,
    why: status.why,
    epoch: status.epoch,
    session: status.session,
    ray_up: status.isRayUp,
    ray_starts: status.starts,
    since_beat_ms: status.unbeatenMs,
  };
  return { isWell, body };
}
