/**
 * `npm run build:web`: the web page, from web/ into dist/web. `--if-needed`: only when its sources or packages changed since.
 * Names of scripts and styles hold a hash of their content, so that a browser may keep them for ever.
 */
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { build, type Metafile } from "esbuild";
import { root } from "./steps.ts";

const web = join(root, "web");
const dist = join(root, "dist");
const out = join(dist, "web");
/** A dot file is no asset, so it is never served. */
const BUILT_FROM = ".built-from";

const sources = digest();
if (!process.argv.includes("--if-needed") || builtFrom() !== sources) await buildPage();

function digest(): string {
  const hash = createHash("sha256");
  const outside = ["package-lock.json", "scripts/build-web.ts", "src/domain/task-state.ts", "src/contract/template.ts"];
  const inside = globSync("**/*.{ts,tsx,css,html,svg,json}", { cwd: web }).map((name) => join("web", name));
  for (const name of [...inside.toSorted(), ...outside]) hash.update(`${name}\n`).update(readFileSync(join(root, name)));
  return hash.digest("hex");
}

function builtFrom(): string | null {
  const file = join(out, BUILT_FROM);
  return existsSync(file) ? readFileSync(file, "utf8") : null;
}

async function buildPage(): Promise<void> {
  const started = performance.now();
  mkdirSync(dist, { recursive: true });
  const fresh = mkdtempSync(join(dist, ".web-"));
  try {
    const { metafile } = await build({
      entryPoints: { app: join(web, "src", "main.tsx") },
      outdir: join(fresh, "assets"),
      entryNames: "[name]-[hash]",
      chunkNames: "[name]-[hash]",
      bundle: true,
      splitting: true,
      format: "esm",
      target: ["es2022"],
      minify: true,
      metafile: true,
      jsx: "automatic",
      define: { "process.env.NODE_ENV": '"production"' },
      legalComments: "none",
      logLevel: "warning",
    });
    writeFileSync(join(fresh, "index.html"), documentOf(metafile));
    writeFileSync(join(fresh, BUILT_FROM), sources);
    replace(fresh);
    report(metafile, performance.now() - started);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** The entry's script and styles, and an icon that needs no request. */
function documentOf(metafile: Metafile): string {
  const [script, entry] = Object.entries(metafile.outputs).find(([, one]) => one.entryPoint?.endsWith("main.tsx") === true) ?? [];
  if (script === undefined || entry?.cssBundle === undefined) throw new Error("esbuild made no script or no styles");
  const icon = `data:image/svg+xml,${encodeURIComponent(readFileSync(join(web, "icon.svg"), "utf8").trim())}`;
  return readFileSync(join(web, "index.html"), "utf8")
    .replace("%SCRIPT%", `/assets/${basename(script)}`)
    .replace("%STYLES%", `/assets/${basename(entry.cssBundle)}`)
    .replace("%ICON%", icon);
}

/** A folder can't be put in another's place in one step: of two that build at once, the second finds the place taken by the same. */
function replace(fresh: string): void {
  const old = mkdtempSync(join(dist, ".web-"));
  try {
    if (existsSync(out)) renameSync(out, join(old, "web"));
    renameSync(fresh, out);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!["ENOENT", "EEXIST", "ENOTEMPTY"].includes(code ?? "") || builtFrom() !== sources) throw error;
  } finally {
    rmSync(old, { recursive: true, force: true });
  }
}

function report(metafile: Metafile, ms: number): void {
  for (const path of Object.keys(metafile.outputs).toSorted()) {
    const bytes = readFileSync(join(out, "assets", basename(path)));
    const zipped = gzipSync(bytes, { level: 9 }).length;
    console.log(`${basename(path).padEnd(28)} ${kib(bytes.length)}  ${kib(zipped)} gz`);
  }
  console.log(`${out} in ${Math.round(ms)} ms`);
}

function kib(bytes: number): string {
  return `${(bytes / 1024).toFixed(1).padStart(7)} KiB`;
}
