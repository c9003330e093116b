/** Opening what somebody else may have tampered with: never through a link, never a FIFO or device, never more than asked for. */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, type Stats } from "node:fs";
import { basename, dirname } from "node:path";
import type { OpenDirectory } from "./open-directory.ts";
import { errorCode } from "./trouble.ts";

export const MAX_JSON_BYTES = 64 * 1024;

/** Runs `use` on the open file; null when the name is absent. Throws when it is a link or no regular file. `shown`: its name for people. */
export function withRegularFile<T>(path: string, use: (fd: number, stats: Stats) => T, shown = path): T | null {
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
    if (!stats.isFile()) throw new Error(`${shown} is not a regular file`);
    return use(fd, stats);
  } finally {
    closeSync(fd);
  }
}

/**
 * As withRegularFile, in a directory that is held open, for files whose bytes are shown to the owner of a job: such a file must have no second
 * name, since a job can make a hard link to any file of the platform.
 */
export function withOwnFile<T>(directory: OpenDirectory, name: string, use: (fd: number, stats: Stats) => T): T | null {
  const shown = `${directory.path}/${name}`;
  try {
    return withRegularFile(
      directory.at(name),
      (fd, stats) => {
        if (stats.nlink > 1) throw new Error(`${shown} leads out of its job directory; its owner's job made a link there`);
        return use(fd, stats);
      },
      shown,
    );
  } catch (error) {
    if (errorCode(error) !== "ELOOP") throw error;
    throw new Error(`${shown} leads out of its job directory; its owner's job made a link there`, { cause: error });
  }
}

/** The bytes of a small file in a directory that is held open, or null when absent. */
export function readSmallIn(directory: OpenDirectory, name: string): Buffer | null {
  const shown = `${directory.path}/${name}`;
  return withRegularFile(directory.at(name), (fd) => readOpen(fd, shown, MAX_JSON_BYTES), shown);
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
