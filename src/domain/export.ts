/** A task that merges a checkpoint into a Hugging Face folder instead of training (ADR 6): what it needs, and where it writes. Pure. */
import type { Free } from "./capacity.ts";
import { jobDir } from "./storage-layout.ts";
import type { Needs, Placement, SavedStep, Task, TaskState, Workload } from "./types.ts";
import type { Setting } from "./verl/profile.ts";

/** One driver on one worker: no GPU, and, as for every driver, no CPU of Ray's count. */
export const EXPORT_NEEDS: Needs = { nodes: 1, gpusPerNode: 0, cpusPerNode: 0 };

export type ExportAnswer = SavedStep & {
  /** Canonical folder, there now or once the task has SUCCEEDED. */
  readonly location: string;
  /** The task that makes it; null = it is there. */
  readonly task: { readonly taskId: string; readonly state: TaskState } | null;
  /** Newer checkpoints that were passed over, in words. */
  readonly notes: readonly string[];
};

export function isExport(task: Pick<Task, "exportOf">): boolean {
  return task.exportOf !== null;
}

/** The open node on which the least is going on; null = none is open. Ray itself decides where the driver goes. */
export function placeExport(free: readonly Free[]): Placement | null {
  const [best] = free
    .filter((node) => node.total.closed === null)
    .toSorted((a, b) => b.idle.gpus - a.idle.gpus || b.idle.cpus - a.idle.cpus || a.node.localeCompare(b.node));
  return best === undefined ? null : [{ node: best.node, gpus: 0, cpus: 0 }];
}

/** Canonical. What is merged: the policy. A critic is no language model, and is not exported. */
export function exportSource(userId: string, { submissionId, step }: SavedStep, workload: Workload): string {
  return `${jobDir(userId, submissionId)}/checkpoints/global_step_${step}${workload === "sft" ? "" : "/actor"}`;
}

/** Canonical; below the directory of the attempt that saved the checkpoint. */
export function exportTarget(userId: string, { submissionId, step }: SavedStep): string {
  return `${jobDir(userId, submissionId)}/export/${exportFolder(step)}`;
}

export function exportFolder(step: number): string {
  return `step_${step}`;
}

/** verl names the engine in one of these, by trainer and release; each but megatron saves what its FSDP merger reads. */
const ENGINE_KEYS = [
  "actor_rollout_ref.actor.strategy",
  "actor_rollout_ref.actor.engine.strategy",
  "engine.strategy",
  "model_engine",
  "engine",
];

export function trainsWithMegatron(settings: { readonly [key: string]: Setting }): boolean {
  return ENGINE_KEYS.some((key) => Object.hasOwn(settings, key) && settings[key] === "megatron");
}
