/** The GPUs of this machine, as nvidia-smi tells: how many, how busy, and whether they are ill. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { GpuUsage } from "../domain/node-record.ts";

const run = promisify(execFile);

/** A driver in trouble makes nvidia-smi hang for good. */
const TIMEOUT_MS = 15_000;

const GPU_FIELDS = "index,uuid,name,utilization.gpu,memory.used,memory.total,ecc.errors.uncorrected.volatile.total";

export type GpuSurvey = {
  readonly usage: readonly GpuUsage[];
  /** Processes that hold a GPU, as the driver counts pids. */
  readonly busyPids: readonly number[];
  /** Uncorrected memory errors since the driver was loaded, by UUID; only where there are some. */
  readonly eccErrors: ReadonlyMap<string, number>;
};

export type GpuReading =
  | { readonly kind: "ok"; readonly survey: GpuSurvey }
  /** There is no nvidia-smi: a machine without GPUs, or a container without the driver's tools. */
  | { readonly kind: "absent" }
  /** It is there, and failed or hung. */
  | { readonly kind: "failed"; readonly error: string };

/** Never rejects but with the reason of `signal`. `env` needs PATH. */
export async function readGpus(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<GpuReading> {
  const options = { env, signal, timeout: TIMEOUT_MS, killSignal: "SIGKILL" as const };
  try {
    const gpus = await run("nvidia-smi", [`--query-gpu=${GPU_FIELDS}`, "--format=csv,noheader,nounits"], options);
    const apps = await run("nvidia-smi", ["--query-compute-apps=pid", "--format=csv,noheader,nounits"], options);
    return { kind: "ok", survey: parseSurvey(gpus.stdout, apps.stdout) };
  } catch (error) {
    signal.throwIfAborted();
    const { code, killed, stdout, message } = error as Error & { code?: unknown; killed?: boolean; stdout?: string };
    if (code === "ENOENT") return { kind: "absent" };
    if (killed === true) return { kind: "failed", error: `nvidia-smi did not end within ${TIMEOUT_MS / 1000} s` };
    return { kind: "failed", error: stdout?.trim().split("\n")[0] || message };
  }
}

/** The csv of both queries. A field that the driver does not know is `[N/A]` or the like. */
export function parseSurvey(gpus: string, apps: string): GpuSurvey {
  const usage: GpuUsage[] = [];
  const eccErrors = new Map<string, number>();
  for (const line of gpus.split("\n")) {
    const [index, uuid, name, utilization, used, total, ecc] = line.split(",").map((field) => field.trim());
    if (index === undefined || uuid === undefined || uuid === "") continue;
    usage.push({
      index: Number.parseInt(index, 10),
      uuid,
      name: name ?? "",
      utilizationPercent: numberOf(utilization),
      memoryUsedMib: numberOf(used),
      memoryTotalMib: numberOf(total),
    });
    const errors = numberOf(ecc) ?? 0;
    if (errors > 0) eccErrors.set(uuid, errors);
  }
  const busyPids = [...new Set(apps.split("\n").flatMap((line) => numberOf(line.trim()) ?? []))];
  return { usage, busyPids, eccErrors };
}

function numberOf(text: string | undefined): number | null {
  return text !== undefined && /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : null;
}

/**
 * Xids after which a GPU needs a reset or a repair (docs.nvidia.com, "XID Errors": memory, bus, firmware); 13, 31 and 43 are an application's own and
 * are left out.
 */
const HARDWARE_XIDS: ReadonlySet<number> = new Set([46, 48, 62, 63, 64, 74, 79, 92, 94, 95, 119, 120, 123, 140]);

export type Xid = { readonly xid: number; readonly bus: string };

/** Hardware Xids in the kernel's log, as `dmesg` prints it, no older than `withinS` seconds before `uptimeS`. */
export function parseXids(dmesg: string, uptimeS: number, withinS: number): readonly Xid[] {
  return dmesg.split("\n").flatMap((line) => {
    const [, at, bus, xid] = /^(?:<\d+>)?\[\s*(\d+(?:\.\d+)?)\] NVRM: Xid \((?:PCI:)?([^)]*)\): (\d+)/.exec(line) ?? [];
    if (at === undefined || bus === undefined || !HARDWARE_XIDS.has(Number(xid))) return [];
    return uptimeS - Number(at) <= withinS ? [{ xid: Number(xid), bus }] : [];
  });
}

/** The kernel's log; null where this user may not read it. */
export async function readKernelLog(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<string | null> {
  try {
    return (await run("dmesg", ["--raw"], { env, signal, timeout: TIMEOUT_MS, maxBuffer: 16 << 20 })).stdout;
  } catch {
    signal.throwIfAborted();
    return null;
  }
}
