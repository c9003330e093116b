/**
 * `npm run sea [ENTRY] [OUTPUT]`: one executable of the program, for hosts without Node: a CommonJS bundle and the assets of src inside a copy of Node.
 * Defaults: src/main/cli.ts, dist/verlpool.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, globSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { build } from "esbuild";
import { isAssetFile } from "../src/main/asset-file.ts";
import { root, tool } from "./steps.ts";

/** The mark in Node's binary that postject flips when it adds the program (Node documentation, "Single executable applications"). */
const SENTINEL = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

const [entry = join(root, "src", "main", "cli.ts"), output = join(root, "dist", "verlpool")] = process.argv
  .slice(2)
  .map((path) => resolve(path));
const work = mkdtempSync(join(tmpdir(), "verlpool-sea-"));
try {
  const bundle = await bundleProgram(entry, join(work, "program.cjs"));
  buildExecutable(makeBlob(bundle), output);
  console.log(`${output}: ${(statSync(output).size / 1e6).toFixed(1)} MB, program ${(statSync(bundle).size / 1e6).toFixed(2)} MB`);
} finally {
  rmSync(work, { recursive: true });
}

async function bundleProgram(from: string, to: string): Promise<string> {
  await build({
    entryPoints: [from],
    outfile: to,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node24",
    minifySyntax: true,
    // Read by src/main/assets.ts alone, and never followed in the executable.
    define: { "import.meta.dirname": "__dirname" },
    // What CommonJS can't hold (import.meta, top-level await) must stop the build, not the user.
    logOverride: { "empty-import-meta": "error", "unsupported-dynamic-import": "error" },
    logLevel: "warning",
  });
  return to;
}

function makeBlob(main: string): string {
  const src = join(root, "src");
  const names = globSync("**/*", { cwd: src }).filter((name) => isAssetFile(name) && statSync(join(src, name)).isFile());
  const config = {
    main,
    output: join(work, "program.blob"),
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    execArgv: ["--disable-warning=ExperimentalWarning"],
    assets: Object.fromEntries(names.map((name) => [name, join(src, name)])),
  };
  const configFile = join(work, "sea.json");
  writeFileSync(configFile, JSON.stringify(config));
  execFileSync(process.execPath, ["--experimental-sea-config", configFile], { stdio: ["ignore", "ignore", "inherit"] });
  return config.output;
}

function buildExecutable(blob: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  rmSync(to, { force: true });
  copyFileSync(realpathSync(process.execPath), to);
  chmodSync(to, 0o755);
  execFileSync(process.execPath, [tool("postject"), to, "NODE_SEA_BLOB", blob, "--sentinel-fuse", SENTINEL], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}
