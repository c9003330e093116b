/** Real verl on real Ray with our own CPU device: it trains, its reward is verl's, and two GRPO attempts on one cluster don't touch each other. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseProfile } from "../../src/contract/profile-file.ts";
import { toRoot } from "../../src/domain/storage-layout.ts";
import type { TaskSpec, Workload } from "../../src/domain/types.ts";
import { buildCommand } from "../../src/domain/verl/command.ts";
import { DEMO_PROFILES } from "../../src/domain/verl/demo-profiles.ts";
import type { Profile, Setting } from "../../src/domain/verl/profile.ts";
import type { Prepared } from "../../src/pool/prepare/prepare.ts";
import { createRayJobs } from "../../src/ray/jobs-client.ts";
import { createRayHttp, type RayHttp } from "../../src/ray/ray-http.ts";
import { prepareTestRoot, testRoot } from "../support/prepared-root.ts";
import { startRealRay, type RealRay } from "../support/real-ray.ts";
import { inputFor, specFor } from "../support/verl-command.ts";

/** The demo's settings with a quarter of its samples: enough for a reward strictly between 0 and 1 and a gradient, in little time. */
const SMALL: { readonly [key: string]: Setting } = {
  "data.train_batch_size": 16,
  "actor_rollout_ref.actor.ppo_mini_batch_size": 16,
  "actor_rollout_ref.rollout.n": 4,
  "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu": 32,
  "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu": 32,
};
/** Spinning OpenMP threads cost four times the time on a shared machine; TransferQueue warns at each call where it finds fewer than 8 cores. */
const QUIET = { OMP_WAIT_POLICY: "passive", TQ_NUM_THREADS: "2" };
const STEPS = 3;
const CORRELATION = "training/rollout_actor_probs_pearson_corr";

let prepared: Prepared;
let ray: RealRay;
let http: RayHttp;
let jobsRoot = "";

beforeAll(async () => {
  prepared = await prepareTestRoot(testRoot(), AbortSignal.timeout(1_500_000));
  jobsRoot = mkdtempSync(join(tmpdir(), "verlpool-training-"));
  ray = await startRealRay(prepared.pythonPath, {
    shape: { workers: 2, gpusPerWorker: 2, cpusPerWorker: 28, gpuDevices: [], objectStoreBytes: 120_000_000 },
  });
  const { dashboardUrl, tokenFile } = ray.pool.describe();
  http = createRayHttp({ baseUrl: () => dashboardUrl, tokenFile: () => tokenFile });
}, 1_700_000);

afterAll(async () => {
  await http?.close();
  await ray?.close();
  rmSync(jobsRoot, { recursive: true, force: true });
});

type Point = { readonly step: number; readonly data: { readonly [key: string]: number } };
type Run = { readonly submissionId: string; readonly directory: string };

function smallProfile(workload: Workload): Profile {
  const fileName = `demo-${workload}@1.yaml`;
  const parsed = parseProfile(DEMO_PROFILES[fileName] ?? "", fileName);
  if (!parsed.ok) throw new Error(`${fileName} does not parse: ${JSON.stringify(parsed)}`);
  const profile = { ...parsed.profile, env: { ...parsed.profile.env, ...QUIET } };
  const critic: { readonly [key: string]: Setting } = workload === "ppo" ? { "critic.ppo_micro_batch_size_per_gpu": 32 } : {};
  return workload === "sft" ? profile : { ...profile, settings: { ...profile.settings, ...SMALL, ...critic } };
}

async function start(workload: Workload, suffix: string, changes: Partial<TaskSpec>): Promise<Run> {
  const profile = smallProfile(workload);
  const data = workload === "sft" ? "gsm8k-demo-sft" : "gsm8k-demo";
  const spec = specFor(profile, {
    codePath: prepared.codePath,
    modelId: `/private/common/models/verlpool-demo/${workload === "sft" ? "base" : "warm"}`,
    trainFile: `/private/common/datasets/${data}/train.parquet`,
    valFile: `/private/common/datasets/${data}/test.parquet`,
    nnodes: 1,
    nGpusPerNode: 1,
    totalEpochs: 100,
    totalTrainingSteps: STEPS,
    saveFreq: STEPS,
    ...changes,
  });
  const taskId = `mvp2-alice-${workload}-20260102-030405-${suffix}`;
  const submissionId = `${taskId}--a01`;
  const directory = join(jobsRoot, "users", "alice", "jobs", submissionId);
  // What is shared lies under the prepared root, what belongs to the attempt under a temporary one.
  const toWorker = (path: string) => toRoot(path, path.startsWith("/private/common") ? testRoot() : jobsRoot);
  const { argv, env } = buildCommand(
    inputFor(profile, {
      spec,
      taskId,
      submissionId,
      toWorker,
      verlVersion: prepared.verlVersion,
      jobDir: `/private/users/alice/jobs/${submissionId}`,
      python: prepared.pythonPath,
      platformDirs: [prepared.modulesPath],
    }),
  );
  const log = join(directory, "logs", "driver.log");
  mkdirSync(dirname(log), { recursive: true });
  const entrypoint = `exec ${argv.map((word) => quote(word)).join(" ")} > ${quote(log)} 2>&1`;
  const request = { submissionId, entrypoint, envVars: env, metadata: {}, resources: { worker_node: 1 } };
  expect(await createRayJobs(http).submit(request, AbortSignal.timeout(60_000))).toEqual({ kind: "accepted" });
  return { submissionId, directory };
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

async function mustSucceed(run: Run): Promise<readonly Point[]> {
  const deadline = AbortSignal.timeout(900_000);
  for (;;) {
    const view = await createRayJobs(http).get(run.submissionId, AbortSignal.timeout(60_000));
    const status = view.kind === "found" ? view.status : view.kind;
    if (status === "SUCCEEDED") return points(run);
    const isOver = status === "FAILED" || status === "STOPPED" || status === "absent";
    if (isOver || deadline.aborted)
      throw new Error(`${run.submissionId} is ${status}:\n${readFileSync(join(run.directory, "logs", "driver.log"), "utf8").slice(-6000)}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** verl's own metrics file: one JSON line a step (SFT writes its validation as a line of its own). */
function points(run: Run): readonly Point[] {
  const text = readFileSync(join(run.directory, "logs", "metrics.jsonl"), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line): Point => JSON.parse(line) as Point);
}

function series(all: readonly Point[], key: string): readonly number[] {
  return all.flatMap(({ data }) => (data[key] === undefined ? [] : [data[key]]));
}

function expectCheckpoint(run: Run, parts: readonly string[]): void {
  const checkpoints = join(run.directory, "checkpoints");
  expect(readFileSync(join(checkpoints, "latest_checkpointed_iteration.txt"), "utf8").trim()).toBe(String(STEPS));
  for (const part of parts) expect(existsSync(join(checkpoints, `global_step_${STEPS}`, part)), part).toBe(true);
}

/** The signs that reinforcement learning really happened: a reward that can move, a gradient, and samples of the very weights that are trained. */
function expectLearning(all: readonly Point[]): void {
  const rewards = series(all, "critic/rewards/mean");
  expect(rewards).toHaveLength(STEPS);
  expect(rewards[0]).toBeGreaterThan(0);
  expect(rewards[0]).toBeLessThan(1);
  const gradients = series(all, "actor/grad_norm");
  expect(gradients).toHaveLength(STEPS);
  for (const gradient of gradients) expect(gradient).toBeGreaterThan(0);
  const correlations = series(all, CORRELATION);
  expect(correlations).toHaveLength(STEPS);
  for (const correlation of correlations) expect(correlation).toBeGreaterThanOrEqual(0.99);
}

describe("real verl on logical GPUs", () => {
  test("SFT lowers its loss and saves a checkpoint", async () => {
    const run = await start("sft", "00000001", { testFreq: STEPS });
    const all = await mustSucceed(run);
    const losses = series(all, "train/loss");
    expect(losses).toHaveLength(STEPS);
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) - 0.5);
    expect(series(all, "val/loss")).toHaveLength(1);
    expectCheckpoint(run, ["model_world_size_1_rank_0.pt", "optim_world_size_1_rank_0.pt", "data_0.pt"]);
  }, 1_000_000);

  test("PPO trains its actor and its critic with verl's own reward", async () => {
    const run = await start("ppo", "00000002", {});
    const all = await mustSucceed(run);
    expectLearning(all);
    for (const loss of series(all, "critic/vf_loss")) expect(loss).toBeGreaterThan(0);
    expectCheckpoint(run, ["actor/model_world_size_1_rank_0.pt", "critic/model_world_size_1_rank_0.pt", "data.pt"]);
  }, 1_000_000);

  test("two GRPO attempts at once, one of them over two nodes, both learn from their own samples", async () => {
    const alone = await start("grpo", "00000003", {});
    const spread = await start("grpo", "00000004", { nnodes: 2 });
    const [first, second] = await Promise.all([mustSucceed(alone), mustSucceed(spread)]);
    expectLearning(first);
    expectLearning(second);
    expectCheckpoint(alone, ["actor/model_world_size_1_rank_0.pt", "data.pt"]);
    expectCheckpoint(spread, ["actor/model_world_size_2_rank_0.pt", "actor/model_world_size_2_rank_1.pt", "data.pt"]);
  }, 1_500_000);
});
