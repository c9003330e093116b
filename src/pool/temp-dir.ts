import { chmodSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Ray puts Unix sockets at <temp>/session_…/sockets/plasma_store; a path of one may have 107 bytes, of which Ray's part takes up to 66. */
const LONGEST = 107 - 66;

/** Makes `<root>/vp-<id>`, ours alone (0700). Throws when somebody else has put something there: /tmp is open to all. */
export function makeTempDir(root: string, id: string): string {
  const dir = tempDirPath(root, id);
  if (Buffer.byteLength(`${dir}/w99`) > LONGEST) {
    throw new Error(`${dir} is too long for Ray's Unix sockets (${LONGEST} bytes at most): choose a shorter temp root, such as /tmp`);
  }
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const found = lstatSync(dir);
    if (!found.isDirectory() || found.uid !== process.getuid?.()) {
      throw new Error(`${dir} exists and is not ours: remove it, or choose another temp root`, { cause: error });
    }
    chmodSync(dir, 0o700);
  }
  return dir;
}

export function removeTempDir(root: string, id: string): void {
  rmSync(tempDirPath(root, id), { recursive: true, force: true, maxRetries: 3 });
}

function tempDirPath(root: string, id: string): string {
  return join(root, `vp-${id}`);
}
