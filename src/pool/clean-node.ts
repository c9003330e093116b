/** What must hold of a node before a task is launched on it; everything that does not is told in words (docs/pool.md). Pure. */
import type { NodeWhy } from "../domain/node-record.ts";
import type { GpuReading, Xid } from "./gpus.ts";

export type NodeFacts = {
  readonly gpus: GpuReading;
  readonly xids: readonly Xid[];
  readonly attempts: number;
  readonly shmFreeBytes: number | null;
  readonly diskFreeBytes: number | null;
  readonly clockOffsetMs: number | null;
};

export type CleanLimits = {
  /** A GPU on which no attempt runs holds less than this: contexts of a display or of a monitor take a few hundred. */
  readonly gpuMemoryMib: number;
  readonly shmBytes: number;
  readonly diskBytes: number;
  readonly clockMs: number;
};

export const CLEAN_LIMITS: CleanLimits = {
  gpuMemoryMib: 1024,
  // NCCL and a DataLoader's workers talk through it; a container's default of 64 MiB ends in a bus error.
  shmBytes: 256 << 20,
  diskBytes: 1 << 30,
  clockMs: 300_000,
};

export function dirtOf(facts: NodeFacts, limits: CleanLimits): readonly NodeWhy[] {
  return [...gpuDirt(facts, limits), ...roomDirt(facts, limits), ...clockDirt(facts, limits)];
}

function gpuDirt({ gpus, xids, attempts }: NodeFacts, limits: CleanLimits): readonly NodeWhy[] {
  const dirt: NodeWhy[] = [];
  if (gpus.kind === "failed")
    dirt.push({ code: "gpu_driver", text: `nvidia-smi fails (${gpus.error}): the driver may need a reload, or the machine a reboot` });
  for (const { xid, bus } of xids.slice(0, 4))
    dirt.push({ code: "gpu_xid", text: `the kernel reported Xid ${xid} of GPU ${bus} in the last 24 h: reset or replace it` });
  if (gpus.kind !== "ok") return dirt;
  for (const [uuid, errors] of gpus.survey.eccErrors)
    dirt.push({
      code: "gpu_ecc",
      text: `${uuid} has ${errors} uncorrected memory errors since its driver was loaded: reset or replace it`,
    });
  if (attempts > 0) return dirt;
  const held = gpus.survey.usage.filter((gpu) => (gpu.memoryUsedMib ?? 0) > limits.gpuMemoryMib);
  for (const gpu of held) {
    const pids = gpus.survey.busyPids.length === 0 ? "" : ` (pids ${gpus.survey.busyPids.slice(0, 8).join(", ")})`;
    dirt.push({
      code: "gpu_memory",
      text: `GPU ${gpu.index} holds ${gpu.memoryUsedMib} MiB though no attempt runs here: end what does${pids}`,
    });
  }
  return dirt;
}

function roomDirt({ shmFreeBytes, diskFreeBytes }: NodeFacts, limits: CleanLimits): readonly NodeWhy[] {
  const dirt: NodeWhy[] = [];
  if (shmFreeBytes !== null && shmFreeBytes < limits.shmBytes)
    dirt.push({ code: "shm_low", text: `/dev/shm has ${mib(shmFreeBytes)} MiB free: start the container with --shm-size, 10 GiB or more` });
  if (diskFreeBytes !== null && diskFreeBytes < limits.diskBytes)
    dirt.push({ code: "disk_low", text: `the disk of Ray's temporary files has ${mib(diskFreeBytes)} MiB free: make room there` });
  return dirt;
}

function clockDirt({ clockOffsetMs }: NodeFacts, limits: CleanLimits): readonly NodeWhy[] {
  if (clockOffsetMs === null || Math.abs(clockOffsetMs) <= limits.clockMs) return [];
  const direction = clockOffsetMs > 0 ? "ahead of" : "behind";
  return [{ code: "clock", text: `its clock is ${Math.round(Math.abs(clockOffsetMs) / 1000)} s ${direction} the storage's: set it (NTP)` }];
}

function mib(bytes: number): number {
  return Math.floor(bytes / 2 ** 20);
}
