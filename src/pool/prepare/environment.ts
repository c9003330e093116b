/** The Python environment of the pool: a venv with verl, Ray and a torch that was chosen on purpose. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mustSucceed, runChild } from "./child.ts";
import type { Interpreter } from "./interpreter.ts";
import { decideTorch, resolveTorch } from "./torch-choice.ts";

export type EnvironmentPlan = {
  /** Where the environment will be; it can't be moved afterwards (its scripts name it). */
  readonly directory: string;
  readonly interpreter: Interpreter;
  /** The text of requirements.txt. */
  readonly requirements: string;
  readonly torchIndex: string | null;
  readonly hasGpu: boolean;
  readonly allowCuda: boolean;
  readonly env: { readonly [key: string]: string };
  readonly logFile: string;
};

export type Talk = { readonly progress: (text: string) => void; readonly warning: (text: string) => void };

/** Downloads below this size are not worth a line. */
const NOTABLE_MB = 20;
/** pip gives up on a time-out in the middle of a big file; what it has is kept, so another try goes on from there. */
const PIP_TRIES = 3;

export function pythonOf(directory: string): string {
  return join(directory, "bin", "python");
}

/**
 * Builds the environment anew. A killed run leaves a directory without a stamp, which the next run removes first.
 * Throws, having installed nothing, where pip would take a CUDA torch for a machine that has no use for it.
 */
export async function buildEnvironment(plan: EnvironmentPlan, talk: Talk, signal: AbortSignal): Promise<void> {
  await rm(plan.directory, { recursive: true, force: true });
  await mkdir(plan.directory, { recursive: true });
  await makeVenv(plan, talk, signal);
  const torch = torchRequirement(plan.requirements);
  const pipArgs = plan.torchIndex === null ? [] : ["--extra-index-url", plan.torchIndex];
  const pins = torch === null ? plan.requirements : await pinTorch(plan, torch, pipArgs, talk, signal);
  await installRequirements(plan, pins, pipArgs, talk, signal);
  await checkEnvironment({ python: pythonOf(plan.directory), env: plan.env, logFile: plan.logFile }, signal);
}

/** The line of the requirements that names torch, or null. */
export function torchRequirement(requirements: string): string | null {
  return (
    requirements
      .split("\n")
      .find((line) => /^torch\s*(?:[=<>!~]|$)/.test(line.trim()))
      ?.trim() ?? null
  );
}

/** The requirements with torch pinned to the very build that was looked at, so that the installation can't resolve to another one. */
export function withTorch(requirements: string, line: string, version: string | null): string {
  if (version === null) return requirements;
  return requirements.replace(line, `torch==${version}`);
}

async function pinTorch(
  plan: EnvironmentPlan,
  torch: string,
  pipArgs: readonly string[],
  talk: Talk,
  signal: AbortSignal,
): Promise<string> {
  talk.progress(`asking pip which build of ${torch} it would take`);
  const python = pythonOf(plan.directory);
  const reportFile = join(plan.directory, "torch-report.json");
  const build = await resolveTorch({ python, requirement: torch, pipArgs, env: plan.env, logFile: plan.logFile, reportFile }, signal);
  const decision = decideTorch(build, plan.hasGpu, plan.allowCuda);
  if (decision.kind === "refuse") throw new Error(decision.text);
  talk.progress(decision.text);
  if (decision.warning !== null) talk.warning(decision.warning);
  return withTorch(plan.requirements, torch, build.version);
}

async function makeVenv(plan: EnvironmentPlan, talk: Talk, signal: AbortSignal): Promise<void> {
  const { interpreter, logFile, env, directory } = plan;
  const python = interpreter.executable;
  if (interpreter.hasVenv) {
    const end = await runChild({ command: python, args: ["-m", "venv", directory], env, logFile }, signal);
    mustSucceed(end, `${python} -m venv`, logFile, "Install Debian's python3-venv, or name another Python with --python.");
    return;
  }
  talk.progress(`${python} has no venv (Debian: apt install python3-venv); using virtualenv in its place`);
  const target = join(directory, ".virtualenv");
  const got = await runChild(
    { command: python, args: ["-m", "pip", "install", "--disable-pip-version-check", "--target", target, "virtualenv"], env, logFile },
    signal,
  );
  mustSucceed(got, "pip install virtualenv", logFile, "Install Debian's python3-venv, or name another Python with --python.");
  const made = await runChild(
    { command: python, args: ["-m", "virtualenv", directory], env: { ...env, PYTHONPATH: target }, logFile },
    signal,
  );
  mustSucceed(made, "virtualenv", logFile, "Install Debian's python3-venv, or name another Python with --python.");
  await rm(target, { recursive: true, force: true });
}

async function installRequirements(
  plan: EnvironmentPlan,
  requirements: string,
  pipArgs: readonly string[],
  talk: Talk,
  signal: AbortSignal,
): Promise<void> {
  const file = join(plan.directory, "requirements.txt");
  await writeFile(file, requirements);
  const args = ["-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off", ...pipArgs, "-r", file];
  for (let attempt = 1; ; attempt += 1) {
    const end = await runChild(
      {
        command: pythonOf(plan.directory),
        args,
        env: plan.env,
        logFile: plan.logFile,
        onLine: (line) => {
          const notable = notableLine(line);
          if (notable !== null) talk.progress(notable);
          return "go_on";
        },
      },
      signal,
    );
    if (end.exitCode === 0) return;
    if (attempt === PIP_TRIES || !isNetworkTrouble(end.tail)) {
      mustSucceed(end, "pip install", plan.logFile, "If the index was not reachable, run prepare again: pip keeps what it has.");
    }
    talk.progress(`the network failed pip; try ${attempt + 1} of ${PIP_TRIES}`);
  }
}

/** The few lines of pip that a person wants to see. */
export function notableLine(line: string): string | null {
  const download = /Downloading\s+(?:\S*\/)?(\S+\.(?:whl|tar\.gz))\s+\((\d+(?:\.\d+)?)\s*(MB|GB)\)/.exec(line);
  if (download !== null) {
    const [, file, size, unit] = download;
    const megabytes = Number(size) * (unit === "GB" ? 1000 : 1);
    return megabytes >= NOTABLE_MB ? `downloading ${file} (${size} ${unit})` : null;
  }
  if (line.startsWith("Installing collected packages")) return `installing ${line.split(",").length} packages`;
  return null;
}

function isNetworkTrouble(tail: readonly string[]): boolean {
  return tail.some((line) =>
    /ReadTimeout|ConnectTimeout|ConnectionError|Connection broken|IncompleteRead|Temporary failure|ProtocolError/.test(line),
  );
}

/** What the pool's programs import; `verl` alone imports most of it. */
const CHECK = `
import json, torch, ray, verl, transformers, uvicorn, fastapi, transfer_queue
print("verlpool-check " + json.dumps({"verl": verl.__version__, "ray": ray.__version__, "torch": torch.__version__, "cuda": torch.version.cuda}))
`;

export type EnvironmentFacts = { readonly verl: string; readonly ray: string; readonly torch: string; readonly cuda: string | null };

/** Imports what a job needs. Throws with the import's own error and what to do. */
export async function checkEnvironment(
  where: { readonly python: string; readonly env: { readonly [key: string]: string }; readonly logFile: string },
  signal: AbortSignal,
): Promise<EnvironmentFacts> {
  let found: EnvironmentFacts | null = null;
  const end = await runChild(
    {
      command: where.python,
      args: ["-c", CHECK],
      // `-c` puts the working directory first on sys.path: a folder `ray` there must not be taken for the package.
      cwd: "/",
      env: where.env,
      logFile: where.logFile,
      onLine: (line) => {
        if (line.startsWith("verlpool-check ")) found = JSON.parse(line.slice("verlpool-check ".length)) as EnvironmentFacts;
        return "go_on";
      },
    },
    signal,
  );
  mustSucceed(
    end,
    `importing verl with ${where.python}`,
    where.logFile,
    "Delete the environment and run prepare again, or install what is missing there.",
  );
  if (found === null) throw new Error(`${where.python} imported verl and printed nothing; see ${where.logFile}`);
  return found;
}
