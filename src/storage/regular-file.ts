/** Opening what somebody else may have tampered with: never through a link, never a FIFO or device, never more than asked for. */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, realpathSync, statSync, type Stats } from "node:fs";
import { basename, dirname } from "node:path";
import { errorCode } from "./trouble.ts";

export const MAX_JSON_BYTES = 64 * 1024;

/** Runs `use` on the open file; null when the name is absent. Throws when it is a link or no regular file. */
export function withRegularFile<T>(path: string, use: (fd: number, stats: Stats) => T): T | null {
  // Listing the directory first makes a network file system forget that it cached "not found".
  if (!readdirSync(dirname(path)).includes(basename(path))) return null;
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new Error(`${path} is not a regular file`);
    return use(fd, stats);
  } finally {
    closeSync(fd);
  }
}

/**
 * As withRegularFile, for files that a job writes: the open file must really lie at `path` below `root`, also when the job swapped one of
 * its directories for a link, and have no second name (a hard link to a file of the platform).
 */
export function withOwnFile<T>(root: string, path: string, use: (fd: number, stats: Stats) => T): T | null {
  return withRegularFile(path, (fd, stats) => {
    const real = realpathSync(path);
    const expected = realpathSync(root) + path.slice(root.length);
    const there = statSync(real);
    if (real !== expected || there.ino !== stats.ino || there.dev !== stats.dev || stats.nlink > 1)
      throw new Error(`${path} leads out of its job directory; its owner's job made a link there`);
    return use(fd, stats);
  });
}

/** The whole file, or null when absent. Throws above `maxBytes`. */
export function readSmall(path: string, maxBytes = MAX_JSON_BYTES): Buffer | null {
  return withRegularFile(path, (fd) => readOpen(fd, path, maxBytes));
}

export function readOpen(fd: number, path: string, maxBytes: number): Buffer {
  const bytes = readAt(fd, 0, maxBytes + 1);
  if (bytes.length > maxBytes) throw new Error(`${path} is larger than ${maxBytes} bytes`);
  return bytes;
}

/** Up to `length` bytes from `offset`; fewer only at the end of the file. */
export function readAt(fd: number, offset: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const count = readSync(fd, buffer, done, length - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return buffer.subarray(0, done);
}
