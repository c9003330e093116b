import { existsSync } from "node:fs";
import { join } from "node:path";
import { sourceRoot } from "./assets.ts";

export type Command = { readonly command: string; readonly args: readonly string[] };

/**
 * The command that starts this program again with other arguments, such as `self("internal", "up")`.
 * Holds in a checkout, in the npm package and in the single executable.
 */
export function self(...args: readonly string[]): Command {
  return sourceRoot === null ? { command: process.execPath, args } : node(sourceRoot, "cli", args);
}

/** The command that starts a storage helper. Agents and server start several, and again after each that hung. */
export function storageHelper(): Command {
  return sourceRoot === null ? self("internal", "storage") : node(sourceRoot, "storage-process", []);
}

function node(root: string, name: string, args: readonly string[]): Command {
  const source = join(root, "main", `${name}.ts`);
  const program = existsSync(source) ? source : join(root, "main", `${name}.js`);
  // node:sqlite is called experimental on Node 24; a helper has no use for that line on its stderr.
  return { command: process.execPath, args: ["--disable-warning=ExperimentalWarning", program, ...args] };
}
