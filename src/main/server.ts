/** `verlpool server`: API and scheduler in one process. Starts and queues also while Ray or the pool is away. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { getCompileCacheDir } from "node:module";
import { hostname } from "node:os";
import { join } from "node:path";
import { quarantineMs, type Settings } from "../config/settings.ts";
import { authenticator } from "../control/authenticate.ts";
import { cursors } from "../control/cursors.ts";
import { forecaster } from "../control/forecast.ts";
import { insight } from "../control/insight.ts";
import { insightWatch } from "../control/insight-watch.ts";
import { queueOrder } from "../control/usage.ts";
import type { Log } from "../control/ports.ts";
import type { SchedulerDeps } from "../control/scheduler/context.ts";
import { retention } from "../control/retention.ts";
import { schedulerLoop } from "../control/scheduler/loop.ts";
import { watchRayDoor } from "../control/ray-door.ts";
import { createApp } from "../http/app.ts";
import { CONNECTION_LIMITS } from "../http/connection.ts";
import type { HttpDeps } from "../http/deps.ts";
import { createMeters } from "../http/meters.ts";
import { showIdentity } from "../http/tls-identity.ts";
import { installModules, modulesHash } from "../pool/prepare/published-files.ts";
import { createRayCluster } from "../ray/cluster-client.ts";
import { createRayJobs } from "../ray/jobs-client.ts";
import { createDoorCheck } from "../ray/ray-door.ts";
import { createRayHttp } from "../ray/ray-http.ts";
import { artifactFiles } from "../storage/artifacts.ts";
import { commonFiles } from "../storage/common-files.ts";
import { jobFiles } from "../storage/job-files.ts";
import { logFiles } from "../storage/log-files.ts";
import { nodeFiles } from "../storage/node-files.ts";
import { retentionFiles } from "../storage/retention.ts";
import { storageThroughHelpers } from "../storage/storage-client.ts";
import { openStore } from "../store/open-store.ts";
import { apiAddress } from "./api-address.ts";
import { listen } from "./listen.ts";
import { asset, assetNames } from "./assets.ts";
import { clock, ids } from "./clock.ts";
import { clusterToken } from "./cluster-token.ts";
import { commandSource } from "./command-source.ts";
import { IN_CLEAR, isLoopback } from "./exposure.ts";
import { fixedHead, headFollower } from "./head-follower.ts";
import { meteredRay } from "./metered-ray.ts";
import { pageFiles } from "./page-files.ts";
import { storageHelper } from "./self.ts";
import { followTls, type LoadedTls, loadTls } from "./tls-files.ts";
import { VERSION } from "./version.ts";

export type ServerOptions = {
  readonly settings: Settings;
  readonly adminToken: string;
  readonly failpoint: SchedulerDeps["failpoint"];
  readonly log: Log;
};

export type RunningServer = {
  readonly url: string;
  /** Of its certificate; null = plain HTTP. */
  readonly fingerprint: string | null;
  readonly closed: Promise<void>;
};

const STORAGE_HELPERS = 3;
/** Of one call of retention: to measure one job directory, or to remove a share of one. */
const RETENTION_DEADLINE_MS = 120_000;

const RAY_DOOR_DEADLINES = { connectMs: 2_000, totalMs: 5_000 };

/** Resolves when the API listens. Aborting the signal stops it: no new work, the pass in flight ends, then the database is closed. */
export async function startServer(options: ServerOptions, signal: AbortSignal): Promise<RunningServer> {
  const opened: Opened = [];
  try {
    return await start(options, signal, opened);
  } catch (error) {
    // A helper process or a connection left open would keep a program alive that serves nobody.
    await closeAll(opened);
    throw error;
  }
}

/** What is to be closed again, in the order of opening. */
type Opened = (() => void | Promise<void>)[];

async function closeAll(opened: Opened): Promise<void> {
  for (const close of opened.splice(0).reverse()) await close();
}

async function start(options: ServerOptions, signal: AbortSignal, opened: Opened): Promise<RunningServer> {
  const { settings, log } = options;
  const tls = settings.tlsFiles === null ? null : loadTls(settings.tlsFiles);
  if (tls === null && !isLoopback(settings.host)) log.warn({ host: settings.host }, IN_CLEAR);
  if (tls !== null && tls.expiresAt <= clock.now())
    log.warn({ expired_at: new Date(tls.expiresAt).toISOString() }, "the certificate has expired; clients will refuse it");
  const storage = storageThroughHelpers(
    { sharedRoot: settings.sharedRoot, allowedSymlinkTargets: settings.allowedSymlinkTargets },
    { spawnHelper: startStorageHelper, deadlineMs: settings.storageDeadlineMs, helpers: STORAGE_HELPERS },
  );
  // Looks at whole directories: slow calls, which none of the others waits behind.
  const background = storageThroughHelpers(
    { sharedRoot: settings.sharedRoot, allowedSymlinkTargets: settings.allowedSymlinkTargets },
    { spawnHelper: startStorageHelper, deadlineMs: RETENTION_DEADLINE_MS, helpers: 1 },
  );
  opened.push(background.close);
  const store = await openStore({
    url: settings.databaseUrl,
    ids,
    clock,
    onIdleError: (error) => log.warn({ error: error.message }, "an idle database connection broke"),
  });
  opened.push(store.close, storage.close);
  const files = jobFiles({ call: storage.call, clock, ids, host: hostname() });
  const nodes = nodeFiles(storage.call, settings.cluster, process.getuid?.() ?? 0, () => ids.hex(8));
  const logs = logFiles(storage.call);
  const training = insight({ store, files, logs });
  const common = commonFiles(storage.call);
  const key = settings.discoveryKeyFile === null ? null : readFileSync(settings.discoveryKeyFile, "utf8").trim();
  const trust = { uid: process.getuid?.() ?? 0, key };
  const head =
    settings.rayAddress === null
      ? headFollower(() => storage.call("readHead", { cluster: settings.cluster, trust }), clock, log)
      : fixedHead(settings.rayAddress);
  const readToken = (): Promise<string | null> => storage.call("readRayToken", { cluster: settings.cluster, uid: trust.uid });
  const token = clusterToken(settings, readToken, process.env, clock, log);
  const http = createRayHttp({ baseUrl: head.baseUrl, tokenFile: token.file });
  opened.push(http.close);
  const commands = commandSource(await installedParts(settings, storage.call), () => storage.call("readProfiles", {}), common, clock, log);
  const meters = createMeters();
  const order = queueOrder({ store, clock }, settings);
  const scheduler: SchedulerDeps = {
    store,
    files,
    nodeFiles: nodes,
    ray: meteredRay(createRayJobs(http), meters, clock),
    cluster: createRayCluster(http, head.address, head.baseUrl),
    commands,
    order,
    clock,
    ids,
    log,
    meters,
    failpoint: options.failpoint,
    // Asked first in a pass of the loop, which begins when all is made.
    logs,
    paceOf: (taskId) => watch.paceOf(taskId),
    stalls: settings.stalls,
    settings: {
      maxRunningTasks: settings.maxRunningTasks,
      retryIntervalMs: settings.retryIntervalMs,
      reserveAfterMs: settings.reserveAfterMs,
      tickMs: settings.tickMs,
      startTimeoutMs: settings.startTimeoutMs,
      selfFenceMs: settings.selfFenceS * 1000,
      quarantineMs: quarantineMs(settings),
      maxLosses: settings.maxLosses,
      backoffMs: settings.backoffMs,
      handOverMs: settings.handOverMs,
      staleMs: settings.staleS * 1000,
      minFreeBytes: settings.minFreeBytes,
      minNodeFreeBytes: settings.minNodeFreeBytes,
      cordonAfterFailures: settings.cordonAfterFailures,
    },
  };
  const loop = schedulerLoop(scheduler, `${hostname()} pid ${process.pid}`);
  const doorHttp = createRayHttp({ baseUrl: head.baseUrl, tokenFile: () => null }, RAY_DOOR_DEADLINES);
  opened.push(doorHttp.close);
  const rayDoor = watchRayDoor({ check: createDoorCheck(doorHttp), head: () => loop.view().head, clock, log });
  const watch = insightWatch({ store, insight: training, clock, log, leads: () => loop.view().leads });
  const old = retention({
    store,
    files: retentionFiles(background.call),
    clock,
    log,
    leads: () => loop.view().leads,
    settings: settings.retention,
  });
  const deps: HttpDeps = {
    version: VERSION,
    store,
    files,
    nodeFiles: nodes,
    logs,
    insight: training,
    artifacts: artifactFiles(storage.call),
    common,
    commands,
    clock,
    ids,
    log,
    authenticate: authenticator(store.users, clock, options.adminToken),
    cursors: cursors(await store.leader.databaseId()),
    loop,
    order,
    forecast: forecaster({ store, clock, order, settings: scheduler.settings, view: loop.view, paceOf: watch.paceOf }),
    rayDoor: rayDoor.view,
    users: { users: store.users, clock, ids, defaultLimits: settings.defaultLimits },
    submit: { store, common, commands, clock, ids, pool: settings.poolCeiling },
    meters,
    page: pageFiles(log),
    settings: {
      maxRunningTasks: settings.maxRunningTasks,
      ignoredFields: settings.ignoredFields,
      tickMs: settings.tickMs,
      requests: settings.requests,
    },
  };
  const { connections, waitingOfOneAddress } = settings;
  const app = createApp(deps, { ...CONNECTION_LIMITS, connections, waitingOfOneAddress }, tls?.identity ?? null);
  opened.push(() => app.close());
  const url = apiAddress(await listen(app, settings.host, settings.port), settings.host, hostname());
  await publishApi(settings, storage.call, url, tls, log);
  const show = (renewed: LoadedTls): Promise<void> => {
    showIdentity(app, renewed.identity);
    return publishApi(settings, storage.call, url, renewed, log);
  };
  const renewing = settings.tlsFiles === null || tls === null ? null : followTls(settings.tlsFiles, tls, show, clock, log, signal);
  const runs = [loop, head, token, watch, rayDoor, old].map((one) => one.run(signal));
  const running = Promise.all([...runs, renewing]);
  return { url, fingerprint: tls?.fingerprint ?? null, closed: running.then(() => closeAll(opened)) };
}

type CallStorage = ReturnType<typeof storageThroughHelpers>["call"];

/** Launcher and Python modules lie on shared storage by content: an attempt goes on with what it was started with, whatever server comes after. */
async function installedParts(settings: Settings, call: CallStorage) {
  const launcher = asset("launcher/launch.py");
  await call("installLauncher", { text: launcher, tag: ids.hex(8) });
  const modules = assetNames("python")
    .filter((name) => name.endsWith(".py"))
    .map((name) => ({ name: name.slice("python/".length), text: asset(name) }));
  await installModules(join(settings.sharedRoot, "common", "verlpool", "python"), modules);
  return {
    workerRoot: settings.workerRoot,
    python: settings.python,
    launcherHash: createHash("sha256").update(launcher).digest("hex").slice(0, 12),
    modulesDir: `/private/common/verlpool/python/${modulesHash(modules)}`,
    beatS: settings.beatS,
    selfFenceS: settings.selfFenceS,
    graceS: settings.graceS,
    allowedRoots: settings.allowedSymlinkTargets,
  };
}

/** api.json is a convenience of the command line: a server without it works. */
async function publishApi(settings: Settings, call: CallStorage, url: string, tls: LoadedTls | null, log: Log): Promise<void> {
  try {
    const api = { url, caFingerprint: tls?.fingerprint ?? null, at: new Date(clock.now()).toISOString() };
    await call("writeApi", { cluster: settings.cluster, api, tag: ids.hex(8) });
  } catch (error) {
    log.warn({ error: String(error) }, "api.json could not be written; give the command line VERLPOOL_URL");
  }
}

/** The helper needs none of our secrets; with our compile cache it starts in half the time. */
function helperEnvironment(): { [name: string]: string } {
  const kept = ["PATH", "HOME", "TMPDIR", "NODE_V8_COVERAGE", "NODE_EXTRA_CA_CERTS"].flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]]],
  );
  const cache = getCompileCacheDir();
  return { ...Object.fromEntries(kept), ...(cache === undefined ? {} : { NODE_COMPILE_CACHE: cache }) };
}

function startStorageHelper() {
  const { command, args } = storageHelper();
  return spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], env: helperEnvironment() });
}
