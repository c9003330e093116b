/** Which build of a version this is: two checkouts may both call themselves 2.5.0-dev and differ. */
import { createHash } from "node:crypto";
import { globSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { WEB } from "./asset-file.ts";
import { asset, assetFiles, sourceRoot } from "./assets.ts";

/** The asset in which the single executable carries its own. */
export const BUILD_ID = "build/id";

/** 64 hex digits; the same in a checkout and in the executable that was built from it with this Node. */
export function buildId(): string {
  return sourceRoot === null ? asset(BUILD_ID) : sourcesDigest(dirname(sourceRoot));
}

/** Of all that goes into an executable: sources (the page's too, which may not be built yet), assets, packages, the build itself, Node and its platform. */
export function sourcesDigest(checkout: string): string {
  const code = globSync(["src/**/*.ts", "web/**/*.*"], { cwd: checkout, exclude: ["**/*.test.*"] });
  const assets = [...assetFiles(join(checkout, "src")).keys()].filter((name) => !name.startsWith(`${WEB}/`)).map((name) => `src/${name}`);
  const build = ["package-lock.json", ...globSync("scripts/build-*.ts", { cwd: checkout })];
  const hash = createHash("sha256").update(`${process.version} ${process.platform} ${process.arch}\n`);
  for (const name of [...code, ...assets, ...build].toSorted()) {
    const path = join(checkout, name);
    if (!statSync(path).isFile()) continue;
    const bytes = readFileSync(path);
    hash.update(`${name} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex");
}
