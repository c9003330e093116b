/** The life of a local pool from the first process to the last: start, watch, bring back, take down. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { RayCluster } from "../control/ports.ts";
import type { HeadOwner } from "../domain/head-record.ts";
import { headTimes } from "../domain/head-watch.ts";
import { type HeadBeating, type HeadFacts, startBeating } from "./head-beat.ts";
import { endLaunchers } from "./launcher-stop.ts";
import type { LocalPoolOptions, PoolDescription, PoolEnd } from "./pool-options.ts";
import type { PoolLock } from "./pool-lock.ts";
import type { PlannedNode, PoolPlan } from "./pool-plan.ts";
import { isPortOpen } from "./port-open.ts";
import type { Containment, RayInstall } from "./ray-install.ts";
import { exitText, logTail } from "./ray-process.ts";
import type { SupervisedNode } from "./supervised-node.ts";
import { superviseRay, SWEEP_MS } from "./supervised-ray.ts";
import { findTagged, killTagged } from "./tagged-processes.ts";
import { removeTempDir } from "./temp-dir.ts";

export type PreparedPool = {
  readonly install: RayInstall;
  readonly containment: Containment;
  readonly plan: PoolPlan;
  readonly tokenFile: string | null;
  readonly owner: HeadOwner;
  readonly epoch: number;
  readonly warnings: readonly string[];
};

export type RunningPool = {
  readonly options: LocalPoolOptions;
  readonly prepared: PreparedPool;
  readonly lock: PoolLock;
  readonly cluster: RayCluster;
  readonly beating: HeadBeating;
  /** Aborted when the pool begins to end. */
  readonly lifetime: AbortController;
  /** The head first. */
  readonly nodes: SupervisedNode[];
  session: string;
  /** Resolves when the next worker may start, where workers share the head's temp directory. */
  turn: Promise<void>;
  ending: Promise<void> | null;
};

const POLL_MS = 200;
/** A start may fail by a port that was taken meanwhile, or by load: Ray 2.51 gives its dashboard 20 s, a fixed number. Four in a row have a reason. */
const START_TRIES = 4;

export function createRunningPool(options: LocalPoolOptions, prepared: PreparedPool, lock: PoolLock): RunningPool {
  const { plan, tokenFile, owner, epoch } = prepared;
  return {
    options,
    prepared,
    lock,
    cluster: options.connect({ baseUrl: plan.dashboardUrl, tokenFile, address: plan.address }),
    // Its workers end with it, so it needs no fence: a full disk does not end a pool that nobody else would take over.
    beating: startBeating({ ...options, files: options.headFiles, owner, epoch, times: { ...headTimes(false), selfFenceMs: Infinity } }),
    lifetime: new AbortController(),
    nodes: [],
    session: "",
    turn: Promise.resolve(),
    ending: null,
  };
}

/** Starts head and workers and publishes head.json; resolves when all workers are ALIVE. */
export async function bringUp(pool: RunningPool, signal: AbortSignal): Promise<void> {
  const { plan, install } = pool.prepared;
  const head = supervise(pool, plan.head, () => followHeadRestart(pool, head));
  await waitFor(pool, "the head's GCS listening", [head], async () => (await isPortOpen(plan.address)) || null, signal);
  // The dashboard needs seconds more; where workers need nothing of each other they start meanwhile.
  if (!install.hasWorkerTempDir) {
    pool.session = await headSession(pool, head, signal);
    await headRayletUp(pool, signal);
  }
  for (const [index, planned] of plan.workers.entries()) {
    supervise(pool, planned, () => undefined);
    if (!install.hasWorkerTempDir) await workersAlive(pool, plan.workers.slice(0, index + 1), signal);
  }
  pool.session = await headSession(pool, head, signal);
  await workersAlive(pool, plan.workers, signal);
  await pool.beating.tell(factsOf(pool));
}

/** Resolves after the pool is down, for whatever reason. */
export async function watchPool(pool: RunningPool): Promise<PoolEnd> {
  const [head, ...workers] = pool.nodes;
  const reasons: Promise<string | null>[] = [
    new Promise((resolve) => pool.lifetime.signal.addEventListener("abort", () => resolve(null), { once: true })),
    pool.beating.ended.then((why) => (why === "superseded" ? "a newer head took over this cluster" : null)),
  ];
  if (head !== undefined) reasons.push(head.ended.then((exit) => (exit === null ? null : `the head ${exitText(exit)} again and again`)));
  if (workers.length > 0) {
    const all = Promise.all(workers.map((worker) => worker.ended));
    reasons.push(all.then((exits) => (exits.includes(null) ? null : "every worker ends as soon as it is started")));
  }
  const why = await Promise.race(reasons);
  await takeDown(pool);
  return typeof why === "string" ? { kind: "failed", error: why } : { kind: "stopped" };
}

/** Ends everything, once; every caller gets the same end. */
export function takeDown(pool: RunningPool): Promise<void> {
  pool.ending ??= endAll(pool);
  return pool.ending;
}

async function endAll(pool: RunningPool): Promise<void> {
  const { options, lock, nodes } = pool;
  pool.lifetime.abort(new Error("the pool is stopped"));
  try {
    await endLaunchers(lock.id, options.drainMs, options.clock);
    const seen = findTagged(lock.id);
    await Promise.all(nodes.map((node) => node.stop()));
    await killTagged(lock.id, options.clock, SWEEP_MS, new AbortController().signal, seen);
    removeTempDir(options.tempRoot, lock.id);
    options.onProcesses([]);
    await pool.beating.stop(true);
  } finally {
    await lock.release();
  }
}

export function describePool(pool: RunningPool): PoolDescription {
  const { options, prepared } = pool;
  const { plan, install } = prepared;
  return {
    cluster: options.cluster,
    rayVersion: install.rayVersion,
    pythonVersion: install.pythonVersion,
    session: pool.session,
    address: plan.address,
    dashboardUrl: plan.dashboardUrl,
    tokenFile: prepared.tokenFile,
    containment: prepared.containment,
    epoch: prepared.epoch,
    nodes: [plan.head, ...plan.workers].map(({ name, address, spawning }) => {
      const starts = pool.nodes.find((node) => node.name === name)?.starts() ?? 0;
      return { name, address, starts, logFile: spawning.logFile };
    }),
    processes: processesOf(pool),
    warnings: prepared.warnings,
  };
}

function processesOf(pool: RunningPool) {
  return pool.nodes.map((node) => node.record()).filter((record) => record !== null);
}

function factsOf(pool: RunningPool): HeadFacts {
  const { plan, install } = pool.prepared;
  return {
    session: pool.session,
    address: plan.address,
    dashboardUrl: plan.dashboardUrl,
    rayVersion: install.rayVersion,
    pythonVersion: install.pythonVersion,
  };
}

function supervise(pool: RunningPool, planned: PlannedNode, onRestart: () => void): SupervisedNode {
  const { clock, log, onProcesses } = pool.options;
  const node = superviseRay(
    {
      planned,
      beforeRestart: async () => {
        if (!pool.prepared.install.hasWorkerTempDir && planned !== pool.prepared.plan.head) await takeTurn(pool, planned);
      },
      onRestart: () => {
        onProcesses(processesOf(pool));
        onRestart();
      },
      clock,
      log,
    },
    pool.lifetime.signal,
  );
  pool.nodes.push(node);
  onProcesses(processesOf(pool));
  return node;
}

/** A head without its memory is another cluster to a raylet, which would notice only after 46 s (measured): start the workers anew. */
function followHeadRestart(pool: RunningPool, head: SupervisedNode): void {
  const { log } = pool.options;
  // While the pool is still coming up, bringUp itself waits for the head.
  if (pool.session === "") return;
  const follow = async () => {
    const session = await headSession(pool, head, pool.lifetime.signal);
    if (session === pool.session) return log.info({ session }, "the head is back with its memory");
    log.warn({ session, before: pool.session }, "the head came back empty and the workers join it anew");
    pool.session = session;
    void pool.beating.tell(factsOf(pool));
    for (const node of pool.nodes) if (node !== head) node.restart();
  };
  follow().catch((error: unknown) => {
    if (!pool.lifetime.signal.aborted) log.error({ err: error }, "the head was started again and does not answer");
  });
}

function headSession(pool: RunningPool, head: SupervisedNode, signal: AbortSignal): Promise<string> {
  const look = async () => {
    const view = await pool.cluster.head(signal);
    return view.kind === "up" ? view.session : null;
  };
  return waitFor(pool, "an answer of the head", [head], look, signal);
}

async function workersAlive(pool: RunningPool, planned: readonly PlannedNode[], signal: AbortSignal): Promise<void> {
  const wanted = planned.map((worker) => worker.name);
  const look = async () => {
    const views = await pool.cluster.nodes(signal).catch(() => []);
    return wanted.every((name) => views.some((view) => view.node === name)) ? true : null;
  };
  await waitFor(pool, `${wanted.join(", ")} joining`, pool.nodes.slice(1), look, signal);
}

/** The head's raylet binds its socket after the dashboard answers; a worker that shares the directory and is faster would take its name. */
async function headRayletUp(pool: RunningPool, signal: AbortSignal): Promise<void> {
  const look = async () => existsSync(join(pool.prepared.plan.head.tempDir, pool.session, "sockets", "raylet")) || null;
  await waitFor(pool, "the head's raylet listening", pool.nodes.slice(0, 1), look, signal);
}

/** Workers that share one temp directory and start at once grab the same socket: each waits until the one before has joined. */
async function takeTurn(pool: RunningPool, planned: PlannedNode): Promise<void> {
  const { signal } = pool.lifetime;
  const before = pool.turn;
  const mine = Promise.withResolvers<void>();
  pool.turn = mine.promise;
  await before;
  try {
    await headRayletUp(pool, signal);
  } catch (error) {
    mine.resolve();
    throw error;
  }
  workersAlive(pool, [planned], signal).then(mine.resolve, () => mine.resolve());
}

/** Polls until `look` gives something; throws at the deadline, or when one of `watched` ends as soon as it is started. */
async function waitFor<T>(
  pool: RunningPool,
  what: string,
  watched: readonly SupervisedNode[],
  look: () => Promise<T | null>,
  signal: AbortSignal,
): Promise<T> {
  const { clock, startTimeoutMs } = pool.options;
  const start = clock.monotonicMs();
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    const failing = watched.find((node) => node.starts() > START_TRIES);
    if (failing !== undefined) throw startFailure(pool, `${failing.name} ends as soon as it is started`, failing.name);
    if (clock.monotonicMs() - start > startTimeoutMs) {
      throw startFailure(pool, `${what} took more than ${startTimeoutMs} ms`, watched[0]?.name ?? "head");
    }
    await clock.sleep(POLL_MS, signal);
  }
}

function startFailure(pool: RunningPool, what: string, node: string): Error {
  const { plan } = pool.prepared;
  const logFile = [plan.head, ...plan.workers].find((planned) => planned.name === node)?.spawning.logFile ?? "";
  return new Error(`the Ray pool is not up: ${what}. ${logFile} ends with:\n${logTail(logFile, 20)}`);
}
