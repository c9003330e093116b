/** The step of `prepare` that publishes the single executable, from wherever this program can get one. */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { copyFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { mustSucceed, runChild } from "./child.ts";
import { isCurrent, publishExecutable } from "./executable.ts";
import type { Report, StepResult } from "./steps.ts";

export type ExecutableSource =
  /** `path`: this very program. */
  | { readonly kind: "copy"; readonly version: string; readonly build: string; readonly path: string }
  /** The command builds it into the path that is added as its last argument. */
  | {
      readonly kind: "build";
      readonly version: string;
      readonly build: string;
      readonly command: string;
      readonly args: readonly string[];
      readonly env: { readonly [key: string]: string };
    }
  /** This program can't make one; `why` says what is missing and how to get it. */
  | { readonly kind: "missing"; readonly why: string };

export type ExecutableStep = {
  readonly source: ExecutableSource;
  /** `common/verlpool` */
  readonly directory: string;
  readonly logFile: string;
  readonly monotonicMs: () => number;
};

const NAME = "executable";
/** Far more than a start takes, on storage that is far away too. */
const PROOF_MS = 60_000;

/** Null, with a warning, where there is no way to an executable: everything but hosts without Node works without one. */
export async function publishStep(step: ExecutableStep, report: Report, signal: AbortSignal): Promise<StepResult | null> {
  const { source, directory } = step;
  if (source.kind === "missing") {
    report({ kind: "warning", step: NAME, text: source.why });
    return null;
  }
  const started = step.monotonicMs();
  const reused = await isCurrent({ directory, ...source });
  const link = join(directory, "current", "verlpool");
  if (!reused) {
    const how = source.kind === "build" ? "build the single executable" : "copy this executable";
    report({ kind: "started", step: NAME, text: `${how} (about 130 MB) for hosts without Node; its name is ${link}` });
    await publishExecutable({
      directory,
      version: source.version,
      build: source.build,
      make: (path) => make(source, path, step.logFile, signal),
      prove: (path) => prove(path, source.version, signal),
    });
  }
  const result = { name: NAME, seconds: (step.monotonicMs() - started) / 1000, reused } as const;
  report({ kind: "done", step: NAME, seconds: result.seconds, reused, text: `executable: ${link}${await others(directory)}` });
  return result;
}

async function make(
  source: Exclude<ExecutableSource, { readonly kind: "missing" }>,
  path: string,
  logFile: string,
  signal: AbortSignal,
): Promise<void> {
  if (source.kind === "copy") return copyFile(source.path, path, constants.COPYFILE_FICLONE);
  const end = await runChild({ command: source.command, args: [...source.args, path], env: source.env, logFile }, signal);
  mustSucceed(end, "building the single executable", logFile, "Or leave it out: `verlpool prepare --no-executable`.");
}

async function prove(path: string, version: string, signal: AbortSignal): Promise<void> {
  try {
    const { stdout } = await promisify(execFile)(path, ["--version"], { env: {}, timeout: PROOF_MS, signal });
    if (stdout.trim() === version) return;
    throw new Error(`it calls itself ${stdout.trim().slice(0, 40)}, not ${version}`);
  } catch (error) {
    signal.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    const hint = (error as NodeJS.ErrnoException).code === "EACCES" ? " Is the storage mounted noexec?" : "";
    throw new Error(
      `the single executable does not run from ${path}: ${why}.${hint} Or leave it out: \`verlpool prepare --no-executable\`.`,
      {
        cause: error,
      },
    );
  }
}

/** Older ones are never deleted here: an agent of another host may run from them, and would die with its file. */
async function others(directory: string): Promise<string> {
  const sizes = await Promise.all(
    (await readdir(directory)).filter((name) => /^\d/.test(name)).map((name) => sizeOf(join(directory, name, "verlpool"))),
  );
  const older = sizes.filter((size) => size > 0).length - 1;
  return older < 2
    ? ""
    : `; ${older} older ones beside it, ${Math.round(sizes.reduce((a, b) => a + b, 0) / 1e6)} MB in all: delete those that no agent runs`;
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}
