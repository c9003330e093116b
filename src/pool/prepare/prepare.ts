/**
 * `verlpool prepare`: what a pool needs on its shared storage before the first task. Idempotent: a second run re-uses everything; a run that was killed
 * goes on with the step it was in. Each step says what it will do before it does it, and how long it took.
 */
import { join } from "node:path";
import { codeTreeOf, makeCodeTree } from "./code-tree.ts";
import { demoPaths, makeDemo } from "./demo-files.ts";
import { buildEnvironment, checkEnvironment, pythonOf, type Talk } from "./environment.ts";
import { type ExecutableSource, publishStep } from "./executable-step.ts";
import { findInterpreter, hasNvidiaGpu } from "./interpreter.ts";
import { endLeftPrograms, prepareTag } from "./left-programs.ts";
import { takePrepareLock } from "./prepare-lock.ts";
import { installModules, makeDirectories, modulesHash, publishProfiles, type TextFile } from "./published-files.ts";
import { sha256, stepRunner, writeDurably, type Report, type Step, type StepName, type StepResult, type StepRunner } from "./steps.ts";

export type PrepareOptions = {
  /** The shared root as this machine sees it. */
  readonly root: string;
  /** `--python`: what the environment is built from; null = the best in PATH. */
  readonly python: string | null;
  /** `--existing-python`: an environment that has verl already; it is checked and used as it is, and nothing is installed. */
  readonly existingPython: string | null;
  /** `--torch-index`: one more package index for torch. */
  readonly torchIndex: string | null;
  /** `--allow-cuda`: take a CUDA build of torch even without a GPU. */
  readonly allowCuda: boolean;
  /** The text of python/requirements.txt. */
  readonly requirements: string;
  /** The platform's Python files, make_demo.py among them. */
  readonly modules: readonly TextFile[];
  readonly profiles: readonly TextFile[];
  /** The single executable for hosts without Node; null = leave it out. */
  readonly executable: ExecutableSource | null;
  /** Extra arguments of make_demo.py; [] = the demo's own recipe. */
  readonly demoArgs: readonly string[];
  /** The environment for pip and Python: proxies and pip's settings, nothing secret (plain-env.ts). */
  readonly env: { readonly [key: string]: string };
  readonly monotonicMs: () => number;
};

export type Prepared = {
  /** The interpreter of the environment, for `pool.python`. */
  readonly pythonPath: string;
  /** Where the platform's Python modules lie: the second entry of a job's PYTHONPATH. */
  readonly modulesPath: string;
  /** Canonical, for a TaskSpec. */
  readonly codePath: string;
  readonly verlVersion: string;
  readonly logFile: string;
  readonly steps: readonly StepResult[];
};

/** Throws, after saying which step, with what happened and what to do; rejects with the signal's reason on abort. */
export async function prepare(options: PrepareOptions, report: Report, signal: AbortSignal): Promise<Prepared> {
  const own = join(options.root, "common", "verlpool");
  await makeDirectories(options.root);
  const lock = await takePrepareLock(join(own, "prepare.lock"));
  try {
    await endLeftPrograms(options.root, options.monotonicMs, signal);
    return await prepareLocked(options, own, report, signal);
  } finally {
    await lock.release();
  }
}

async function prepareLocked(options: PrepareOptions, own: string, report: Report, signal: AbortSignal): Promise<Prepared> {
  const common = join(options.root, "common");
  const logFile = join(common, "logs", "prepare.log");
  const run = stepRunner(join(own, "stamps"), report, options.monotonicMs, signal);
  const steps: StepResult[] = [];
  const step: StepRunner = async (one: Step) => {
    const result = await run(one);
    steps.push(result);
    return result;
  };
  const talk = (name: StepName): Talk => ({
    progress: (text) => report({ kind: "progress", step: name, text }),
    warning: (text) => report({ kind: "warning", step: name, text }),
  });

  const modulesPath = join(own, "python", modulesHash(options.modules));
  await step({
    name: "modules",
    will: `install the platform's Python modules into ${modulesPath}`,
    result: `Python modules: ${modulesPath}`,
    inputs: [modulesPath],
    outputs: [modulesPath],
    run: async () => void (await installModules(join(own, "python"), options.modules)),
  });
  const pythonPath = await prepareEnvironment(options, own, logFile, step, talk("environment"), signal);
  const verlVersion = requiredVerl(options.requirements);
  const python = { python: pythonPath, env: childEnv(options), logFile };
  const codeDir = join(common, "code");
  const codeTree = codeTreeOf(codeDir, verlVersion);
  await step({
    name: "code",
    will: `copy verl ${verlVersion} to ${codeTree}`,
    result: `verl source tree: ${codeTree}`,
    inputs: [codeTree],
    outputs: [join(codeTree, "verl", "version", "version")],
    run: () => makeCodeTree({ ...python, codeDir, verlVersion }, signal),
  });
  const script = join(modulesPath, "make_demo.py");
  await step({
    name: "demo",
    will: "make the demo's model and data on this machine (no download; one to two minutes on two cores)",
    result: `demo model and data: ${join(common, "models", "verlpool-demo")}, ${join(common, "datasets", "gsm8k-demo")}[-sft]`,
    inputs: [textOf(options.modules, "make_demo.py"), ...options.demoArgs],
    outputs: Object.values(demoPaths(common)),
    run: () => makeDemo({ ...python, script, common, args: options.demoArgs }, talk("demo").progress, signal),
  });
  const profilesDir = join(own, "profiles");
  await step({
    name: "profiles",
    will: `write ${options.profiles.map((profile) => profile.name).join(", ")} into ${profilesDir}`,
    result: `profiles: ${profilesDir}`,
    inputs: options.profiles.flatMap((profile) => [profile.name, profile.text]),
    outputs: options.profiles.map((profile) => join(profilesDir, profile.name)),
    run: async () => {
      const kept = await publishProfiles(profilesDir, options.profiles);
      if (kept.length > 0)
        talk("profiles").warning(`kept as somebody edited them: ${kept.join(", ")}. Delete them and run prepare again for this version's`);
    },
  });
  if (options.executable !== null) {
    const published = await publishStep(
      { source: options.executable, directory: own, logFile, monotonicMs: options.monotonicMs },
      report,
      signal,
    );
    if (published !== null) steps.push(published);
  }
  const prepared = { pythonPath, modulesPath, codePath: `/private/common/code/verl-${verlVersion}`, verlVersion, logFile };
  // Where other commands and the operator's scripts find what was prepared.
  await writeDurably(join(own, "prepared.json"), `${JSON.stringify({ schema: 1, ...prepared }, null, 2)}\n`, 0o644);
  return { ...prepared, steps };
}

async function prepareEnvironment(
  options: PrepareOptions,
  own: string,
  logFile: string,
  step: StepRunner,
  talk: Talk,
  signal: AbortSignal,
): Promise<string> {
  const env = childEnv(options);
  if (options.existingPython !== null) {
    const python = options.existingPython;
    await step({
      name: "environment",
      will: `check that ${python} has verl and Ray`,
      result: `Python environment: ${python} (as it is)`,
      inputs: [python],
      // A bare name is looked up in PATH, where there is no file to see.
      outputs: python.includes("/") ? [python] : [],
      run: async () => {
        const facts = await checkEnvironment({ python, env, logFile }, signal);
        const wanted = requiredVerl(options.requirements);
        if (facts.verl !== wanted) throw new Error(`${python} has verl ${facts.verl}; this version of verlpool prepares ${wanted}`);
        talk.progress(`verl ${facts.verl}, Ray ${facts.ray}, torch ${facts.torch}`);
      },
    });
    return python;
  }
  const { interpreter, warning } = await findInterpreter(options.python, env, signal);
  if (warning !== null) talk.warning(warning);
  const hasGpu = await hasNvidiaGpu(env, signal);
  const inputs = [options.requirements, interpreter.version, interpreter.machine, String(hasGpu), options.torchIndex ?? ""];
  const directory = join(own, "env", sha256(...inputs).slice(0, 12));
  await step({
    name: "environment",
    will: `build a Python ${interpreter.version} environment in ${directory} (about 2 GB; two to ten minutes, log in ${logFile})`,
    result: `Python environment: ${directory}`,
    inputs,
    outputs: [pythonOf(directory)],
    // With each environment its own: going back to an earlier one finds it complete.
    stamp: join(directory, ".complete"),
    run: () =>
      buildEnvironment(
        {
          directory,
          interpreter,
          hasGpu,
          env,
          logFile,
          requirements: options.requirements,
          torchIndex: options.torchIndex,
          allowCuda: options.allowCuda,
        },
        talk,
        signal,
      ),
  });
  return pythonOf(directory);
}

/** A PYTHONPATH or an active virtual environment of the caller would mix its packages into ours. */
function childEnv(options: PrepareOptions): { readonly [key: string]: string } {
  const { PYTHONPATH: _path, PYTHONHOME: _home, VIRTUAL_ENV: _venv, PYTHONDONTWRITEBYTECODE: _bytecode, ...rest } = options.env;
  return { ...rest, PYTHONUNBUFFERED: "1", ...prepareTag(options.root) };
}

function requiredVerl(requirements: string): string {
  const version = /^verl==(\S+)\s*$/m.exec(requirements)?.[1];
  if (version === undefined) throw new Error("the requirements pin no verl (verl==X.Y.Z): this build of verlpool is damaged");
  return version;
}

function textOf(files: readonly TextFile[], name: string): string {
  const file = files.find((one) => one.name === name);
  if (file === undefined) throw new Error(`this build of verlpool lacks its file python/${name}`);
  return file.text;
}
