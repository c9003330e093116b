/** What use cases read of shared storage beside the files of a live attempt. Adapters in storage/ implement these. */
import type { Catalog } from "../domain/catalog.ts";
import type { Diagnosis } from "../domain/diagnosis/diagnose.ts";
import type { FileTime } from "../domain/insight/pace.ts";
import type { PathCheck, TrainingInputs } from "../domain/preflight.ts";
import type { TaskSpec } from "../domain/types.ts";
import type { LogRange } from "./ports.ts";

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
