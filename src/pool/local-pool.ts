/** A whole Ray pool on this machine: a head without CPUs and GPUs, and workers with logical ones, as `verlpool up` starts it. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { headTimes, type HeadSight } from "../domain/head-watch.ts";
import { becomeHead } from "./head-election.ts";
import { isProvenGone, readClaims, rememberClaim, thisOwner } from "./head-owner.ts";
import { lockPool } from "./pool-lock.ts";
import type { LocalPoolOptions, PoolDescription, PoolEnd } from "./pool-options.ts";
import { planPool } from "./pool-plan.ts";
import { type Containment, probeContainment, probeRay, type RayInstall } from "./ray-install.ts";
import { bringUp, createRunningPool, describePool, type PreparedPool, takeDown, watchPool } from "./running-pool.ts";
import { SWEEP_MS } from "./supervised-ray.ts";
import { killTagged } from "./tagged-processes.ts";
import { makeTempDir, removeTempDir } from "./temp-dir.ts";
import { ensureTokenFile } from "./token-file.ts";

export type LocalPool = {
  readonly describe: () => PoolDescription;
  /** Ends launchers gently, then everything; leaves no process and no temp directory. May be called more than once. */
  readonly stop: () => Promise<void>;
  /** Resolves after everything is down, whether asked for or not. Nodes that end by themselves are started again and don't end the pool. */
  readonly exited: Promise<PoolEnd>;
};

/** Resolves when the head answers, all workers are ALIVE and head.json stands. When it rejects (also by `signal`), everything is down again. */
export async function startLocalPool(options: LocalPoolOptions, signal: AbortSignal): Promise<LocalPool> {
  if (process.platform !== "linux") throw new Error("a pool of Ray nodes needs Linux: run `verlpool up` in a Linux machine or container");
  const lock = await lockPool(options.stateDir);
  if (lock === null) throw new Error(`a pool runs on ${options.stateDir} already: stop it with \`verlpool down\`, or use another root`);
  let prepared: PreparedPool;
  try {
    prepared = await preparePool(options, lock.id, signal);
  } catch (error) {
    removeTempDir(options.tempRoot, lock.id);
    await lock.release();
    throw error;
  }
  const pool = createRunningPool(options, prepared, lock);
  try {
    await bringUp(pool, signal);
  } catch (error) {
    await takeDown(pool);
    throw error;
  }
  return { describe: () => describePool(pool), stop: () => takeDown(pool), exited: watchPool(pool) };
}

/** Ends what a pool on `stateDir` left behind when it was killed; resolves with how many processes that were. Throws while the pool runs. */
export async function endLeftoverPool(
  options: Pick<LocalPoolOptions, "stateDir" | "tempRoot" | "clock">,
  signal: AbortSignal,
): Promise<number> {
  const lock = await lockPool(options.stateDir);
  if (lock === null) throw new Error(`the pool on ${options.stateDir} is run by a living process: stop that one`);
  try {
    const killed = await killTagged(lock.id, options.clock, SWEEP_MS, signal);
    removeTempDir(options.tempRoot, lock.id);
    return killed;
  } finally {
    await lock.release();
  }
}

async function preparePool(options: LocalPoolOptions, poolId: string, signal: AbortSignal): Promise<PreparedPool> {
  const { stateDir, clock, python, parentEnv, extraEnv, shape, log } = options;
  const [install, containment] = await Promise.all([probeRay(python, parentEnv, signal), options.containment ?? probeContainment(signal)]);
  const leftovers = await killTagged(poolId, clock, SWEEP_MS, signal);
  if (leftovers > 0) log.warn({ processes: leftovers }, "ended what an earlier pool on this state directory left behind");
  removeTempDir(options.tempRoot, poolId);
  const gcsDir = join(stateDir, "gcs", options.cluster);
  const logDir = join(stateDir, "logs");
  // With every process of the last pool dead, its GCS would only show dead nodes as living; it serves a head that comes back to living workers.
  for (const dir of [gcsDir, logDir]) rmSync(dir, { recursive: true, force: true });
  for (const dir of [gcsDir, logDir]) mkdirSync(dir, { recursive: true, mode: 0o700 });
  const tokenFile = install.hasTokenAuth ? ensureTokenFile(join(stateDir, "ray-token"), options.ids) : null;
  const tempDir = makeTempDir(options.tempRoot, poolId);
  const plan = await planPool({ poolId, python, parentEnv, extraEnv, install, containment, tempDir, logDir, gcsDir, tokenFile, shape });
  const owner = thisOwner(options.ids.hex(8));
  const { epoch } = await becomeHead(
    {
      files: options.headFiles,
      owner,
      times: headTimes(false),
      takeOver: false,
      isGone: (other) => isProvenGone(other, readClaims(stateDir)),
      remember: (claim, before) => rememberClaim(stateDir, claim, before),
      onStandBy: refuseLivingHead(),
      clock,
      log,
    },
    signal,
  );
  const warnings = warningsOf(install, containment);
  for (const warning of warnings) log.warn({ ray_version: install.rayVersion, containment }, warning);
  return { install, containment, plan, tokenFile, owner, epoch, warnings };
}

/** A local pool does not stand by: throws once the other head is seen to beat. */
function refuseLivingHead(): (_: unknown, sight: HeadSight) => void {
  let first: string | null = null;
  return (_, { beat, head }) => {
    if (beat === null) return;
    const seen = `${beat.epoch}/${beat.seq}`;
    first ??= seen;
    if (seen === first) return;
    throw new Error(
      `${beat.owner.host} is the head of cluster ${beat.cluster} already (${head?.dashboardUrl ?? "still starting"}): stop it there first, or use another root`,
    );
  };
}

function warningsOf(install: RayInstall, containment: Containment): readonly string[] {
  const { rayVersion } = install;
  const warnings: string[] = [];
  if (!install.hasTokenAuth)
    warnings.push(`Ray ${rayVersion} has no token authentication (2.52 has): whoever reaches this machine's ports can run code as you.`);
  if (!install.hasDurableGcs)
    warnings.push(
      `Ray ${rayVersion} has no durable GCS storage (2.60 has): a killed head forgets its jobs, and running attempts are lost.`,
    );
  if (containment === "none")
    warnings.push(
      "This user may not make PID namespaces: job logs in Ray can be incomplete, and orphans are found by their environment only.",
    );
  return warnings;
}
