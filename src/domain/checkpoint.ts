/**
 * Which checkpoint of an attempt is whole, from the names and files in its `checkpoints/`: what FSDP in verl 0.5 to 0.9 writes (docs/resume.md).
 * verl writes every rank's files, then the data loader's, then the tracker. Pure.
 */
import type { TaskSpec, Workload } from "./types.ts";

export type CheckpointShape = {
  readonly workload: Workload;
  /** The world size that stands in the file names: all GPUs of the task. */
  readonly ranks: number;
};

/** `cut` = its end is missing; `link` = it lies somewhere else, and is not followed. */
export type FileState = "whole" | "absent" | "empty" | "cut" | "link";

/** The folder of one step; `path` is a file's name, or `actor/` and a file's name. */
export type StepReader = { readonly holds: (name: string) => boolean; readonly file: (path: string) => FileState };

export type Checkpoints = {
  /** The step of the newest complete one; null = there is none. */
  readonly newest: number | null;
  /** Newer ones that were passed over, newest first, each with the reason in words. */
  readonly skipped: readonly { readonly step: number; readonly why: string }[];
};

export type SavedStepState = { readonly step: number; readonly isComplete: boolean };

const STEP = /^global_step_([1-9]\d{0,8})$/;
/** So many broken ones are looked into before it counts as hopeless. */
const MAX_TRIES = 20;
const KINDS = ["model", "optim", "extra_state"] as const;
const PROBLEMS: { readonly [state in Exclude<FileState, "whole">]: string } = {
  absent: "is not there",
  empty: "is empty",
  cut: "is cut short",
  link: "is a link or no file",
};

/** All processes of a task share one world: verl's actors are colocated, one a GPU. */
export function shapeOf({ workload, nnodes, nGpusPerNode }: Pick<TaskSpec, "workload" | "nnodes" | "nGpusPerNode">): CheckpointShape {
  return { workload, ranks: nnodes * nGpusPerNode };
}

/** `only`: no other step is looked at. `tracker` is the text of latest_checkpointed_iteration.txt, or null where it can't be read. */
export function newestCheckpoint(
  names: readonly string[],
  tracker: string | null,
  shape: CheckpointShape,
  open: (step: number) => StepReader,
  only: number | null = null,
): Checkpoints {
  const steps = names.flatMap((name) => stepOf(name) ?? []).toSorted((a, b) => b - a);
  const unfinished = unfinishedAbove(steps, trackedStep(tracker));
  const skipped: { step: number; why: string }[] = [];
  for (const step of steps.filter((one) => only === null || one === only).slice(0, MAX_TRIES)) {
    const why = step > unfinished.step ? unfinished.why : problemOf(open(step), shape);
    if (why === null) return { newest: step, skipped };
    skipped.push({ step, why });
  }
  return { newest: null, skipped };
}

/** All of them, newest first: for what is done to the older ones. */
export function savedSteps(
  names: readonly string[],
  tracker: string | null,
  shape: CheckpointShape,
  open: (step: number) => StepReader,
): readonly SavedStepState[] {
  const steps = names.flatMap((name) => stepOf(name) ?? []).toSorted((a, b) => b - a);
  const unfinished = unfinishedAbove(steps, trackedStep(tracker));
  return steps.map((step) => ({ step, isComplete: step <= unfinished.step && problemOf(open(step), shape) === null }));
}

function stepOf(name: string): number | null {
  const match = STEP.exec(name);
  return match === null ? null : Number(match[1]);
}

function trackedStep(tracker: string | null): number | null {
  const text = tracker?.trim() ?? "";
  return /^\d{1,9}$/.test(text) ? Number(text) : null;
}

/** verl writes the tracker last, and in place: a kill can leave it empty. Then only a later folder proves that a step was finished. */
function unfinishedAbove(steps: readonly number[], tracked: number | null): { readonly step: number; readonly why: string } {
  if (tracked !== null) return { step: tracked, why: `was not finished: latest_checkpointed_iteration.txt says ${tracked}` };
  return { step: steps[1] ?? 0, why: "may not be finished: latest_checkpointed_iteration.txt can't be read, and no later step was begun" };
}

function problemOf(step: StepReader, { workload, ranks }: CheckpointShape): string | null {
  const critic = workload === "ppo" || step.holds("critic");
  const parts = workload === "sft" ? [""] : ["actor/", ...(critic ? ["critic/"] : [])];
  for (const part of parts) {
    for (let rank = 0; rank < ranks; rank += 1) {
      for (const kind of KINDS) {
        const path = `${part}${kind}_world_size_${ranks}_rank_${rank}.pt`;
        const state = step.file(path);
        if (state !== "whole") return `${path} ${PROBLEMS[state]}`;
      }
    }
  }
  // Without it verl goes on with a warning; broken, verl would fail.
  const loader = workload === "sft" ? "data_0.pt" : "data.pt";
  const state = step.file(loader);
  return state === "whole" || state === "absent" ? null : `${loader} ${PROBLEMS[state]}`;
}
