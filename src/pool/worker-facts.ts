/** What a node is worth and whether it is clean, sampled every 15 s. */
import { statfsSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { Clock } from "../control/ports.ts";
import type { NodeWhy } from "../domain/node-record.ts";
import { dirtOf } from "./clean-node.ts";
import { type GpuReading, parseXids, readGpus, readKernelLog, type Xid } from "./gpus.ts";
import type { WorkerOptions } from "./worker-options.ts";

export const SAMPLE_MS = 15_000;

export type WorkerFacts = {
  readonly gpus: GpuReading;
  readonly sampledAt: string | null;
  readonly shape: { readonly gpus: number; readonly cpus: number };
  readonly shmFreeBytes: number | null;
  readonly diskFreeBytes: number | null;
  readonly dirt: readonly NodeWhy[];
};

const DAY_S = 86_400;
/** One sample may fall into the moment in which an attempt's processes let go of their GPUs. */
const SURE_AFTER = 2;

export type FactsSampler = {
  readonly facts: () => WorkerFacts;
  /** Never rejects but with the reason of `signal`. */
  readonly sample: (attempts: number, clockOffsetMs: number | null, signal: AbortSignal) => Promise<void>;
};

export function createFactsSampler(
  options: Pick<WorkerOptions, "gpus" | "cpus" | "limits" | "tempDir" | "parentEnv" | "bootMs"> & { readonly clock: Clock },
): FactsSampler {
  let facts: WorkerFacts = {
    gpus: { kind: "absent" },
    sampledAt: null,
    shape: shapeOf(options, { kind: "absent" }),
    shmFreeBytes: null,
    diskFreeBytes: null,
    dirt: [],
  };
  const seen = new Map<string, number>();

  async function sample(attempts: number, clockOffsetMs: number | null, signal: AbortSignal): Promise<void> {
    const env = { PATH: options.parentEnv["PATH"] ?? "/usr/local/bin:/usr/bin:/bin" };
    const gpus = await readGpus(env, signal);
    const xids: readonly Xid[] =
      gpus.kind === "absent" ? [] : parseXids((await readKernelLog(env, signal)) ?? "", options.bootMs() / 1000, DAY_S);
    const shmFreeBytes = freeBytes("/dev/shm");
    const diskFreeBytes = freeBytes(options.tempDir);
    const isFirst = facts.sampledAt === null;
    const found = dirtOf({ gpus, xids, attempts, shmFreeBytes, diskFreeBytes, clockOffsetMs }, options.limits);
    for (const code of seen.keys()) if (!found.some((one) => one.code === code)) seen.delete(code);
    for (const code of new Set(found.map((one) => one.code))) seen.set(code, (seen.get(code) ?? 0) + 1);
    facts = {
      gpus,
      sampledAt: new Date(options.clock.now()).toISOString(),
      // A driver that fails now does not make the GPUs fewer than they were.
      shape: gpus.kind === "failed" && !isFirst ? facts.shape : shapeOf(options, gpus),
      shmFreeBytes,
      diskFreeBytes,
      dirt: found.filter((one) => isFirst || (seen.get(one.code) ?? 0) >= SURE_AFTER),
    };
  }

  return { facts: () => facts, sample };
}

function shapeOf({ gpus, cpus, parentEnv }: Pick<WorkerOptions, "gpus" | "cpus" | "parentEnv">, reading: GpuReading): WorkerFacts["shape"] {
  const visible = parentEnv["CUDA_VISIBLE_DEVICES"];
  const found = reading.kind === "ok" ? reading.survey.usage.length : 0;
  const allowed =
    visible === undefined ? found : visible.split(",").filter((device) => device.trim() !== "" && device.trim() !== "-1").length;
  const total = gpus ?? Math.min(found, allowed);
  return { gpus: total, cpus: cpus ?? Math.max(availableParallelism(), 12 * total) };
}

function freeBytes(path: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    return null;
  }
}
