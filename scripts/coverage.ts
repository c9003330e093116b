/**
 * Lines of src covered by everything the test run started: vitest's own report, what V8 wrote in the processes that tests started (servers, command
 * lines, helpers), which run the same .ts files through Node's type stripping, and what test/support/trace_launch.py noted of the launcher.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { convert } from "ast-v8-to-istanbul";
import { parseSync } from "oxc-parser";
import { root } from "./steps.ts";

const LAUNCHER = join(root, "src", "launcher", "launch.py");
/** Prints the numbers of the lines that a Python file can run. */
const PYTHON_LINES = `
import json, sys
def lines(code):
    own = {line for _, _, line in code.co_lines() if line}
    return own.union(*(lines(const) for const in code.co_consts if hasattr(const, "co_lines")))
print(json.dumps(sorted(lines(compile(open(sys.argv[1]).read(), sys.argv[1], "exec")))))
`;

/** Line number → how often it ran. */
type Lines = Map<number, number>;
type FileReport = {
  readonly statementMap: { readonly [id: string]: { readonly start: { readonly line: number } } };
  readonly s: { readonly [id: string]: number };
};
type ScriptCoverage = Parameters<typeof convert>[0]["coverage"];

export type FileCoverage = { readonly file: string; readonly covered: number; readonly total: number; readonly missed: readonly number[] };
export type Coverage = {
  readonly files: readonly FileCoverage[];
  readonly covered: number;
  readonly total: number;
  readonly percent: number;
};

/**
 * `reports`: coverage-final.json files of vitest. `rawDirs`: folders that were NODE_V8_COVERAGE for child processes. `launcherNotes`: the folder of the
 * launcher's traces, null = not measured. Missing ones count as empty.
 */
export async function measureCoverage(
  reports: readonly string[],
  rawDirs: readonly string[],
  launcherNotes: string | null,
): Promise<Coverage> {
  const byFile = new Map<string, Lines>();
  for (const path of reports.filter((report) => existsSync(report))) {
    for (const [file, report] of Object.entries<FileReport>(JSON.parse(readFileSync(path, "utf8"))))
      addLines(byFile, file, linesOf(report));
  }
  for (const script of childScripts(rawDirs)) addLines(byFile, fileURLToPath(script.url), linesOf(await toReport(script)));
  if (launcherNotes !== null) addLines(byFile, LAUNCHER, launcherLines(launcherNotes));
  const files = [...byFile].map(([file, lines]) => fileCoverage(file, lines));
  const covered = files.reduce((sum, file) => sum + file.covered, 0);
  const total = files.reduce((sum, file) => sum + file.total, 0);
  return { files, covered, total, percent: total === 0 ? 0 : (100 * covered) / total };
}

/** The files that lack most, worst first, one a line. */
export function describeLowest(coverage: Coverage, count: number): string {
  const lowest = coverage.files.filter((file) => file.covered < file.total).toSorted((a, b) => b.missed.length - a.missed.length);
  return lowest
    .slice(0, count)
    .map((file) => `${percent(file).padStart(6)}  ${file.file}  not run: ${ranges(file.missed)}`)
    .join("\n");
}

function percent(file: FileCoverage): string {
  return `${((100 * file.covered) / file.total).toFixed(1)}%`;
}

function ranges(lines: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const line of lines) {
    const last = runs.at(-1);
    if (last !== undefined && line <= last[1] + 2) last[1] = line;
    else runs.push([line, line]);
  }
  const shown = runs.slice(0, 12).map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`));
  return shown.join(", ") + (runs.length > shown.length ? ", …" : "");
}

function fileCoverage(file: string, lines: Lines): FileCoverage {
  const missed = [...lines]
    .filter(([, hits]) => hits === 0)
    .map(([line]) => line)
    .toSorted((a, b) => a - b);
  return { file: relative(root, file), covered: lines.size - missed.length, total: lines.size, missed };
}

/** A line counts as run when any statement that starts on it ran. */
function linesOf(report: FileReport): Lines {
  const lines: Lines = new Map();
  for (const [id, { start }] of Object.entries(report.statementMap))
    lines.set(start.line, Math.max(lines.get(start.line) ?? 0, report.s[id] ?? 0));
  return lines;
}

function addLines(byFile: Map<string, Lines>, file: string, lines: Lines): void {
  const known = byFile.get(file);
  if (known === undefined) byFile.set(file, lines);
  else for (const [line, hits] of lines) known.set(line, (known.get(line) ?? 0) + hits);
}

/** Each distinct coverage of a file of src once: a suite starts the same command line hundreds of times. */
function childScripts(rawDirs: readonly string[]): readonly ScriptCoverage[] {
  const distinct = new Map<string, ScriptCoverage>();
  for (const path of rawDirs.filter((dir) => existsSync(dir)).flatMap((dir) => readdirSync(dir).map((name) => join(dir, name)))) {
    for (const script of readScripts(path)) {
      if (!isSource(script.url)) continue;
      distinct.set(`${script.url} ${createHash("sha256").update(JSON.stringify(script.functions)).digest("hex")}`, script);
    }
  }
  return [...distinct.values()];
}

function readScripts(path: string): readonly ScriptCoverage[] {
  return readWhole<{ readonly result: readonly ScriptCoverage[] }>(path)?.result ?? [];
}

/** null = a process was killed while it wrote: it counts for nothing. */
function readWhole<T>(path: string): T | null {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
}

function isSource(url: string): boolean {
  if (!url.startsWith("file://") || !url.endsWith(".ts") || url.endsWith(".test.ts")) return false;
  const file = fileURLToPath(url);
  return file.startsWith(join(root, "src/")) && existsSync(file);
}

function launcherLines(notes: string): Lines {
  const runnable: readonly number[] = JSON.parse(execFileSync("python3", ["-c", PYTHON_LINES, LAUNCHER], { encoding: "utf8" }));
  const lines: Lines = new Map(runnable.map((line) => [line, 0]));
  const names = existsSync(notes) ? readdirSync(notes) : [];
  for (const line of names.flatMap((name) => readWhole<readonly number[]>(join(notes, name)) ?? [])) {
    if (lines.has(line)) lines.set(line, 1);
  }
  return lines;
}

async function toReport(script: ScriptCoverage): Promise<FileReport> {
  const file = fileURLToPath(script.url);
  // Stripping puts blanks where types stood, so offsets and lines are those of the source.
  const code = stripTypeScriptTypes(readFileSync(file, "utf8"));
  const { program } = parseSync(file.replace(/\.ts$/, ".js"), code, { sourceType: "module" });
  const reports: { readonly [file: string]: FileReport } = await convert({
    ast: { ...program, type: "Program" },
    code,
    wrapperLength: 0,
    coverage: script,
  });
  return Object.values(reports)[0] ?? { statementMap: {}, s: {} };
}
