/**
 * `npm run sea [ENTRY] [OUTPUT]`: one executable of the program, for hosts without Node: a CommonJS bundle, the assets of src and the built web page
 * (dist/web, where there is one) inside a copy of Node. Defaults: src/main/cli.ts, dist/verlpool.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { build } from "esbuild";
import { assetFiles } from "../src/main/assets.ts";
import { BUILD_ID, sourcesDigest } from "../src/main/build-id.ts";
import { root, tool } from "./steps.ts";

/** The mark in Node's binary that postject flips when it adds the program (Node documentation, "Single executable applications"). */
const SENTINEL = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

const [entry = join(root, "src", "main", "cli.ts"), output = join(root, "dist", "verlpool")] = process.argv
  .slice(2)
  .map((path) => resolve(path));
const work = mkdtempSync(join(tmpdir(), "verlpool-sea-"));
try {
  buildPage();
  const bundle = await bundleProgram(entry, join(work, "program.cjs"));
  buildExecutable(makeBlob(bundle), output);
  console.log(`${output}: ${(statSync(output).size / 1e6).toFixed(1)} MB, program ${(statSync(bundle).size / 1e6).toFixed(2)} MB`);
} finally {
  rmSync(work, { recursive: true });
}

/** A checkout without the page's sources makes an executable without the page. */
function buildPage(): void {
  const script = join(root, "scripts", "build-web.ts");
  if (existsSync(script)) runNode(script, "--if-needed");
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
  const idFile = join(work, "build-id");
  writeFileSync(idFile, sourcesDigest(root));
  const config = {
    main,
    output: join(work, "program.blob"),
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    execArgv: ["--disable-warning=ExperimentalWarning"],
    assets: { ...Object.fromEntries(assetFiles(join(root, "src"))), [BUILD_ID]: idFile },
  };
  const configFile = join(work, "sea.json");
  writeFileSync(configFile, JSON.stringify(config));
  runNode("--experimental-sea-config", configFile);
  return config.output;
}

/** Beside its place and renamed: an executable that somebody runs is never written to. */
function buildExecutable(blob: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  const fresh = `${to}.making-${process.pid}`;
  try {
    copyFileSync(realpathSync(process.execPath), fresh);
    chmodSync(fresh, 0o755);
    runNode(tool("postject"), fresh, "NODE_SEA_BLOB", blob, "--sentinel-fuse", SENTINEL);
    renameSync(fresh, to);
  } finally {
    rmSync(fresh, { force: true });
  }
}

/** What the tools say is for the case that they fail: postject warns of each of Node's unnamed notes. */
function runNode(...args: readonly string[]): void {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${args[0] ?? ""} ended with ${status ?? signal ?? "no answer"}:\n${stdout}${stderr}`);
}
