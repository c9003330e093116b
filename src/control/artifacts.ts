/** What a task has left on shared storage: checkpoints, and the small files that explain a run. From files alone, so also when Ray is gone. */
import { AppError } from "../domain/app-error.ts";
import {
  type Artifact,
  type ArtifactEntry,
  type ArtifactFiles,
  artifactKind,
  type Artifacts,
  stepOfCheckpoint,
} from "../domain/artifact.ts";
import { shapeOf } from "../domain/checkpoint.ts";
import { jobDir } from "../domain/storage-layout.ts";
import type { Attempt, Task } from "../domain/types.ts";
import type { JobFiles, Store } from "./ports.ts";

/** A larger file is copied from shared storage, not pulled through the API. */
export const MAX_DOWNLOAD_BYTES = 8 * 1024 * 1024;

export type ArtifactDeps = { readonly store: Store; readonly files: Pick<JobFiles, "checkpoints">; readonly artifacts: ArtifactFiles };

/** Newest attempt first; of an attempt first its checkpoints, newest step first, then files by path. */
export async function listArtifacts(deps: ArtifactDeps, task: Task): Promise<Artifacts> {
  const rows: Artifact[] = [];
  const gone: number[] = [];
  let truncated = false;
  for (const attempt of (await deps.store.tasks.attempts(task.taskId)).toReversed()) {
    const listing = await deps.artifacts.list(task.userId, attempt.submissionId);
    if (listing.kind === "gone") gone.push(attempt.attempt);
    else rows.push(...(await artifactsOf(deps, task, attempt, listing.entries)));
    truncated ||= listing.kind === "read" && listing.truncated;
  }
  return { rows, truncated, goneAttempts: gone };
}

async function artifactsOf(
  deps: ArtifactDeps,
  task: Task,
  attempt: Attempt,
  entries: readonly ArtifactEntry[],
): Promise<readonly Artifact[]> {
  const { submissionId } = attempt;
  const hasCheckpoint = entries.some(({ path }) => stepOfCheckpoint(path) !== null);
  const judged = hasCheckpoint ? await deps.files.checkpoints(task.userId, submissionId, shapeOf(task.spec)) : null;
  const verdictOf = (step: number | null): Pick<Artifact, "complete" | "why"> => {
    if (step === null || judged === null || judged.kind === "gone") return { complete: null, why: null };
    if (step === judged.newest) return { complete: true, why: null };
    const skipped = judged.skipped.find((one) => one.step === step);
    return skipped === undefined ? { complete: null, why: null } : { complete: false, why: skipped.why };
  };
  const rows = entries.map((entry): Artifact => {
    const step = stepOfCheckpoint(entry.path);
    return {
      ...entry,
      ...verdictOf(step),
      attempt: attempt.attempt,
      submissionId,
      kind: artifactKind(entry.path),
      id: `${attemptName(attempt.attempt)}/${entry.path}`,
      location: `${jobDir(task.userId, submissionId)}/${entry.path}`,
      step,
      isDownloadable: !entry.isDirectory && entry.bytes <= MAX_DOWNLOAD_BYTES,
    };
  });
  const rank = (row: Artifact): number => (row.step === null ? Infinity : -row.step);
  return rows.toSorted((a, b) => rank(a) - rank(b) || (a.path < b.path ? -1 : 1));
}

/** `a01`, `a100`: as in submission ids. */
function attemptName(attempt: number): string {
  return `a${String(attempt).padStart(2, "0")}`;
}

const ID = /^a(\d{2,6})\/(.+)$/s;

/** One small file, or with `offset` a part of any. Throws not_found for what is not there, bad_parameter for what can't be sent. */
export async function readArtifact(
  deps: ArtifactDeps,
  task: Task,
  id: string,
  offset: number | null = null,
): Promise<{ readonly name: string; readonly bytes: Uint8Array }> {
  const match = ID.exec(id);
  const attempt = (await deps.store.tasks.attempts(task.taskId)).find((one) => one.attempt === Number(match?.[1]));
  const path = match?.[2] ?? "";
  if (attempt === undefined || artifactKind(path) === "other")
    throw new AppError("not_found", `the task has no artifact ${JSON.stringify(id)}`);
  const read = await deps.artifacts.read(task.userId, attempt.submissionId, path, MAX_DOWNLOAD_BYTES, offset);
  const location = `${jobDir(task.userId, attempt.submissionId)}/${path}`;
  switch (read.kind) {
    case "read":
      return { name: path.split("/").at(-1) ?? "artifact", bytes: read.bytes };
    case "absent":
      throw new AppError("not_found", `the task has no artifact ${JSON.stringify(id)}`);
    case "directory":
      throw new AppError("bad_parameter", `${id} is a folder; it lies at ${location}`);
    case "too_large":
      throw new AppError(
        "bad_parameter",
        `${id} has ${read.size} bytes, the most sent at once is ${MAX_DOWNLOAD_BYTES}; ask for parts with offset, or copy it from ${location}`,
      );
  }
}
