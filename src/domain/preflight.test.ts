import { describe, expect, it } from "vitest";
import { newTask } from "../../test/support/task-samples.ts";
import { type DataColumn, type DataFile, preflight, type PreflightProfile, type TrainingInputs } from "./preflight.ts";
import type { TaskSpec } from "./types.ts";

const SPEC: TaskSpec = {
  ...newTask("mvp2-alice-ppo-20260101-000000-00000000").spec,
  workload: "grpo",
  nnodes: 2,
  nGpusPerNode: 4,
  totalEpochs: 2,
  totalTrainingSteps: null,
  saveFreq: 10,
  valFile: "/private/common/datasets/val.parquet",
};
const PROFILE: PreflightProfile = {
  settings: { "data.train_batch_size": 256, "actor_rollout_ref.rollout.n": 5 },
  keepCheckpoints: 2,
};

const PROMPT: DataColumn = { name: "prompt", shape: "messages", fields: ["content", "role"] };
const SOURCE: DataColumn = { name: "data_source", shape: "text", fields: [] };
const REWARD: DataColumn = { name: "reward_model", shape: "struct", fields: ["ground_truth", "style"] };
const MESSAGES: DataColumn = { name: "messages", shape: "messages", fields: ["content", "role"] };

function file(rows: number, ...columns: readonly DataColumn[]): DataFile {
  return { kind: "parquet", rows, columns };
}

const GOOD: TrainingInputs = {
  isVerl: true,
  checksBatch: true,
  train: file(7_473, PROMPT, SOURCE, REWARD),
  val: file(1_319, PROMPT, SOURCE, REWARD),
  model: { kind: "read", parameters: 500_000_000 },
  identity: { train: null, val: null },
};

function texts(inputs: Partial<TrainingInputs>, spec: Partial<TaskSpec> = {}, profile: Partial<PreflightProfile> = {}) {
  const { errors, warnings } = preflight({ ...SPEC, ...spec }, { ...PROFILE, ...profile }, { ...GOOD, ...inputs });
  return { errors: errors.map(({ field, text }) => `${field}: ${text}`), warnings: warnings.map(({ text }) => text) };
}

describe("the plan of a run", () => {
  it("counts steps, checkpoints and their size as verl does", () => {
    const { errors, warnings, plan } = preflight(SPEC, PROFILE, GOOD);
    expect({ errors, warnings }).toEqual({ errors: [], warnings: [] });
    expect(plan).toEqual({
      trainRows: 7_473,
      valRows: 1_319,
      trainBatchSize: 256,
      stepsPerEpoch: 29,
      totalSteps: 58,
      checkpoints: 6,
      checkpointsKept: 2,
      checkpointBytes: 6_000_000_000,
    });
  });

  it("the cap on steps binds, and so does the profile's cap on rows", () => {
    expect(preflight({ ...SPEC, totalTrainingSteps: 5 }, PROFILE, GOOD).plan).toMatchObject({ totalSteps: 5, checkpoints: 1 });
    const few = { ...PROFILE, settings: { ...PROFILE.settings, "data.train_max_samples": 512 } };
    expect(preflight(SPEC, few, GOOD).plan).toMatchObject({ trainRows: 512, stepsPerEpoch: 2, totalSteps: 4 });
  });

  it("RL without save_freq saves nothing, SFT its end; PPO saves a critic too", () => {
    expect(preflight({ ...SPEC, saveFreq: -1 }, PROFILE, GOOD).plan.checkpoints).toBe(0);
    const sft = { ...GOOD, train: file(7_473, MESSAGES), val: null };
    expect(preflight({ ...SPEC, workload: "sft", saveFreq: -1 }, PROFILE, sft).plan.checkpoints).toBe(1);
    expect(preflight({ ...SPEC, workload: "ppo" }, PROFILE, GOOD).plan.checkpointBytes).toBe(12_000_000_000);
  });

  it("what is not known stays unknown", () => {
    const { plan } = preflight(SPEC, { settings: {}, keepCheckpoints: null }, { ...GOOD, model: { kind: "read", parameters: null } });
    expect(plan).toMatchObject({ trainRows: 7_473, stepsPerEpoch: null, totalSteps: null, checkpoints: null, checkpointBytes: null });
  });
});

describe("what verl would refuse", () => {
  it("RL needs prompt as messages, data_source, and reward_model.ground_truth", () => {
    const text: DataColumn = { name: "prompt", shape: "text", fields: [] };
    const noTruth: DataColumn = { name: "reward_model", shape: "struct", fields: ["style"] };
    expect(texts({ train: file(9_999, text, SOURCE, noTruth) }).errors).toEqual([
      expect.stringMatching(/^train_file: .*prompt holds no chat messages but text/),
      expect.stringMatching(/^train_file: .*reward_model has no ground_truth/),
    ]);
    expect(texts({ val: file(5, MESSAGES) }).errors).toEqual([
      expect.stringMatching(/^val_file: .*no column prompt/),
      expect.stringMatching(/^val_file: .*no column data_source/),
      expect.stringMatching(/^val_file: .*no column reward_model/),
    ]);
  });

  it("SFT needs messages", () => {
    const { errors } = texts({ train: file(9_999, PROMPT), val: null }, { workload: "sft", valFile: null });
    expect(errors).toEqual([expect.stringMatching(/^train_file: .*no column messages/)]);
  });

  it("columns are those that the profile names, and a reward of one's own needs none", () => {
    const question: DataColumn = { ...PROMPT, name: "question" };
    const settings = { ...PROFILE.settings, "data.prompt_key": "question", "reward.custom_reward_function.path": "/private/common/r.py" };
    expect(texts({ train: file(9_999, question), val: null }, {}, { settings }).errors).toEqual([]);
  });

  it("no rows, less than a batch, no parquet, no model", () => {
    expect(texts({ train: file(0, PROMPT, SOURCE, REWARD) }).errors).toEqual([expect.stringMatching(/has no rows/)]);
    expect(texts({ train: file(255, PROMPT, SOURCE, REWARD) }).errors).toEqual([
      expect.stringMatching(/255 rows, fewer than one batch of 256/),
    ]);
    expect(texts({ train: file(256, PROMPT, SOURCE, REWARD) }).errors).toEqual([]);
    expect(texts({ val: file(0, PROMPT, SOURCE, REWARD) }).errors).toEqual([expect.stringMatching(/^val_file: .*no rows/)]);
    expect(texts({ train: { kind: "unreadable", why: "it is empty" } }).errors).toEqual([
      expect.stringMatching(/can't be read as parquet: it is empty/),
    ]);
    expect(texts({ model: { kind: "no_config" } }).errors).toEqual([expect.stringMatching(/^model_id: .*no config.json/)]);
    expect(texts({ model: { kind: "bad_config", why: "cut short" } }).errors).toEqual([expect.stringMatching(/cut short/)]);
  });

  it("GPUs that do not divide the batch, where this verl says so", () => {
    expect(texts({}, { nnodes: 1, nGpusPerNode: 3 }).errors).toEqual([
      expect.stringMatching(/^n_gpus_per_node: 1 × 3 = 3 GPUs do not divide the batch of 256 × 5 = 1280/),
    ]);
    const dynamic = { settings: { ...PROFILE.settings, "actor_rollout_ref.actor.use_dynamic_bsz": true } };
    expect(texts({}, { nnodes: 1, nGpusPerNode: 3 }, dynamic).errors).toEqual([]);
    expect(texts({ checksBatch: false }, { nnodes: 1, nGpusPerNode: 3 })).toMatchObject({ errors: [], warnings: [expect.any(String)] });
  });
});

it("a code tree that is not verl may want other data: the same findings are warnings", () => {
  const { errors, warnings } = texts({ isVerl: false, checksBatch: false, train: { kind: "unreadable", why: "it is empty" } });
  expect(errors).toEqual([]);
  expect(warnings).toEqual([expect.stringMatching(/it is empty/)]);
});
