/** GPUs in few words: how busy each is, and what of its memory is taken. */
import type { GpuUsageWire, TaskWire } from "../../contract/resources.ts";
import { relativeTime } from "../output.ts";
import { visible } from "../visible.ts";

/** A sample is 15 s old at most while the agent beats; an older one says so. */
const FRESH_MS = 60_000;

/** `97 %, 61/80 GiB`; `?` where the driver does not say. */
export function gpuText({ utilization_percent: busy, memory_used_mib: used, memory_total_mib: total }: GpuUsageWire): string {
  return `${busy ?? "?"} %, ${gib(used)}/${gib(total)} GiB`;
}

/** `w1: GPU 0 97 %, 61/80 GiB · GPU 1 95 %, 60/80 GiB` */
export function gpuLine({ node, gpus, gpus_held, shared, sampled_at }: TaskWire["gpu_use"][number], now: number): string {
  const whose = shared ? ` (holds ${gpus_held} of ${gpus.length}; others may use the rest)` : "";
  const old = sampled_at !== null && now - Date.parse(sampled_at) > FRESH_MS ? `, as of ${relativeTime(sampled_at, now)}` : "";
  return visible(`${node}${whose}: ${gpus.map((gpu) => `GPU ${gpu.index} ${gpuText(gpu)}`).join(" · ")}${old}`);
}

/** Of a whole node: the mean of what is known, and memory in all. "" = it has no GPU that is sampled. */
export function gpusText(gpus: readonly GpuUsageWire[]): string {
  if (gpus.length === 0) return "";
  const busy = gpus.flatMap(({ utilization_percent: percent }) => percent ?? []);
  const mean = busy.length === 0 ? null : Math.round(sum(busy) / busy.length);
  const memory = (key: "memory_used_mib" | "memory_total_mib"): number | null =>
    gpus.some((gpu) => gpu[key] === null) ? null : sum(gpus.map((gpu) => gpu[key] ?? 0));
  return `${mean ?? "?"} %, ${gib(memory("memory_used_mib"))}/${gib(memory("memory_total_mib"))} GiB`;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, one) => all + one, 0);
}

function gib(mib: number | null): string {
  return mib === null ? "?" : String(Math.round(mib / 1024));
}
