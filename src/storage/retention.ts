/** Job directories as retention sees them: removed, thinned out, and measured. Synchronous. */
import { lstatSync, opendirSync, readdirSync } from "node:fs";
import type { RetentionFiles } from "../control/file-ports.ts";
import { jobParts } from "./attempt-directory.ts";
import { type OpenDirectory, withDirectory, within } from "./open-directory.ts";
import { clearGivenUp, giveUp } from "./remove-tree.ts";
import type { CallStorage } from "./storage-client.ts";
import { errorCode } from "./trouble.ts";

const MAX_DEPTH = 32;

export function retentionFiles(call: CallStorage): RetentionFiles {
  return {
    removeJob: (userId, submissionId) => call("removeJob", { userId, submissionId }),
    savedSteps: (userId, submissionId, shape) => call("savedSteps", { userId, submissionId, shape }),
    dropSteps: async (userId, submissionId, steps) => void (await call("dropSteps", { userId, submissionId, steps })),
    clearSteps: (userId, submissionId) => call("clearSteps", { userId, submissionId }),
    users: () => call("userNames", {}),
    jobNames: (userId) => call("jobNames", { userId }),
    jobBytes: (userId, name) => call("jobBytes", { userId, name }),
  };
}

/** The directory of a user's jobs, of any job of his. */
function jobsParts(userId: string, submissionId: string): readonly string[] {
  return jobParts(userId, submissionId).slice(0, -1);
}

/** Below `root`, or null where a part of it is absent. */
function ifThere<T>(root: string, parts: readonly string[], use: (directory: OpenDirectory) => T): T | null {
  try {
    return withDirectory(root, parts, use);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  }
}

export function removeJob(root: string, userId: string, submissionId: string): { readonly isDone: boolean } {
  const isDone = ifThere(root, jobsParts(userId, submissionId), (jobs) => {
    giveUp(jobs, submissionId);
    return clearGivenUp(jobs);
  });
  return { isDone: isDone ?? true };
}

export function dropSteps(root: string, userId: string, submissionId: string, steps: readonly number[]): void {
  ifThere(root, [...jobParts(userId, submissionId), "checkpoints"], (saved) => {
    for (const step of steps) giveUp(saved, `global_step_${step}`);
  });
}

export function clearSteps(root: string, userId: string, submissionId: string): { readonly isDone: boolean } {
  return { isDone: ifThere(root, [...jobParts(userId, submissionId), "checkpoints"], clearGivenUp) ?? true };
}

export function userNames(root: string): readonly string[] {
  return ifThere(root, ["users"], (users) => readdirSync(users.at("."))) ?? [];
}

export function jobNames(root: string, userId: string): readonly string[] {
  return ifThere(root, ["users", userId, "jobs"], (jobs) => readdirSync(jobs.at("."))) ?? [];
}

/** What the file system gives to it, in bytes: a sparse file counts for what it holds. Null names and links count nothing. */
export function jobBytes(root: string, userId: string, name: string): number {
  return ifThere(root, ["users", userId, "jobs"], (jobs) => bytesOf(jobs, name, 1)) ?? 0;
}

const BLOCK_BYTES = 512;

function bytesOf(parent: OpenDirectory, name: string, depth: number): number {
  const stats = lstatSync(parent.at(name), { throwIfNoEntry: false });
  if (stats === undefined) return 0;
  const own = stats.blocks * BLOCK_BYTES;
  if (!stats.isDirectory() || depth > MAX_DEPTH) return own;
  try {
    return own + within(parent, name, (directory) => childrenOf(directory, depth));
  } catch (error) {
    // Removed or swapped by its job meanwhile, or closed by it to everybody.
    const code = errorCode(error) ?? (error instanceof Error ? errorCode(error.cause) : null);
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP" || code === "EACCES") return own;
    throw error;
  }
}

function childrenOf(directory: OpenDirectory, depth: number): number {
  let sum = 0;
  const opened = opendirSync(directory.at("."), { bufferSize: 1024 });
  try {
    for (let entry = opened.readSync(); entry !== null; entry = opened.readSync()) sum += bytesOf(directory, entry.name, depth + 1);
  } finally {
    opened.closeSync();
  }
  return sum;
}
