/** The agent of `verlpool head`: stands by until it may be head, keeps Ray's head running while it is, and steps down in time (docs/pool.md). */
import { rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Ids, Log, RayCluster } from "../control/ports.ts";
import type { HeadTimes } from "../domain/head-watch.ts";
import type { HeadOwner } from "../domain/head-record.ts";
import { networkFileSystem } from "../domain/network-file-systems.ts";
import { type HeadBeating, startBeating } from "./head-beat.ts";
import { becomeHead, type Elected } from "./head-election.ts";
import type { HeadFiles } from "./head-files.ts";
import { isProvenGone, readClaims, rememberClaim, thisOwner } from "./head-owner.ts";
import { type GcsChoice, type MemoryPlan, planMemory, prepareMemory, putAsideSpoiltMemory, untilMemoryFree } from "./head-memory.ts";
import { type HeadPlan, planHead } from "./head-plan.ts";
import { type HeadRay, type HeadRayTimes, startHeadRay } from "./head-ray.ts";
import { isPortOpen } from "./port-open.ts";
import { type Containment, probeRay, type RayInstall } from "./ray-install.ts";
import { SWEEP_MS } from "./supervised-ray.ts";
import { killTagged } from "./tagged-processes.ts";
import { makeTempDir, removeTempDir } from "./temp-dir.ts";

export type HeadAgentOptions = {
  readonly cluster: string;
  /** On this machine's own disk, ours alone and locked: claims, logs. */
  readonly stateDir: string;
  /** The id of the lock on it: the tag of everything that this agent starts. */
  readonly tag: string;
  readonly gcsDir: string;
  readonly gcs: GcsChoice;
  readonly tempRoot: string;
  /** Asked anew before each start of Ray; throws with what to do when there is none. */
  readonly python: () => Promise<string>;
  /** The file with the cluster's token, for a Ray that has tokens. */
  readonly tokenFile: (signal: AbortSignal) => Promise<string>;
  readonly containment: Containment;
  readonly nodeIp: string;
  /** Where the dashboard listens; null = on the node's address where Ray asks for a token, else on loopback only. */
  readonly dashboardHost: string | null;
  readonly rayPort: number;
  readonly dashboardPort: number;
  readonly objectStoreBytes: number;
  readonly parentEnv: { readonly [name: string]: string | undefined };
  readonly extraEnv: { readonly [name: string]: string };
  readonly takeOver: boolean;
  readonly times: HeadTimes;
  readonly rayTimes: HeadRayTimes;
  readonly files: HeadFiles;
  readonly connect: (at: { readonly baseUrl: string; readonly tokenFile: string | null; readonly address: string }) => RayCluster;
  readonly clock: Clock;
  readonly ids: Ids;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
};

export type HeadAgentStatus = {
  readonly state: "standing_by" | "starting" | "head" | "stepping_down" | "waiting";
  /** For people. */
  readonly why: string;
  readonly epoch: number | null;
  readonly session: string | null;
  readonly address: string | null;
  readonly isRayUp: boolean;
  /** How often Ray was started in this term. */
  readonly starts: number;
  readonly unbeatenMs: number | null;
};

export type HeadAgent = {
  readonly status: () => HeadAgentStatus;
  /** Until the signal; then Ray's head is down, nothing of it is left, and head.json says `released`. */
  readonly run: (signal: AbortSignal) => Promise<void>;
};

const FIRST_WAIT_MS = 10_000;
const LONGEST_WAIT_MS = 300_000;
const PORT_MS = 30_000;
const PORT_LOOK_MS = 250;

const IDLE: HeadAgentStatus = {
  state: "standing_by",
  why: "looking for a head",
  epoch: null,
  session: null,
  address: null,
  isRayUp: false,
  starts: 0,
  unbeatenMs: null,
};

/** One epoch, from its claim to its end. */
type Term = {
  readonly elected: Elected;
  readonly beating: HeadBeating;
  ray: HeadRay | null;
};

type TermEnd = { readonly kind: "stopped" | "superseded" | "fenced" } | { readonly kind: "failed"; readonly why: string };

export function createHeadAgent(options: HeadAgentOptions): HeadAgent {
  const { cluster, stateDir, tag, files, times, clock, ids, random, log } = options;
  const owner = thisOwner(ids.hex(8));
  const stateFileSystem = networkFileSystem(statfsSync(stateDir).type);
  // On a disk that other machines share, a claim proves nothing about this one.
  const ownClaims = () => (stateFileSystem === null ? readClaims(stateDir) : []);
  // Of an earlier term of ours nothing is left when we stand by again.
  const isGone = (other: HeadOwner): boolean => other.nonce === owner.nonce || isProvenGone(other, ownClaims());
  let status: HeadAgentStatus = IDLE;
  let term: Term | null = null;

  async function run(signal: AbortSignal): Promise<void> {
    await sweep();
    let takeOver = options.takeOver;
    let failures = 0;
    while (!signal.aborted) {
      const elected = await standBy(takeOver, signal).catch((error: unknown) => {
        if (signal.aborted) return null;
        throw error;
      });
      if (elected === null) return;
      takeOver = false;
      const startedAt = clock.monotonicMs();
      const end = await hold(elected, signal);
      if (end.kind === "stopped") return;
      status = { ...IDLE, why: `stepped down: ${end.kind}` };
      failures = end.kind !== "failed" ? 0 : clock.monotonicMs() - startedAt > LONGEST_WAIT_MS ? 1 : failures + 1;
      if (end.kind === "failed") await waitBefore(failures, end.why, signal);
    }
  }

  async function standBy(takeOver: boolean, signal: AbortSignal): Promise<Elected> {
    let told = "";
    const elected = await becomeHead(
      {
        files,
        owner,
        times,
        takeOver,
        isGone,
        remember: (claim, before) => rememberClaim(stateDir, claim, before),
        onStandBy: ({ why }, sight) => {
          const text = standByText(why, sight.beat?.owner.host ?? null);
          status = { ...IDLE, why: text };
          if (text !== told) log.info({ why, epoch: sight.beat?.epoch ?? null, silent_ms: Math.round(sight.silentMs) }, "standing by");
          told = text;
        },
        clock,
        log,
      },
      signal,
    );
    log.info({ epoch: elected.epoch, why: elected.why }, "this agent is head now");
    return elected;
  }

  async function hold(elected: Elected, signal: AbortSignal): Promise<TermEnd> {
    const { epoch } = elected;
    const beating = startBeating({ files, cluster, owner, epoch, times, clock, log });
    const current: Term = { elected, beating, ray: null };
    term = current;
    status = { ...IDLE, state: "starting", epoch, why: "starting Ray" };
    const over = new AbortController();
    const lost = beating.ended.then((why): TermEnd => ({ kind: why }));
    const stopped = untilAborted(signal).then((): TermEnd => ({ kind: "stopped" }));
    const leading = lead(current, AbortSignal.any([signal, over.signal])).then(
      (why): TermEnd => ({ kind: "failed", why: why ?? "it was stopped" }),
      (error: unknown): TermEnd => ({ kind: "failed", why: error instanceof Error ? error.message : String(error) }),
    );
    const first = await Promise.race([lost, stopped, leading]);
    const end: TermEnd = signal.aborted ? { kind: "stopped" } : first;
    over.abort(new Error("this term is over"));
    status = { ...status, state: "stepping_down", why: end.kind };
    log[end.kind === "stopped" ? "info" : "warn"]({ epoch, why: end.kind }, "this agent is head no more");
    await stepDown(current, leading, end);
    return end;
  }

  /** Ray first, then the word that it is gone. */
  async function stepDown({ elected, beating, ray }: Term, leading: Promise<unknown>, end: TermEnd): Promise<void> {
    let isDead = false;
    try {
      await ray?.stop();
      await leading;
      await sweep();
      isDead = true;
    } finally {
      term = null;
      await beating.stop(isDead && (end.kind === "stopped" || end.kind === "failed"));
    }
    if (end.kind !== "superseded" && end.kind !== "fenced") return;
    await files
      .end(elected.epoch, owner)
      .catch((error: unknown) => log.warn({ err: error }, "that this epoch has ended could not be written"));
  }

  /** Starts Ray and resolves with the reason once it can't be kept up; null = it was stopped. */
  async function lead(current: Term, signal: AbortSignal): Promise<string | null> {
    const { elected, beating } = current;
    const install = await probeRay(await options.python(), options.parentEnv, signal);
    const memory = planMemory(options.gcs, install, options.gcsDir, cluster, stateFileSystem);
    if (memory.warning !== null) log.warn({ ray_version: install.rayVersion }, memory.warning);
    const onWait = (why: string, leftMs: number): void => {
      status = { ...status, why };
      log.warn({ why, left_ms: Math.round(leftMs) }, "Ray is not started yet");
    };
    await untilMemoryFree({ memory: memory.memory, sight: elected.sight, times, files, isGone, onWait, clock }, signal);
    // Our own claim of this epoch stands among them, too.
    const earlier = readClaims(stateDir).filter((claim) => claim.epoch !== elected.epoch || claim.nonce !== owner.nonce);
    prepareMemory(memory, earlier, elected.before, log);
    const { plan, tokenFile } = await planned(install, memory, signal);
    signal.throwIfAborted();
    const facts = {
      address: plan.address,
      dashboardUrl: plan.dashboardUrl,
      rayVersion: install.rayVersion,
      pythonVersion: install.pythonVersion,
    };
    const ray = startHeadRay({
      planned: plan.planned,
      cluster: options.connect({ baseUrl: plan.dashboardUrl, tokenFile, address: plan.address }),
      times: options.rayTimes,
      beforeRestart: () => putAsideSpoiltMemory(memory.gcs, plan.planned.tempDir, log),
      onSession: (session) => {
        status = { ...status, state: "head", session, address: plan.address, why: "Ray answers" };
        void beating.tell({ ...facts, session });
      },
      clock,
      log,
    });
    current.ray = ray;
    return ray.ended;
  }

  async function planned(
    install: RayInstall,
    memory: MemoryPlan,
    signal: AbortSignal,
  ): Promise<{ plan: HeadPlan; tokenFile: string | null }> {
    const { nodeIp, rayPort, dashboardPort } = options;
    for (const port of [rayPort, dashboardPort]) await untilPortFree(`${nodeIp}:${port}`, signal);
    const tokenFile = install.hasTokenAuth ? await options.tokenFile(signal) : null;
    const dashboardHost = options.dashboardHost ?? (tokenFile === null ? "127.0.0.1" : nodeIp);
    if (tokenFile === null) log.warn({ ray_version: install.rayVersion, dashboard_host: dashboardHost }, openText(install.rayVersion));
    removeTempDir(options.tempRoot, tag);
    const tempDir = makeTempDir(options.tempRoot, tag);
    const logFile = join(stateDir, "ray-head.log");
    rmSync(logFile, { force: true });
    const plan = await planHead({
      ...options,
      install,
      tempDir,
      logFile,
      gcs: memory.gcs,
      tokenFile,
      dashboardHost,
      python: await options.python(),
    });
    return { plan, tokenFile };
  }

  /** A head on this very machine that we took over from needs a moment to step down. */
  async function untilPortFree(address: string, signal: AbortSignal): Promise<void> {
    const since = clock.monotonicMs();
    while (await isPortOpen(address)) {
      status = { ...status, why: `${address} is taken` };
      if (clock.monotonicMs() - since > PORT_MS) throw new Error(`${address} is another program's: give --ray-port or --dashboard-port`);
      await clock.sleep(PORT_LOOK_MS, signal);
    }
  }

  async function waitBefore(failures: number, why: string, signal: AbortSignal): Promise<void> {
    const waitMs = Math.min(FIRST_WAIT_MS * 2 ** (failures - 1), LONGEST_WAIT_MS) * (0.8 + 0.4 * random());
    log.error({ why, wait_ms: Math.round(waitMs) }, "Ray's head can't be kept up: another agent may take over meanwhile");
    status = { ...IDLE, state: "waiting", why };
    await clock.sleep(waitMs, signal).catch(() => undefined);
  }

  /** Whatever an earlier agent of this state directory left. */
  async function sweep(): Promise<void> {
    const killed = await killTagged(tag, clock, SWEEP_MS, new AbortController().signal);
    if (killed > 0) log.warn({ processes: killed }, "ended what was left of an earlier Ray here");
    removeTempDir(options.tempRoot, tag);
  }

  return {
    run,
    status: () => {
      const view = term?.ray?.view();
      return {
        ...status,
        isRayUp: view?.isUp ?? false,
        session: view?.session ?? status.session,
        starts: view?.starts ?? 0,
        unbeatenMs: term === null ? null : Math.round(term.beating.unbeatenMs()),
      };
    },
  };
}

function standByText(why: string, host: string | null): string {
  switch (why) {
    case "beating":
      return `${host ?? "another agent"} is head`;
    case "starting":
      return `${host ?? "another agent"} is about to be head`;
    case "unknown":
      return "the shared storage does not answer";
    default:
      return `head.json is ${why}, and a head that lives would write it again`;
  }
}

function openText(rayVersion: string): string {
  return `Ray ${rayVersion} has no token authentication (2.52 has): whoever reaches its ports runs code as this user, so let only this pool reach them`;
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
