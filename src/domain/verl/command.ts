/** TaskSpec + profile → what the launcher runs: an argv without a shell, its environment, and what it needs of the pool. */
import { EXPORT_NEEDS } from "../export.ts";
import { HF_HOME_DIR, isUnderCommon } from "../storage-layout.ts";
import type { Needs, TaskSpec } from "../types.ts";
import { encodeSetting } from "./hydra-value.ts";
import { compareVersions, verlMinor } from "./profile.ts";
import type { Profile, Setting } from "./profile.ts";

export type CommandInput = {
  readonly spec: TaskSpec;
  readonly profile: Profile;
  /** The verl version chosen for the task (`ProfileRef.verlVersion`). */
  readonly verlVersion: string;
  readonly taskId: string;
  readonly submissionId: string;
  /** Canonical job directory of the attempt (`jobDir` of storage-layout). */
  readonly jobDir: string;
  /** Canonical path → path as jobs see it (`pool.worker_root`). */
  readonly toWorker: (canonical: string) => string;
  /** Canonical `…/global_step_N` of an earlier attempt, which is only read; null = from the start. */
  readonly resume: { readonly path: string } | null;
  /** The pool's interpreter, unless the profile names its own. */
  readonly python: string;
  /** Directories (as jobs see them) behind the code on PYTHONPATH: the platform's own Python modules. */
  readonly platformDirs: readonly string[];
  /** Seconds that the launcher grants between TERM and KILL. */
  readonly graceS: number;
  /** When its time is over, in epoch milliseconds: verl is to save before; null = it has no limit. */
  readonly deadline: number | null;
};

/** What every job of a task has, whatever it runs. */
type EnvironmentInput = Pick<
  CommandInput,
  "spec" | "profile" | "taskId" | "submissionId" | "jobDir" | "toWorker" | "python" | "platformDirs" | "graceS"
>;

export type ExportInput = EnvironmentInput & {
  /** Canonical: the shards of the policy at one step, and the folder that is made of them. */
  readonly source: string;
  readonly target: string;
};

export type Command = { readonly argv: readonly string[]; readonly env: { readonly [key: string]: string }; readonly needs: Needs };

/** What every node of the task must have free: verl's placement groups and what its other actors may hold. The driver needs 0 CPU. */
export function needs(spec: Pick<TaskSpec, "nnodes" | "nGpusPerNode">, profile: Pick<Profile, "cpusPerGpu" | "cpusExtra">): Needs {
  return {
    nodes: spec.nnodes,
    gpusPerNode: spec.nGpusPerNode,
    cpusPerNode: spec.nGpusPerNode * profile.cpusPerGpu + profile.cpusExtra,
  };
}

/** verl writes metrics as JSON lines from 0.6 on; 0.5 has only the console. */
function loggers(verlVersion: string): readonly string[] {
  const minor = verlMinor(verlVersion);
  return minor !== null && compareVersions(minor, "0.6") < 0 ? ["console"] : ["console", "file"];
}

function trainerSettings(input: CommandInput): { [key: string]: Setting } {
  const { spec, profile, toWorker, resume } = input;
  const testFreq = spec.workload === "sft" && spec.valFile === null ? -1 : spec.testFreq;
  const keep: { readonly [key: string]: Setting } =
    spec.workload === "sft"
      ? { "trainer.max_ckpt_to_keep": profile.keepCheckpoints }
      : { "trainer.max_actor_ckpt_to_keep": profile.keepCheckpoints, "trainer.max_critic_ckpt_to_keep": profile.keepCheckpoints };
  return {
    "trainer.device": spec.trainerDevice ?? profile.device,
    "trainer.nnodes": spec.nnodes,
    "trainer.n_gpus_per_node": spec.nGpusPerNode,
    "trainer.total_epochs": spec.totalEpochs,
    "trainer.total_training_steps": spec.totalTrainingSteps,
    "trainer.save_freq": spec.saveFreq,
    "trainer.test_freq": testFreq,
    "trainer.project_name": "verlpool",
    "trainer.experiment_name": input.submissionId,
    "trainer.logger": loggers(input.verlVersion),
    "trainer.default_local_dir": toWorker(`${input.jobDir}/checkpoints`),
    ...keep,
    "trainer.resume_mode": resume === null ? "disable" : "resume_path",
    "trainer.resume_from_path": resume === null ? null : toWorker(resume.path),
    // Hydra's own files would otherwise go to ./outputs/<date>/<time> of whatever directory the driver starts in.
    "hydra.run.dir": toWorker(`${input.jobDir}/debug/hydra`),
  };
}

function specSettings(input: CommandInput): { readonly [key: string]: Setting } {
  const { spec, toWorker } = input;
  const model = spec.modelId.startsWith("/") ? toWorker(spec.modelId) : spec.modelId;
  const data = {
    "data.train_files": toWorker(spec.trainFile),
    "data.val_files": spec.valFile === null ? null : toWorker(spec.valFile),
  };
  const trainer = trainerSettings(input);
  switch (spec.workload) {
    case "sft":
      return { ...data, "model.path": model, ...trainer };
    case "grpo":
      return { "algorithm.adv_estimator": "grpo", ...data, "actor_rollout_ref.model.path": model, ...trainer };
    case "ppo": {
      const models = { "actor_rollout_ref.model.path": model, "critic.model.path": model };
      return { "algorithm.adv_estimator": "gae", ...data, ...models, ...trainer };
    }
  }
}

/** A profile names files by their canonical paths, like everybody; jobs get them as they see them. */
function mapPaths(value: Setting, toWorker: (canonical: string) => string): Setting {
  if (typeof value === "string") return isUnderCommon(value) ? toWorker(value) : value;
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((item: Setting) => mapPaths(item, toWorker));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapPaths(item, toWorker)]));
}

function override(key: string, value: Setting): string {
  const encoded = encodeSetting(value);
  if (!encoded.ok) throw new Error(`${key}: its value ${encoded.reason}`);
  return `${key}=${encoded.text}`;
}

/**
 * Our own Python modules that verl imports (src/python): RL beside other tasks needs its own TransferQueue, an SFT driver its own device, and
 * 0.9's trainer does not look at a time limit by itself.
 */
function platformModules(input: CommandInput): readonly string[] {
  const { spec, profile } = input;
  if (spec.workload === "sft") return ["verlpool_driver"];
  const minor = verlMinor(input.verlVersion);
  const looks = minor !== null && compareVersions(minor, "0.9") < 0;
  return [...(profile.exclusive ? [] : ["verlpool_isolation"]), ...(savesBefore(input) === null || looks ? [] : ["verlpool_deadline"])];
}

/** The instant before which RL is to save, in epoch seconds. SFT has no such look in any release, and what never saves has nothing to save. */
function savesBefore({ spec, deadline }: CommandInput): number | null {
  return deadline === null || spec.workload === "sft" || spec.saveFreq <= 0 ? null : Math.floor(deadline / 1000);
}

function environment(input: EnvironmentInput, platform: readonly string[], limit: number | null): { readonly [key: string]: string } {
  const { profile, toWorker } = input;
  const own = Object.entries(profile.env).map(([key, value]) => [key, isUnderCommon(value) ? toWorker(value) : value] as const);
  const { VERL_USE_EXTERNAL_MODULES: named, ...rest } = Object.fromEntries(own);
  const modules = [...(named ?? "").split(",").filter(Boolean), ...platform];
  return {
    ...rest,
    ...(modules.length > 0 ? { VERL_USE_EXTERNAL_MODULES: [...new Set(modules)].join(",") } : {}),
    // verl's own name for it (utils/checkpoint/checkpoint_manager.py, should_save_ckpt_esi).
    ...(limit === null ? {} : { MLP_CURRENT_CAPACITY_BLOCK_EXPIRATION_TIMESTAMP: String(limit) }),
    VERLPOOL_TASK_ID: input.taskId,
    VERLPOOL_ATTEMPT: input.submissionId,
    VERLPOOL_DRIVER_DEVICE: input.spec.trainerDevice ?? profile.device,
    VERL_FILE_LOGGER_PATH: toWorker(`${input.jobDir}/logs/metrics.jsonl`),
    PYTHONPATH: [toWorker(input.spec.codePath), ...input.platformDirs].join(":"),
    PYTHONUNBUFFERED: "1",
    HF_HOME: toWorker(HF_HOME_DIR),
    HF_HUB_OFFLINE: "1",
    // Without it setproctitle blanks /proc/PID/environ, and with it the attempt's tag (interfaces.md; measured).
    SPT_NOENV: "1",
    // Ray's own 3 s would kill the launcher before it can write result.json.
    RAY_JOB_STOP_WAIT_TIME_S: String(input.graceS + 10),
  };
}

function interpreter({ profile, python: ofPool, toWorker }: Pick<CommandInput, "profile" | "python" | "toWorker">): string {
  const python = profile.python ?? ofPool;
  return isUnderCommon(python) ? toWorker(python) : python;
}

/** verl's own merger, behind `verlpool_export.py`, which shows nothing of it before it is whole. With the task's interpreter, code and environment. */
export function buildExport(input: ExportInput): Command {
  const { source, target, toWorker } = input;
  return {
    argv: [interpreter(input), "-m", "verlpool_export", toWorker(source), toWorker(target)],
    env: environment(input, [], null),
    needs: EXPORT_NEEDS,
  };
}

/**
 * The command of one attempt. Each override is one element of argv, and its strings come back from Hydra byte for byte.
 * Throws for a value that cannot pass Hydra: a spec and a profile that were parsed have none, so it names a broken root in the configuration.
 */
export function buildCommand(input: CommandInput): Command {
  const { profile, spec } = input;
  const settings = Object.entries(profile.settings).map(([key, value]) => override(key, mapPaths(value, input.toWorker)));
  const own = Object.entries(specSettings(input)).map(([key, value]) => override(key, value));
  return {
    argv: [interpreter(input), "-m", profile.driver, ...settings, ...own],
    env: environment(input, platformModules(input), savesBefore(input)),
    needs: needs(spec, profile),
  };
}
