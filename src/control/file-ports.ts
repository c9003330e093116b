/** What use cases read of shared storage beside the files of a live attempt. Adapters in storage/ implement these. */
import type { Catalog } from "../domain/catalog.ts";
import type { CheckpointShape, SavedStepState } from "../domain/checkpoint.ts";
import type { Diagnosis } from "../domain/diagnosis/diagnose.ts";
import type { FileTime } from "../domain/insight/pace.ts";
import type { PathCheck, TrainingInputs } from "../domain/preflight.ts";
import type { Task, TaskSpec } from "../domain/types.ts";
import type { ChangeOutcome, LogRange, TaskChange } from "./ports.ts";

/** `marks`: for each line in `bytes` its place in the file and its length, one after another. */
export type LogScan = LogRange & { readonly marks: readonly number[] };

export type LogPlace = { readonly start: number; readonly size: number };

/** What logs tell beyond their bytes; every call has a deadline and throws StorageTrouble. A missing log is an empty one. */
export type LogFiles = {
  /** Where the last lines begin, or what was written after an instant (`since`, epoch ms; to 5 s, and rather too early than too late). */
  readonly seek: (
    userId: string,
    submissionId: string,
    from: { readonly lines: number; readonly maxBytes: number } | { readonly since: number },
  ) => Promise<LogPlace>;
  /** Lines that match `pattern` (domain/line-pattern.ts) from `offset` on, at most 1 MiB of them; one call reads a bounded part. Go on at `end`. */
  readonly scan: (
    userId: string,
    submissionId: string,
    request: { readonly pattern: string; readonly offset: number; readonly maxLines: number; readonly lastLine: boolean },
  ) => Promise<LogScan>;
  /** How far the files had grown when, newest last; [] where no launcher wrote it. */
  readonly times: (userId: string, submissionId: string) => Promise<readonly FileTime[]>;
  readonly diagnose: (userId: string, submissionId: string, rayMessage: string) => Promise<Diagnosis>;
};

/** Job directories as retention sees them. `isDone` false = one call did its share; ask again. Each call throws StorageTrouble. */
export type RetentionFiles = {
  /** Takes the directory out of its place at once, then removes it piece by piece. Done also where there is none. */
  readonly removeJob: (userId: string, submissionId: string) => Promise<{ readonly isDone: boolean }>;
  /** Every checkpoint of an attempt, newest first, with whether a resume could use it. */
  readonly savedSteps: (userId: string, submissionId: string, shape: CheckpointShape) => Promise<readonly SavedStepState[]>;
  /** Takes these checkpoints out of their places; `clearSteps` then removes what lies there piece by piece. */
  readonly dropSteps: (userId: string, submissionId: string, steps: readonly number[]) => Promise<void>;
  readonly clearSteps: (userId: string, submissionId: string) => Promise<{ readonly isDone: boolean }>;
  readonly users: () => Promise<readonly string[]>;
  /** Names in a user's job directory, whatever they are. */
  readonly jobNames: (userId: string) => Promise<readonly string[]>;
  /** Bytes below one of these names, links not followed. */
  readonly jobBytes: (userId: string, name: string) => Promise<number>;
};

/** What retention reads and writes of the database; at most `limit` tasks a call, those that ended first first. */
export type RetentionStore = {
  /** Ended before then, with files, not kept, and no retry with files of its own may go on from them. */
  readonly withOldFiles: (endedBefore: number, limit: number) => Promise<readonly Task[]>;
  /** Ended before then, with files, not kept, and all its checkpoints still there. */
  readonly withOldCheckpoints: (endedBefore: number, limit: number) => Promise<readonly Task[]>;
  /** Whose files or checkpoints were given up, and are not all removed yet. */
  readonly toClear: (limit: number) => Promise<readonly Task[]>;
  /** `stale` also where the task was kept, or a retry of it came, in the meantime. The change must set `filesGoneAt`. */
  readonly giveUpFiles: (change: TaskChange) => Promise<ChangeOutcome>;
  readonly giveUpCheckpoints: (change: TaskChange) => Promise<ChangeOutcome>;
  readonly cleared: (taskId: string) => Promise<void>;
  readonly setUse: (userId: string, bytes: number, at: number) => Promise<void>;
  /** Null = not measured yet. */
  readonly use: (userId: string) => Promise<{ readonly bytes: number; readonly at: number } | null>;
};

/** What stands under /private/common, looked at when a task is submitted. Paths are canonical. */
export type CommonFiles = {
  readonly check: (path: string, expect: "file" | "directory") => Promise<PathCheck>;
  /** The text of `verl/version/version` under a code tree; null = not there. */
  readonly verlVersion: (codePath: string) => Promise<string | null>;
  /** Rejects with StorageTrouble. */
  readonly catalog: () => Promise<Catalog>;
  /** `unknown`: storage did not answer in time; why. */
  readonly inputs: (
    paths: Pick<TaskSpec, "codePath" | "modelId" | "trainFile" | "valFile">,
  ) => Promise<TrainingInputs | { readonly unknown: string }>;
  /** Whether hf repo `id` lies in the offline cache; `unknown` where storage does not answer. */
  readonly hasModel: (id: string) => Promise<"there" | "missing" | "unknown">;
};
