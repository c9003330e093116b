/** The verl source tree of the pool, `common/code/verl-<version>`: what a TaskSpec names as its code_path. */
import { existsSync } from "node:fs";
import { cp, mkdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { mustSucceed, runChild } from "./child.ts";
import { removeLeftovers } from "./steps.ts";

export type CodeTreePlan = {
  /** The Python whose installed verl is copied: the wheel's own files, so nothing is downloaded twice. */
  readonly python: string;
  /** `<root>/common/code` */
  readonly codeDir: string;
  readonly verlVersion: string;
  readonly env: { readonly [key: string]: string };
  readonly logFile: string;
};

const WHERE = `
import importlib.util
print("verlpool-verl " + importlib.util.find_spec("verl").submodule_search_locations[0])
`;

export function codeTreeOf(codeDir: string, verlVersion: string): string {
  return join(codeDir, `verl-${verlVersion}`);
}

/**
 * Makes the tree beside its place and renames it. An existing tree of that name is replaced only if this is called, so an operator's own tree of the same
 * name (a patched verl) is the caller's to protect.
 */
export async function makeCodeTree(plan: CodeTreePlan, signal: AbortSignal): Promise<void> {
  const target = codeTreeOf(plan.codeDir, plan.verlVersion);
  await mkdir(plan.codeDir, { recursive: true });
  await removeLeftovers(target);
  const fresh = `${target}.making-${process.pid}`;
  // Timestamps kept: the compiled files beside the sources name them, and each of a job's dozen processes would compile verl again.
  await cp(await findVerl(plan, signal), join(fresh, "verl"), { recursive: true, preserveTimestamps: true });
  const version = (await readFile(join(fresh, "verl", "version", "version"), "utf8")).trim();
  if (version !== plan.verlVersion)
    throw new Error(`${plan.python} has verl ${version}, not ${plan.verlVersion}: delete that environment and run prepare again`);
  const compiled = await runChild(
    { command: plan.python, args: ["-m", "compileall", "-q", join(fresh, "verl")], env: plan.env, logFile: plan.logFile },
    signal,
  );
  mustSucceed(compiled, "compiling verl", plan.logFile, "Is the disk full?");
  if (existsSync(target)) {
    const old = join(plan.codeDir, `.verl-${plan.verlVersion}.old-${process.pid}`);
    await rename(target, old);
    await rename(fresh, target);
    await rm(old, { recursive: true });
  } else {
    await rename(fresh, target);
  }
  await linkDefault(plan);
}

/** `code/verl` → this tree, for people who type paths; one that exists already is the operator's choice. */
async function linkDefault(plan: CodeTreePlan): Promise<void> {
  try {
    await symlink(`verl-${plan.verlVersion}`, join(plan.codeDir, "verl"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

async function findVerl(plan: CodeTreePlan, signal: AbortSignal): Promise<string> {
  let place: string | null = null;
  const end = await runChild(
    {
      command: plan.python,
      args: ["-c", WHERE],
      cwd: "/",
      env: plan.env,
      logFile: plan.logFile,
      onLine: (line) => {
        if (line.startsWith("verlpool-verl ")) place = line.slice("verlpool-verl ".length);
        return "go_on";
      },
    },
    signal,
  );
  if (end.exitCode !== 0 || place === null)
    throw new Error(`${plan.python} has no verl: see ${plan.logFile}, or run prepare without --existing-python`);
  return place;
}
