/** The operator's profiles: `<name>@<version>.yaml` under common/verlpool/profiles, as texts; their meaning is read elsewhere. */
import { readdirSync } from "node:fs";
import { readSmall } from "./regular-file.ts";
import { errorCode } from "./trouble.ts";

/** `problem`: it is there, but is no file that may be read (a link, a directory, too large). */
export type ProfileFile = { readonly fileName: string } & ({ readonly text: string } | { readonly problem: string });

const MAX_PROFILES = 2_000;
const UNREADABLE: ReadonlySet<string> = new Set(["ELOOP", "ENXIO", "EACCES", "EISDIR"]);
const NAME = /^[a-z0-9][a-z0-9-]*@[0-9]+\.yaml$/;

/** Sorted by name; [] when the directory is missing. Other files there are not looked at. */
export function readProfileFiles(root: string): readonly ProfileFile[] {
  const directory = `${root}/common/verlpool/profiles`;
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
  return names
    .filter((name) => NAME.test(name))
    .sort()
    .slice(0, MAX_PROFILES)
    .flatMap((fileName) => readProfile(directory, fileName));
}

/** One file that can't be read must not hide the others; storage that does not answer is trouble, and passes. */
function readProfile(directory: string, fileName: string): readonly ProfileFile[] {
  try {
    const bytes = readSmall(`${directory}/${fileName}`);
    return bytes === null ? [] : [{ fileName, text: bytes.toString("utf8") }];
  } catch (error) {
    const code = errorCode(error);
    // readSmall's own refusals have no code.
    if (code !== null && !UNREADABLE.has(code)) throw error;
    return [{ fileName, problem: error instanceof Error ? error.message : String(error) }];
  }
}
