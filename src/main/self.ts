import { existsSync } from "node:fs";
import { join } from "node:path";
import { sourceRoot } from "./assets.ts";

export type Command = { readonly command: string; readonly args: readonly string[] };

/**
 * The command that starts this program again with other arguments, such as `self("internal", "storage")` for a helper process.
 * Holds in a checkout, in the npm package and in the single executable.
 */
export function self(...args: readonly string[]): Command {
  if (sourceRoot === null) return { command: process.execPath, args };
  const source = join(sourceRoot, "main", "cli.ts");
  const program = existsSync(source) ? source : join(sourceRoot, "main", "cli.js");
  // node:sqlite is called experimental on Node 24; a helper has no use for that line on its stderr.
  return { command: process.execPath, args: ["--disable-warning=ExperimentalWarning", program, ...args] };
}
