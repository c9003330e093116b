/**
 * Files that travel with the program and are not TypeScript, named by their path in src: `launcher/launch.py`, `python/make_demo.py`; the built web page's
 * are named `web/index.html`. In a checkout and in the npm package they are files; in the single executable they are SEA assets. This is the one module that
 * knows the difference, and the one that may say `import.meta`: the executable is a CommonJS bundle, where the build replaces `import.meta.dirname`
 * (scripts/build-sea.ts).
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { basename, join, relative, sep } from "node:path";
import { getAsset, getAssetKeys, getRawAsset, isSea } from "node:sea";
import { isAssetFile, WEB } from "./asset-file.ts";

/** Where the sources (or the emitted JavaScript) lie; null in the single executable. */
export const sourceRoot: string | null = isSea() ? null : join(import.meta.dirname, "..");

/** The text of an asset. Throws when this program was built without it. */
export function asset(name: string): string {
  return read(
    name,
    (root) => readFileSync(placeOf(root, name), "utf8"),
    () => getAsset(name, "utf8"),
  );
}

/** The bytes of an asset, for what is not text. Throws when this program was built without it. */
export function assetBytes(name: string): Uint8Array {
  return read(
    name,
    (root) => readFileSync(placeOf(root, name)),
    () => new Uint8Array(getRawAsset(name)),
  );
}

/** The names of all assets below a folder (`python`, `web`), sorted; [] where there is none, such as a page that was not built. */
export function assetNames(folder: string): readonly string[] {
  return (sourceRoot === null ? getAssetKeys() : [...assetFiles(sourceRoot).keys()])
    .filter((name) => name.startsWith(`${folder}/`))
    .toSorted();
}

/** Every asset of a source tree, with the path of its file: what the single executable takes in. */
export function assetFiles(src: string): ReadonlyMap<string, string> {
  const web = placeOf(src, WEB);
  const names = [...filesBelow(src).filter((name) => !name.startsWith(`${WEB}/`)), ...filesBelow(web).map((name) => `${WEB}/${name}`)];
  return new Map(names.filter((name) => isAssetFile(name)).map((name) => [name, placeOf(src, name)]));
}

/** The page is built into dist/web; the npm package's root of JavaScript is dist itself. */
function placeOf(root: string, name: string): string {
  const isPage = name === WEB || name.startsWith(`${WEB}/`);
  return isPage && basename(root) === "src" ? join(root, "..", "dist", name) : join(root, name);
}

function read<T>(name: string, fromSource: (root: string) => T, fromExecutable: () => T): T {
  if (!isAssetFile(name)) throw new Error(`"${name}" is no asset: name a file by its path in src, such as launcher/launch.py`);
  try {
    return sourceRoot === null ? fromExecutable() : fromSource(sourceRoot);
  } catch (cause) {
    throw new Error(`this build of verlpool lacks its file ${name}: reinstall it, or run from a complete checkout`, { cause });
  }
}

function filesBelow(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"));
}
