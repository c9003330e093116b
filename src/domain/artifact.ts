/** What of a job directory is an artifact: all that its run wrote or was given, but not the platform's own control files. Pure. */

export type ArtifactEntry = {
  /** Below the job directory: `checkpoints/global_step_12`, `config/argv.json`. */
  readonly path: string;
  readonly isDirectory: boolean;
  /** Of a checkpoint's folder: all of its files. */
  readonly bytes: number;
  readonly files: number;
  /** Epoch ms. */
  readonly modifiedAt: number;
};

export type ArtifactKind = "checkpoint" | "export" | "config" | "log" | "metrics" | "debug" | "result" | "other";

export type ArtifactListing =
  /** `truncated`: there are more entries than one answer holds. */
  { readonly kind: "read"; readonly entries: readonly ArtifactEntry[]; readonly truncated: boolean } | { readonly kind: "gone" };

export type ArtifactRead =
  | { readonly kind: "read"; readonly bytes: Uint8Array }
  | { readonly kind: "absent" }
  | { readonly kind: "directory" }
  | { readonly kind: "too_large"; readonly size: number };

/** The files of a job that are its user's to see; each call throws StorageTrouble. */
export type ArtifactFiles = {
  readonly list: (userId: string, submissionId: string) => Promise<ArtifactListing>;
  /** Whether that step of the attempt was merged into a Hugging Face folder. */
  readonly hasExport: (userId: string, submissionId: string, step: number) => Promise<boolean>;
  /** With `offset` the part from there on, at most `maxBytes`; without it the whole file, or too_large. */
  readonly read: (userId: string, submissionId: string, path: string, maxBytes: number, offset: number | null) => Promise<ArtifactRead>;
};

export type Artifact = ArtifactEntry & {
  readonly attempt: number;
  readonly submissionId: string;
  readonly kind: ArtifactKind;
  /** `a01/config/argv.json`: unique in the task, and what a download names. */
  readonly id: string;
  /** Canonical. */
  readonly location: string;
  /** Of a checkpoint. */
  readonly step: number | null;
  /** Whether a resume could use the checkpoint: known for the newest complete one and those after it. */
  readonly complete: boolean | null;
  readonly why: string | null;
  readonly isDownloadable: boolean;
};

export type Artifacts = { readonly rows: readonly Artifact[]; readonly truncated: boolean; readonly goneAttempts: readonly number[] };

const STEP_FOLDER = /^checkpoints\/global_step_(\d{1,9})$/;

const KINDS: { readonly [folder: string]: ArtifactKind } = {
  checkpoints: "checkpoint",
  export: "export",
  config: "config",
  logs: "log",
  debug: "debug",
};

/** Where artifacts lie in a job directory. */
export const ARTIFACT_FOLDERS: readonly string[] = Object.keys(KINDS);
export const RESULT_FILE = "result.json";

/** `other` = no artifact. */
export function artifactKind(path: string): ArtifactKind {
  if (path === RESULT_FILE) return "result";
  if (path === "logs/metrics.jsonl") return "metrics";
  const [folder = "", ...rest] = path.split("/");
  return rest.length > 0 && Object.hasOwn(KINDS, folder) ? (KINDS[folder] ?? "other") : "other";
}

/** Null for what is no folder of a step. */
export function stepOfCheckpoint(path: string): number | null {
  const match = STEP_FOLDER.exec(path);
  return match === null ? null : Number(match[1]);
}
