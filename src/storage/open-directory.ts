/**
 * Directories held open, so that what is reached in them lies in them, whatever a job does to their names meanwhile: a job owns its own directory
 * and may put a link in the place of any part of it, also between our look and our open.
 */
import { chmodSync, closeSync, constants, existsSync, fstatSync, lstatSync, mkdirSync, openSync } from "node:fs";
import { syncDirectory } from "./durable-file.ts";
import { errorCode } from "./trouble.ts";

export type OpenDirectory = {
  readonly fd: number;
  /** Its name, for people: may mean another directory by now. */
  readonly path: string;
  /** Where this process reaches `name` in this very directory; "." is the directory itself. */
  readonly at: (name: string) => string;
};

/** Linux answers `/proc/self/fd/N/name` from the open directory, as openat(2) does; elsewhere only the name is left, checked when it is opened. */
const HAS_PROC = existsSync("/proc/self/fd");
/** asm-generic/fcntl.h: a handle for look-ups only, which needs no right to read the directory. Node does not name it. */
const O_PATH = HAS_PROC ? 0o10000000 : 0;
const OPEN = constants.O_RDONLY | constants.O_DIRECTORY | O_PATH;

/** Opens `root` and each of `parts` below it; a link among them, also one to a directory, is refused. Throws ENOENT where one is absent. */
export function withDirectory<T>(root: string, parts: readonly string[], use: (directory: OpenDirectory) => T): T {
  return walk(root, parts, (parent, name) => openIn(parent, name), use);
}

/** Opens a directory in one that is open; a link there is refused. Throws ENOENT where it is absent. */
export function within<T>(parent: OpenDirectory, name: string, use: (directory: OpenDirectory) => T): T {
  const directory = openIn(parent, name);
  try {
    return use(directory);
  } finally {
    closeSync(directory.fd);
  }
}

/**
 * As withDirectory, and makes what is missing. New ones get `mode` whatever the umask is; of those that stood there, the last `own` are set to it,
 * since they are ours alone.
 */
export function withMadeDirectory<T>(
  root: string,
  parts: readonly string[],
  mode: number,
  own: number,
  use: (directory: OpenDirectory) => T,
): T {
  const firstOwn = parts.length - own;
  return walk(root, parts, (parent, name, index) => make(parent, name, mode, index >= firstOwn), use);
}

type Step = (parent: OpenDirectory, name: string, index: number) => OpenDirectory;

function walk<T>(root: string, parts: readonly string[], step: Step, use: (directory: OpenDirectory) => T): T {
  // The root is the operator's to choose, and may be a link.
  let current = opened(openSync(root, OPEN), root);
  try {
    for (const [index, name] of parts.entries()) {
      if (name === "" || name === "." || name === ".." || name.includes("/")) throw new Error(`${JSON.stringify(name)} is no name`);
      const next = step(current, name, index);
      closeSync(current.fd);
      current = next;
    }
    return use(current);
  } finally {
    closeSync(current.fd);
  }
}

function openIn(parent: OpenDirectory, name: string): OpenDirectory {
  const path = `${parent.path}/${name}`;
  let fd: number;
  try {
    fd = openSync(parent.at(name), OPEN | constants.O_NOFOLLOW);
  } catch (error) {
    if (errorCode(error) !== "ENOTDIR" && errorCode(error) !== "ELOOP") throw error;
    throw new Error(`${path} is a link or no directory, so nothing is read or written there; move it away`, { cause: error });
  }
  const directory = opened(fd, path);
  if (HAS_PROC || isStillNamed(directory)) return directory;
  closeSync(fd);
  throw new Error(`${path} changed while it was opened`);
}

function make(parent: OpenDirectory, name: string, mode: number, isOwn: boolean): OpenDirectory {
  const isNew = madeDirectory(parent.at(name), mode);
  const directory = openIn(parent, name);
  try {
    if ((isNew || isOwn) && (fstatSync(directory.fd).mode & 0o777) !== mode) chmodSync(directory.at("."), mode);
    if (isNew) syncDirectory(parent.at("."));
  } catch (error) {
    closeSync(directory.fd);
    throw error;
  }
  return directory;
}

function madeDirectory(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode });
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

function opened(fd: number, path: string): OpenDirectory {
  const base = HAS_PROC ? `/proc/self/fd/${fd}` : path;
  return { fd, path, at: (name) => `${base}/${name}` };
}

function isStillNamed({ fd, path }: OpenDirectory): boolean {
  const [held, named] = [fstatSync(fd), lstatSync(path)];
  return held.ino === named.ino && held.dev === named.dev;
}
