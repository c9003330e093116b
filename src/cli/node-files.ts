/** The file access of a real command line (world.ts says what each promises). */
import { constants } from "node:fs";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { CliFiles } from "./world.ts";

const RECORD_BYTES = 65_536;

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && codes.includes(String((error as { code?: unknown }).code));
}

async function orAbsent<T>(read: Promise<T>, absent: T): Promise<T> {
  try {
    return await read;
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return absent;
    throw error;
  }
}

/** At most `maxBytes` + 1 bytes, so that the caller can tell a longer file from a full one. */
async function readUpTo(path: string, flags: number, maxBytes: number) {
  await using file = await open(path, flags);
  const stat = await file.stat();
  const parts: Uint8Array[] = [];
  let size = 0;
  while (size <= maxBytes) {
    const buffer = Buffer.alloc(Math.min(65_536, maxBytes + 1 - size));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) break;
    parts.push(buffer.subarray(0, bytesRead));
    size += bytesRead;
  }
  return { stat, bytes: Buffer.concat(parts) };
}

async function readRecord(path: string) {
  const { stat, bytes } = await readUpTo(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK, RECORD_BYTES);
  if (!stat.isFile() || bytes.length > RECORD_BYTES) throw new Error(`${path} is not a regular file of at most 64 KiB; it is not read`);
  return { bytes, mode: stat.mode & 0o777, uid: stat.uid };
}

export const nodeFiles: CliFiles = {
  readInput: (path, maxBytes) =>
    orAbsent(
      readUpTo(path, constants.O_RDONLY, maxBytes).then(({ bytes }) => bytes),
      null,
    ),
  readRecord: (path) => orAbsent(readRecord(path), null),
  list: (directory) => orAbsent(readdir(directory), []),
  writePrivate: async (path, text) => {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const temporary = `${path}.${process.pid}.tmp`;
    await rm(temporary, { force: true });
    try {
      await using file = await open(temporary, "wx", 0o600);
      await file.writeFile(text);
      await file.sync();
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await rename(temporary, path);
  },
  writeParts: async (path, parts) => {
    await mkdir(dirname(path), { recursive: true });
    const temporary = `${path}.part`;
    await rm(temporary, { force: true });
    try {
      await using file = await open(temporary, "wx");
      for await (const part of parts) await file.writeFile(part);
      await file.sync();
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await rename(temporary, path);
  },
  remove: (path) =>
    orAbsent(
      rm(path).then(() => true),
      false,
    ),
};
