import { chmodSync, lstatSync, writeFileSync } from "node:fs";
import type { Ids } from "../control/ports.ts";

/** A cluster token in a file of mode 0600, made once and kept: Ray reads it by path, so it stands in no environment and no argument list. */
export function ensureTokenFile(path: string, ids: Ids): string {
  try {
    writeFileSync(path, ids.hex(32), { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const found = lstatSync(path);
    if (!found.isFile() || found.uid !== process.getuid?.()) throw new Error(`${path} is not a file of ours: remove it`, { cause: error });
    chmodSync(path, 0o600);
  }
  return path;
}
