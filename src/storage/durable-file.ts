/** Files that are either whole on the disk or not there: every write is fsynced, every name change is followed by an fsync of its directory. */
import { closeSync, constants, fchmodSync, fsyncSync, linkSync, lstatSync, openSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { errorCode } from "./trouble.ts";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;

/** `tag` makes the temporary name private to this writer. */
export function writeDurably(path: string, content: string | Uint8Array, tag: string, mode = 0o600): void {
  const temp = `${dirname(path)}/.${tag}.tmp`;
  writeNew(temp, content, mode);
  try {
    renameSync(temp, path);
  } catch (error) {
    unlinkSync(temp);
    throw error;
  }
  syncDirectory(dirname(path));
}

/**
 * Gives `content` the name `path` if nobody has it yet; true iff this call did. Decided by the link count of the private temporary file,
 * since a network file system may answer EEXIST to the very call that made the link.
 */
export function linkOnce(path: string, content: string, tag: string): boolean {
  const temp = `${dirname(path)}/.${tag}.tmp`;
  writeNew(temp, content, 0o600);
  try {
    let refusal: Error | null = null;
    try {
      linkSync(temp, path);
    } catch (error) {
      refusal = error instanceof Error ? error : new Error(String(error));
    }
    const won = lstatSync(temp).nlink === 2;
    if (!won && refusal !== null && errorCode(refusal) !== "EEXIST") throw refusal;
    if (won) syncDirectory(dirname(path));
    return won;
  } finally {
    unlinkSync(temp);
  }
}

export function syncDirectory(path: string): void {
  const fd = openSync(path, O_RDONLY | O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function writeNew(path: string, content: string | Uint8Array, mode: number): void {
  try {
    unlinkSync(path); // what a crash of this very writer left
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  try {
    // The umask may have taken rights away that the mode is to give.
    fchmodSync(fd, mode);
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
    fsyncSync(fd);
  } catch (error) {
    unlinkSync(path);
    throw error;
  } finally {
    closeSync(fd);
  }
}
