/** The launcher on shared storage, named by its content, so that a new server never changes what a running attempt was started with. */
import { createHash } from "node:crypto";
import { writeDurably } from "./durable-file.ts";
import { withMadeDirectory } from "./open-directory.ts";
import { readSmall } from "./regular-file.ts";
import { CANONICAL_ROOT } from "./roots.ts";

const MAX_LAUNCHER_BYTES = 1024 * 1024;

/** The canonical path of the launcher with this text. */
export function launcherPath(text: string): string {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
  return `${CANONICAL_ROOT}/common/verlpool/launcher/${hash}/launch.py`;
}

/** Writes it if it is absent or damaged (0444); returns its canonical path. */
export function installLauncher(root: string, text: string, tag: string): string {
  const canonical = launcherPath(text);
  const parts = canonical.slice(CANONICAL_ROOT.length + 1).split("/");
  withMadeDirectory(root, parts.slice(0, -1), 0o755, 0, (directory) => {
    const path = directory.at(parts.at(-1) ?? "");
    if (readSmall(path, MAX_LAUNCHER_BYTES)?.toString() !== text) writeDurably(path, text, tag, 0o444);
  });
  return canonical;
}
