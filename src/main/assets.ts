/**
 * Files that travel with the program and are not TypeScript, named by their path in src: `launcher/launch.py`, `python/make_demo.py`.
 * In a checkout and in the npm package they are files; in the single executable they are SEA assets. This is the one module that knows the difference,
 * and the one that may say `import.meta`: the executable is a CommonJS bundle, where the build replaces `import.meta.dirname` (scripts/build-sea.ts).
 */
import { readFileSync, readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { getAsset, getAssetKeys, getRawAsset, isSea } from "node:sea";
import { isAssetFile } from "./asset-file.ts";

/** Where the sources (or the emitted JavaScript) lie; null in the single executable. */
export const sourceRoot: string | null = isSea() ? null : join(import.meta.dirname, "..");

/** The text of an asset. Throws when this program was built without it. */
export function asset(name: string): string {
  return read(
    name,
    (root) => readFileSync(join(root, name), "utf8"),
    () => getAsset(name, "utf8"),
  );
}

/** The bytes of an asset, for what is not text. Throws when this program was built without it. */
export function assetBytes(name: string): Uint8Array {
  return read(
    name,
    (root) => readFileSync(join(root, name)),
    () => new Uint8Array(getRawAsset(name)),
  );
}

/** The names of all assets below a folder of src (`python`), sorted. */
export function assetNames(folder: string): readonly string[] {
  return allNames()
    .filter((name) => name.startsWith(`${folder}/`))
    .toSorted();
}

function read<T>(name: string, fromSource: (root: string) => T, fromExecutable: () => T): T {
  if (!isAssetFile(name)) throw new Error(`"${name}" is no asset: name a file by its path in src, such as launcher/launch.py`);
  try {
    return sourceRoot === null ? fromExecutable() : fromSource(sourceRoot);
  } catch (cause) {
    throw new Error(`this build of verlpool lacks its file ${name}: reinstall it, or run from a complete checkout`, { cause });
  }
}

function allNames(): readonly string[] {
  if (sourceRoot === null) return getAssetKeys();
  const root = sourceRoot;
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter((name) => isAssetFile(name));
}
