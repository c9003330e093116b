/**
 * What would fail minutes after the start is said at submission: columns, rows, batch sizes, and what the run comes to. Pure; read by storage.
 * The rules are verl's own, as read in its releases (`utils/dataset/rl_dataset.py`, `multiturn_sft_dataset.py`, `utils/config.py`).
 */
import type { TaskSpec } from "./types.ts";
import type { Setting } from "./verl/profile.ts";

/** `messages`: a list of structs with `role` and `content`. `fields`: of a struct, or of a list's structs. */
export type DataColumn = {
  readonly name: string;
  readonly shape: "text" | "messages" | "list" | "struct" | "other";
  readonly fields: readonly string[];
};

export type DataFile =
  | { readonly kind: "parquet"; readonly rows: number; readonly columns: readonly DataColumn[] }
  | { readonly kind: "unreadable"; readonly why: string };

export type ModelFiles =
  /** `parameters`: by the size of the weights and the type that config.json names; null where that can't be told. */
  | { readonly kind: "read"; readonly parameters: number | null }
  | { readonly kind: "no_config" }
  | { readonly kind: "bad_config"; readonly why: string };

/** What stands at a path that a TaskSpec names. */
export type PathCheck =
  | { readonly kind: "ok" }
  | { readonly kind: "missing" }
  | { readonly kind: "outside"; readonly target: string }
  | { readonly kind: "wrong_type"; readonly found: string }
  /** The world could not be read in time: accepted with a warning. */
  | { readonly kind: "unknown"; readonly error: string };

/** What a task would train on, as it lies on shared storage now. */
export type TrainingInputs = {
  /** The code tree holds verl's own data sets. Another trainer may want other columns, so its findings are warnings. */
  readonly isVerl: boolean;
  /** The code tree asserts that the batch can be divided among the GPUs. */
  readonly checksBatch: boolean;
  readonly train: DataFile;
  readonly val: DataFile | null;
  readonly model: ModelFiles;
  /** What tells a data file from another of the same name. */
  readonly identity: { readonly train: FileIdentity | null; readonly val: FileIdentity | null };
};

/** `modifiedAt`: epoch ms. */
export type FileIdentity = { readonly bytes: number; readonly modifiedAt: number };

type SpecField = "train_file" | "val_file" | "model_id" | "n_gpus_per_node" | "code_path";

/** `found` and `allowed` as in an error of the spec. */
export type Finding = { readonly field: SpecField; readonly text: string; readonly found: string | null; readonly allowed: string };

/** What a run comes to, from the row counts and the profile. null = not known. Rows that verl leaves out as too long are counted. */
export type TrainingPlan = {
  readonly trainRows: number | null;
  readonly valRows: number | null;
  readonly trainBatchSize: number | null;
  readonly stepsPerEpoch: number | null;
  readonly totalSteps: number | null;
  /** How many checkpoints it saves, and how many of them are kept. */
  readonly checkpoints: number | null;
  readonly checkpointsKept: number | null;
  /** Of one checkpoint: weights and Adam's two moments in 32 bits each, 12 bytes a parameter; PPO's critic as much again. */
  readonly checkpointBytes: number | null;
};

export type PreflightProfile = { readonly settings: { readonly [key: string]: Setting }; readonly keepCheckpoints: number | null };

export type Preflight = { readonly errors: readonly Finding[]; readonly warnings: readonly Finding[]; readonly plan: TrainingPlan };

const CHECKPOINT_BYTES_A_PARAMETER = 12;

export function preflight(spec: TaskSpec, profile: PreflightProfile, inputs: TrainingInputs): Preflight {
  const plan = trainingPlan(spec, profile, inputs);
  const found = [
    ...dataFindings("train_file", spec, profile, inputs.train),
    ...(inputs.val === null ? [] : dataFindings("val_file", spec, profile, inputs.val)),
    ...rowFindings(spec, plan),
    ...modelFindings(spec, inputs.model),
  ];
  const batch = batchFindings(spec, profile);
  const isSure = inputs.isVerl;
  return {
    errors: [...(isSure ? found : []), ...(inputs.checksBatch ? batch : [])],
    warnings: [...(isSure ? [] : found), ...(inputs.checksBatch ? [] : batch)],
    plan,
  };
}

function setting(profile: PreflightProfile, key: string): Setting | undefined {
  return profile.settings[key] ?? profile.settings[`+${key}`] ?? profile.settings[`++${key}`];
}

function count(profile: PreflightProfile, key: string): number | null {
  const value = setting(profile, key);
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : null;
}

function word(profile: PreflightProfile, key: string, standard: string): string {
  const value = setting(profile, key);
  return typeof value === "string" ? value : standard;
}

/** True where the profile brings its own reader or reward: then columns beside the prompt are its own affair. */
function isCustom(profile: PreflightProfile, ...marks: readonly string[]): boolean {
  return Object.keys(profile.settings).some((key) => marks.some((mark) => key.includes(mark)));
}

function dataFindings(field: "train_file" | "val_file", spec: TaskSpec, profile: PreflightProfile, file: DataFile): readonly Finding[] {
  const path = (field === "train_file" ? spec.trainFile : spec.valFile) ?? "";
  if (file.kind === "unreadable") {
    return [{ field, text: `${path} can't be read as parquet: ${file.why}`, found: path, allowed: "a complete parquet file" }];
  }
  if (isCustom(profile, "data.custom_cls")) return [];
  return spec.workload === "sft" ? sftColumns(field, path, profile, file) : rlColumns(field, path, profile, file);
}

type Parquet = Extract<DataFile, { kind: "parquet" }>;

function missing(field: SpecField, path: string, name: string, file: Parquet, what: string): Finding {
  const names = file.columns.map((column) => column.name);
  return { field, text: `${path} has no column ${name}, which is ${what}`, found: names.join(", "), allowed: `a column ${name}` };
}

function notMessages(field: SpecField, path: string, column: DataColumn): Finding {
  return {
    field,
    text: `${path}: its column ${column.name} holds no chat messages but ${shapeText(column)}; verl gives it to the chat template`,
    found: shapeText(column),
    allowed: "a list of {role, content}",
  };
}

function shapeText({ shape, fields }: DataColumn): string {
  const inside = fields.length === 0 ? "" : ` of {${fields.join(", ")}}`;
  return shape === "text" ? "text" : shape === "list" ? `a list${inside}` : shape === "struct" ? `a struct${inside}` : "other values";
}

function sftColumns(field: "train_file" | "val_file", path: string, profile: PreflightProfile, file: Parquet): readonly Finding[] {
  const key = word(profile, "data.messages_key", "messages");
  const column = file.columns.find(({ name }) => name === key);
  if (column === undefined) return [missing(field, path, key, file, "what SFT trains on")];
  return column.shape === "messages" ? [] : [notMessages(field, path, column)];
}

function rlColumns(field: "train_file" | "val_file", path: string, profile: PreflightProfile, file: Parquet): readonly Finding[] {
  const findings: Finding[] = [];
  const key = word(profile, "data.prompt_key", "prompt");
  const prompt = file.columns.find(({ name }) => name === key);
  if (prompt === undefined) findings.push(missing(field, path, key, file, "the chat messages of RL"));
  else if (prompt.shape !== "messages") findings.push(notMessages(field, path, prompt));
  if (isCustom(profile, "custom_reward_function", "reward_manager", "reward_model.enable")) return findings;
  const source = word(profile, "data.reward_fn_key", "data_source");
  if (!file.columns.some(({ name }) => name === source)) {
    findings.push(missing(field, path, source, file, "how verl chooses the reward function"));
  }
  const reward = file.columns.find(({ name }) => name === "reward_model");
  if (reward === undefined) findings.push(missing(field, path, "reward_model", file, "where the reward looks for ground_truth"));
  else if (reward.shape === "struct" && !reward.fields.includes("ground_truth")) {
    const text = `${path}: its column reward_model has no ground_truth, which the reward is computed from`;
    findings.push({ field, text, found: shapeText(reward), allowed: "a struct with ground_truth" });
  }
  return findings;
}

function rowFindings(spec: TaskSpec, plan: TrainingPlan): readonly Finding[] {
  const { trainRows, valRows, trainBatchSize } = plan;
  const findings: Finding[] = [];
  const train = { field: "train_file", found: `${trainRows} rows` } as const;
  if (trainRows === 0) findings.push({ ...train, text: `${spec.trainFile} has no rows`, allowed: "at least one batch of rows" });
  else if (plan.stepsPerEpoch === 0) {
    const text = `${spec.trainFile} has ${trainRows} rows, fewer than one batch of ${trainBatchSize} (data.train_batch_size of the profile): verl drops the incomplete batch, and nothing is left`;
    findings.push({ ...train, text, allowed: `at least ${trainBatchSize} rows, or a profile with a smaller batch` });
  }
  if (valRows === 0) {
    findings.push({ field: "val_file", text: `${spec.valFile} has no rows`, found: "0 rows", allowed: "at least one row" });
  }
  return findings;
}

function modelFindings(spec: TaskSpec, model: ModelFiles): readonly Finding[] {
  const at = { field: "model_id", found: spec.modelId, allowed: "a model folder with a config.json" } as const;
  if (model.kind === "no_config") return [{ ...at, text: `${spec.modelId} has no config.json` }];
  return model.kind === "bad_config" ? [{ ...at, text: `config.json of ${spec.modelId} can't be read: ${model.why}` }] : [];
}

/** verl's validate_config, for FSDP: `real_train_batch_size must be divisible by minimal possible batch size`. */
function batchFindings(spec: TaskSpec, profile: PreflightProfile): readonly Finding[] {
  const batch = count(profile, "data.train_batch_size");
  if (spec.workload === "sft" || batch === null) return [];
  if (setting(profile, "actor_rollout_ref.actor.use_dynamic_bsz") === true) return [];
  if (word(profile, "actor_rollout_ref.actor.strategy", "fsdp") === "megatron") return [];
  const samples = count(profile, "actor_rollout_ref.rollout.n") ?? 1;
  const gpus = spec.nnodes * spec.nGpusPerNode;
  if ((batch * samples) % gpus === 0) return [];
  return [
    {
      field: "n_gpus_per_node",
      text:
        `${spec.nnodes} × ${spec.nGpusPerNode} = ${gpus} GPUs do not divide the batch of ${batch} × ${samples} = ${batch * samples} ` +
        "(data.train_batch_size × rollout.n of the profile), which verl refuses at its start",
      found: String(gpus),
      allowed: `a number of GPUs that divides ${batch * samples}, or a profile with another batch`,
    },
  ];
}

function trainingPlan(spec: TaskSpec, profile: PreflightProfile, { train, val, model }: TrainingInputs): TrainingPlan {
  const trainRows = rowsOf(train, count(profile, "data.train_max_samples"));
  const trainBatchSize = count(profile, "data.train_batch_size");
  const stepsPerEpoch = trainRows === null || trainBatchSize === null ? null : Math.floor(trainRows / trainBatchSize);
  const all = stepsPerEpoch === null ? null : stepsPerEpoch * spec.totalEpochs;
  const totalSteps = all === null ? null : Math.min(all, spec.totalTrainingSteps ?? all);
  const checkpoints = totalSteps === null ? null : checkpointCount(spec, totalSteps);
  const parameters = model.kind === "read" ? model.parameters : null;
  return {
    trainRows,
    valRows: val === null ? null : rowsOf(val, count(profile, "data.val_max_samples")),
    trainBatchSize,
    stepsPerEpoch,
    totalSteps,
    checkpoints,
    checkpointsKept: checkpoints === null ? null : Math.min(checkpoints, profile.keepCheckpoints ?? checkpoints),
    checkpointBytes: parameters === null ? null : parameters * CHECKPOINT_BYTES_A_PARAMETER * (spec.workload === "ppo" ? 2 : 1),
  };
}

function rowsOf(file: DataFile, cap: number | null): number | null {
  return file.kind === "parquet" ? Math.min(file.rows, cap ?? file.rows) : null;
}

/** Both trainers save at the last step too; RL never with −1, SFT then only there. */
function checkpointCount(spec: TaskSpec, totalSteps: number): number {
  if (totalSteps === 0) return 0;
  if (spec.saveFreq === -1) return spec.workload === "sft" ? 1 : 0;
  return Math.ceil(totalSteps / spec.saveFreq);
}
