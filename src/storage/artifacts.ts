/** Artifacts of a job, through directories held open: its job owns these names, and a link among them leads nobody astray. Synchronous. */
import { lstatSync, opendirSync, readdirSync, type Stats } from "node:fs";
import {
  ARTIFACT_FOLDERS,
  type ArtifactEntry,
  type ArtifactFiles,
  type ArtifactListing,
  type ArtifactRead,
  RESULT_FILE,
  stepOfCheckpoint,
} from "../domain/artifact.ts";
import { jobParts } from "./attempt-directory.ts";
import { type OpenDirectory, withDirectory, within } from "./open-directory.ts";
import { readAt, withOwnFile } from "./regular-file.ts";
import type { CallStorage } from "./storage-client.ts";
import { errorCode } from "./trouble.ts";

/** One answer holds no more; a run that writes more files than this into debug/ is looked at with `ls`. */
const MAX_ENTRIES = 1_000;
/** Files counted in one checkpoint: 3 a rank, and their folders. */
const MAX_COUNTED = 20_000;
const MAX_DEPTH = 4;

export function artifactFiles(call: CallStorage): ArtifactFiles {
  return {
    list: (userId, submissionId) => call("listArtifacts", { userId, submissionId }),
    hasExport: (userId, submissionId, step) => call("hasExport", { userId, submissionId, step }),
    read: (userId, submissionId, path, maxBytes, offset) => call("readArtifact", { userId, submissionId, path, maxBytes, offset }),
  };
}

export function listJobArtifacts(root: string, userId: string, submissionId: string): ArtifactListing {
  return withDirectory(root, jobParts(userId, submissionId).slice(0, -1), (jobs): ArtifactListing => {
    // Listing first makes a network file system forget that it cached "not found".
    if (!readdirSync(jobs.at(".")).includes(submissionId)) return { kind: "gone" };
    return within(jobs, submissionId, (job) => {
      const entries: ArtifactEntry[] = [];
      const names = new Set(readdirSync(job.at(".")));
      if (names.has(RESULT_FILE)) addFile(job, RESULT_FILE, "", entries);
      for (const folder of ARTIFACT_FOLDERS) if (names.has(folder)) walk(job, folder, "", 1, entries);
      return { kind: "read", entries: entries.slice(0, MAX_ENTRIES), truncated: entries.length > MAX_ENTRIES };
    });
  });
}

/** Links, sockets and devices are left out: nobody is sent to where a job's names lead. */
function walk(parent: OpenDirectory, name: string, above: string, depth: number, entries: ArtifactEntry[]): void {
  const path = above === "" ? name : `${above}/${name}`;
  entered(parent, name, (directory) => {
    for (const [child, stats] of statsIn(directory)) {
      // An export that is being written, a checkpoint that is being removed.
      if ((path === "export" || path === "checkpoints") && child.startsWith(".")) continue;
      if (entries.length > MAX_ENTRIES) return;
      const childPath = `${path}/${child}`;
      if (stats.isFile()) entries.push(entry(childPath, stats, stats.size, 1));
      else if (!stats.isDirectory()) continue;
      else if (stepOfCheckpoint(childPath) !== null) addFolder(directory, child, childPath, stats, entries);
      else if (depth < MAX_DEPTH) walk(directory, child, path, depth + 1, entries);
    }
  });
}

function addFile(directory: OpenDirectory, name: string, above: string, entries: ArtifactEntry[]): void {
  const stats = statsOf(directory, name);
  if (stats?.isFile() === true) entries.push(entry(above === "" ? name : `${above}/${name}`, stats, stats.size, 1));
}

function addFolder(parent: OpenDirectory, name: string, path: string, stats: Stats, entries: ArtifactEntry[]): void {
  const total = { bytes: 0, files: 0 };
  sum(parent, name, 1, total);
  entries.push({ ...entry(path, stats, total.bytes, total.files), isDirectory: true });
}

function sum(parent: OpenDirectory, name: string, depth: number, total: { bytes: number; files: number }): void {
  entered(parent, name, (directory) => {
    for (const [child, stats] of statsIn(directory)) {
      if (total.files >= MAX_COUNTED) return;
      if (stats.isFile()) {
        total.files += 1;
        total.bytes += stats.size;
      } else if (stats.isDirectory() && depth < MAX_DEPTH) sum(directory, child, depth + 1, total);
    }
  });
}

function entry(path: string, stats: Stats, bytes: number, files: number): ArtifactEntry {
  return { path, isDirectory: false, bytes, files, modifiedAt: Math.round(stats.mtimeMs) };
}

function* statsIn(directory: OpenDirectory): Generator<readonly [string, Stats]> {
  const names: string[] = [];
  const opened = opendirSync(directory.at("."), { bufferSize: 1024 });
  try {
    for (let one = opened.readSync(); one !== null && names.length < MAX_COUNTED; one = opened.readSync()) names.push(one.name);
  } finally {
    opened.closeSync();
  }
  for (const name of names.toSorted()) {
    const stats = statsOf(directory, name);
    if (stats !== null) yield [name, stats];
  }
}

function statsOf(directory: OpenDirectory, name: string): Stats | null {
  return lstatSync(directory.at(name), { throwIfNoEntry: false }) ?? null;
}

/** A folder that its job removed or swapped for a link meanwhile is as good as not there. */
function entered(parent: OpenDirectory, name: string, use: (directory: OpenDirectory) => void): void {
  try {
    within(parent, name, use);
  } catch (error) {
    if (!isOwnersDoing(error)) throw error;
  }
}

function isOwnersDoing(error: unknown): boolean {
  const code = errorCode(error) ?? (error instanceof Error ? errorCode(error.cause) : null);
  return code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP" || code === "ENAMETOOLONG";
}

/** Absent also for a path through a link, or with parts that are no names; a file with a second name is refused. */
export function readJobArtifact(
  root: string,
  userId: string,
  submissionId: string,
  path: string,
  maxBytes: number,
  offset: number | null,
): ArtifactRead {
  const parts = path.split("/");
  const name = parts.pop() ?? "";
  if ([name, ...parts].some((part) => part === "" || part === "." || part === ".." || part.includes("\0"))) return { kind: "absent" };
  try {
    return withDirectory(root, [...jobParts(userId, submissionId), ...parts], (directory): ArtifactRead => {
      if (statsOf(directory, name)?.isDirectory() === true) return { kind: "directory" };
      const read = withOwnFile(directory, name, (fd, { size }): ArtifactRead =>
        offset === null && size > maxBytes
          ? { kind: "too_large", size }
          : { kind: "read", bytes: readAt(fd, offset ?? 0, Math.max(0, Math.min(size - (offset ?? 0), maxBytes))) },
      );
      return read ?? { kind: "absent" };
    });
  } catch (error) {
    if (isOwnersDoing(error)) return { kind: "absent" };
    throw error;
  }
}
