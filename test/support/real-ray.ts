/** A real Ray for tests, started by our own local pool from an environment that a variable names. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock, Log } from "../../src/control/ports.ts";
import { headFiles, ownTrust } from "../../src/main/agent/head-files.ts";
import { type LocalPool, startLocalPool } from "../../src/pool/local-pool.ts";
import type { LocalPoolOptions } from "../../src/pool/pool-options.ts";
import { createRayCluster } from "../../src/ray/cluster-client.ts";
import { createRayHttp } from "../../src/ray/ray-http.ts";
import { discoveryFile } from "../../src/storage/head-file.ts";
import { storageInProcess } from "../../src/storage/storage-client.ts";

export const realClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
};

const PACKAGES = {
  VERLPOOL_TEST_PYTHON: "ray[default]==2.60.0 and verl",
  VERLPOOL_TEST_PYTHON_RAY251: "ray[default]==2.51.1",
  VERLPOOL_TEST_PYTHON_SCHEMATHESIS: "scripts/python/schemathesis.txt",
} as const;

/** The interpreter that `variable` names. Fails, never skips: a test that did not run is no test. */
export function pythonFrom(variable: keyof typeof PACKAGES): string {
  const python = process.env[variable];
  if (python !== undefined && python !== "") return python;
  throw new Error(`${variable} must name the python of a virtual environment with ${PACKAGES[variable]} (scripts/test.ts makes it)`);
}

export type RealRay = {
  readonly pool: LocalPool;
  readonly options: LocalPoolOptions;
  readonly headFile: string;
  readonly warnings: readonly string[];
  /** Stops the pool and removes its directories. */
  readonly close: () => Promise<void>;
};

/** A pool of one worker with 16 logical CPUs and 4 logical GPUs, unless told otherwise. Every warning it logs is kept. */
export async function startRealRay(
  python: string,
  { sharedRoot, ...over }: Partial<LocalPoolOptions> & { readonly sharedRoot?: string } = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<RealRay> {
  const root = mkdtempSync(join(tmpdir(), "real-ray-"));
  const shared = sharedRoot ?? root;
  const warnings: string[] = [];
  const log: Log = {
    debug: () => undefined,
    info: () => undefined,
    warn: (_, msg) => void warnings.push(msg),
    error: (_, msg) => void warnings.push(msg),
  };
  const closers: (() => Promise<void>)[] = [];
  const options: LocalPoolOptions = {
    cluster: "local",
    headFiles: headFiles(storageInProcess({ sharedRoot: shared, allowedSymlinkTargets: [] }).call, "local", ownTrust(null), realClock),
    stateDir: join(root, "state"),
    python,
    tempRoot: "/tmp",
    shape: { workers: 1, gpusPerWorker: 4, cpusPerWorker: 16, gpuDevices: [], objectStoreBytes: 80_000_000 },
    containment: null,
    parentEnv: process.env,
    extraEnv: {},
    drainMs: 20_000,
    startTimeoutMs: 240_000,
    connect: ({ baseUrl, tokenFile, address }) => {
      const http = createRayHttp({ baseUrl: () => baseUrl, tokenFile: () => tokenFile });
      closers.push(http.close);
      return createRayCluster(
        http,
        () => address,
        () => baseUrl,
      );
    },
    onProcesses: () => undefined,
    clock: realClock,
    ids: { hex: (bytes) => randomBytes(bytes).toString("hex") },
    log,
    ...over,
  };
  const close = async () => {
    for (const closer of closers) await closer();
    rmSync(root, { recursive: true, force: true });
  };
  try {
    const pool = await startLocalPool(options, signal);
    return {
      pool,
      options,
      headFile: discoveryFile(shared, "local", "head.json"),
      warnings,
      close: async () => {
        await pool.stop();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
