/** What stands in an attempt's `checkpoints/`. Nothing is loaded, and no link is followed out of the job's directory: a job owns these names. */
import { closeSync, constants, fstatSync, openSync, opendirSync, readdirSync } from "node:fs";
import type { CheckpointReading } from "../control/ports.ts";
import {
  type CheckpointShape,
  type FileState,
  newestCheckpoint,
  type SavedStepState,
  savedSteps,
  type StepReader,
} from "../domain/checkpoint.ts";
import { exportFolder } from "../domain/export.ts";
import { jobParts } from "./attempt-directory.ts";
import { type OpenDirectory, withDirectory, within } from "./open-directory.ts";
import { readAt, readSmallIn } from "./regular-file.ts";
import { errorCode } from "./trouble.ts";

/** A run that keeps every step has a folder for each. */
const MAX_NAMES = 20_000;
const TRACKER = "latest_checkpointed_iteration.txt";
/** PKWARE's APPNOTE.TXT 4.3.7 and 4.3.16: how a zip file, which is what torch.save writes, begins and ends. torch writes no comment behind. */
const ZIP_BEGIN = "PK\x03\x04";
const ZIP_END = "PK\x05\x06";
const ZIP_END_BYTES = 22;

const NONE: CheckpointReading = { kind: "read", newest: null, skipped: [] };

/** `gone` = the directory of the job is not there, though that of its user's jobs is: it was removed. Throws for every doubt. */
export function readCheckpoints(
  root: string,
  userId: string,
  submissionId: string,
  shape: CheckpointShape,
  only: number | null,
): CheckpointReading {
  return withDirectory(root, jobParts(userId, submissionId).slice(0, -1), (jobs) => {
    const read = (job: OpenDirectory): CheckpointReading => ifThere(job, "checkpoints", (saved) => readSaved(saved, shape, only)) ?? NONE;
    return ifThere(jobs, submissionId, read) ?? { kind: "gone" };
  });
}

function readSaved(saved: OpenDirectory, shape: CheckpointShape, only: number | null): CheckpointReading {
  const names = namesIn(saved);
  const found = newestCheckpoint(names, readTracker(saved, names), shape, (step) => stepReader(saved, `global_step_${step}`), only);
  return { kind: "read", ...found };
}

/** Of an attempt whose directory, or whose checkpoints, are not there: none. */
export function readSavedSteps(root: string, userId: string, submissionId: string, shape: CheckpointShape): readonly SavedStepState[] {
  return withDirectory(root, jobParts(userId, submissionId).slice(0, -1), (jobs) => {
    const read = (saved: OpenDirectory): readonly SavedStepState[] => {
      const names = namesIn(saved);
      return savedSteps(names, readTracker(saved, names), shape, (step) => stepReader(saved, `global_step_${step}`));
    };
    return ifThere(jobs, submissionId, (job) => ifThere(job, "checkpoints", read)) ?? [];
  });
}

function namesIn(directory: OpenDirectory): readonly string[] {
  const names: string[] = [];
  const opened = opendirSync(directory.at("."), { bufferSize: 1024 });
  try {
    for (let entry = opened.readSync(); entry !== null; entry = opened.readSync()) {
      if (names.length === MAX_NAMES)
        throw new Error(`${directory.path} holds more than ${MAX_NAMES} names; remove checkpoints that nobody needs`);
      names.push(entry.name);
    }
  } finally {
    opened.closeSync();
  }
  return names;
}

/** An export is renamed into place when it is whole, so its folder is enough. */
export function hasExport(root: string, userId: string, submissionId: string, step: number): boolean {
  return withDirectory(root, jobParts(userId, submissionId).slice(0, -1), (jobs) => {
    const inExports = (exports: OpenDirectory): boolean => readdirSync(exports.at(".")).includes(exportFolder(step));
    return ifThere(jobs, submissionId, (job) => ifThere(job, "export", inExports)) ?? false;
  });
}

/** A tracker that is a link, no file, or larger than any number is as good as none. An I/O error is not. */
function readTracker(saved: OpenDirectory, names: readonly string[]): string | null {
  if (!names.includes(TRACKER)) return null;
  try {
    return readSmallIn(saved, TRACKER)?.toString("latin1") ?? null;
  } catch (error) {
    const code = errorCode(error);
    if (code === null || code === "ELOOP" || code === "ENXIO") return null;
    throw error;
  }
}

/** Each folder of the step is listed once; its files are opened one by one. */
function stepReader(saved: OpenDirectory, folder: string): StepReader {
  const listings = new Map<string, ReadonlySet<string> | "absent" | "link">();
  const inPart = <T>(part: string, use: (directory: OpenDirectory) => T): T | "absent" | "link" =>
    enter(saved, folder, (step) => (part === "" ? use(step) : enter(step, part, use)));
  const listing = (part: string) => {
    const known = listings.get(part) ?? inPart(part, (directory) => new Set(readdirSync(directory.at("."))));
    listings.set(part, known);
    return known;
  };
  return {
    holds: (name) => {
      const top = listing("");
      return typeof top !== "string" && top.has(name);
    },
    file: (path) => {
      const [part, name] = path.includes("/") ? (path.split("/") as [string, string]) : ["", path];
      const names = listing(part);
      if (typeof names === "string") return names;
      return names.has(name) ? inPart(part, (directory) => fileState(directory, name)) : "absent";
    },
  };
}

function fileState(directory: OpenDirectory, name: string): FileState {
  let fd: number;
  try {
    fd = openSync(directory.at(name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "absent";
    if (errorCode(error) === "ELOOP") return "link";
    throw error;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return "link";
    if (stats.size === 0) return "empty";
    return isWhole(fd, stats.size) ? "whole" : "cut";
  } finally {
    closeSync(fd);
  }
}

/** A zip has its end mark; the format of torch.save before 1.6 (a pickle, which begins with 0x80) has none that could be looked for. */
function isWhole(fd: number, size: number): boolean {
  const begin = readAt(fd, 0, 4).toString("latin1");
  if (begin.startsWith("\x80")) return true;
  if (begin !== ZIP_BEGIN || size < ZIP_END_BYTES) return false;
  return readAt(fd, size - ZIP_END_BYTES, 4).toString("latin1") === ZIP_END;
}

/** Null where `name` is absent; throws where it is a link. */
function ifThere<T>(parent: OpenDirectory, name: string, use: (directory: OpenDirectory) => T): T | null {
  // Listing first makes a network file system forget that it cached "not found".
  return readdirSync(parent.at(".")).includes(name) ? within(parent, name, use) : null;
}

/** What a job may do to its own names (remove one, put a link in its place) is no trouble of the storage; all else is. */
function enter<T>(parent: OpenDirectory, name: string, use: (directory: OpenDirectory) => T): T | "absent" | "link" {
  try {
    return within(parent, name, use);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "absent";
    const cause = error instanceof Error ? errorCode(error.cause) : null;
    if (cause === "ELOOP" || cause === "ENOTDIR") return "link";
    throw error;
  }
}
