/** A pool in the middle of its day, for the page: tasks in every state, with logs, curves, failures and a queue. */
import type { TaskPatch } from "../../src/control/ports.ts";
import type { Failure } from "../../src/domain/types.ts";
import { ADMIN_TOKEN, type HttpWorld, SPEC } from "./http-world.ts";
import { sampleNode } from "./node-samples.ts";
import { beginTask, endTask, tellTask, waitTask } from "./web-demo.ts";

const MINUTE = 60_000;

/** verl's own keys, with the shapes that its runs have. */
function demoMetrics(steps: number, stepSeconds = 41, slowness = 1): readonly { readonly step: number; readonly data: object }[] {
  const wave = (n: number, seed: number): number => Math.sin(n * 1.7 + seed * slowness) * 0.5 + Math.sin(n * 0.61 + seed * 3) * 0.5;
  return Array.from({ length: steps }, (_, n) => ({
    step: n + 1,
    data: {
      "critic/rewards/mean": 0.12 + 0.62 * (1 - Math.exp(-n / 18 / slowness)) + wave(n, 1) * 0.03,
      "actor/pg_loss": 0.04 * Math.exp(-n / 30 / slowness) + wave(n, 2) * 0.008,
      "actor/entropy": 1.6 * Math.exp(-n / 40 / slowness) + 0.3 + wave(n, 3) * 0.02,
      "response_length/mean": 180 + n * 3.2 + wave(n, 4) * 9,
      "perf/throughput": 1_450 + wave(n, 5) * 60,
      "timing_s/step": stepSeconds + wave(n, 6) * 2,
      "timing_s/gen": stepSeconds * 0.46,
      "timing_s/update_actor": stepSeconds * 0.31,
      "timing_s/old_log_prob": stepSeconds * 0.12,
      "timing_s/update_weights": stepSeconds * 0.04,
    },
  }));
}

function demoArgv(rate: string, microBatch: number): readonly string[] {
  return [
    "data.train_batch_size=256",
    `actor_rollout_ref.actor.optim.lr=${rate}`,
    `actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=${microBatch}`,
    "actor_rollout_ref.rollout.name=sglang",
  ];
}

/** SFT's. */
function sftMetrics(steps: number): readonly { readonly step: number; readonly data: object }[] {
  return Array.from({ length: steps }, (_, n) => ({
    step: n + 1,
    data: { "train/loss": 0.7 + 5 * Math.exp(-n / 9) + Math.sin(n * 1.7) * 0.04, "train/lr": 1e-5 * (1 - n / (steps * 1.1)) },
  }));
}

function demoLog(steps: number): string {
  const lines = [
    "\u001b[36m(TaskRunner pid=4711)\u001b[0m verl 0.9.1, 1 node × 4 GPUs",
    "WARNING: flash_attn is not installed; sdpa is used",
  ];
  for (let step = 1; step <= steps; step += 1) {
    lines.push(
      `\u001b[32mstep:${step}\u001b[0m - critic/rewards/mean:${(0.1 + step / 80).toFixed(4)} - actor/entropy:${(1.6 - step / 60).toFixed(4)}`,
    );
    if (step % 10 === 0) lines.push(`\u001b[1mSaved checkpoint global_step_${step}\u001b[0m`);
    if (step % 4 === 0) lines.push(`Rollout: 10%|#         |\rRollout: 60%|######    |\rRollout: 100%|##########| 64/64`);
  }
  return `${lines.join("\n")}\n`;
}

const OOM: Failure = {
  label: "cuda_oom_train",
  blame: "config",
  retryable: false,
  text: "CUDA out of memory while the actor was updated: 2.41 GiB wanted, 1.02 GiB free of 79.15 GiB.",
  fix: "Lower actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu, or choose a profile with offload.",
};

const OOM_LOG = `${demoLog(31)}Traceback (most recent call last):
  File "/private/common/code/verl/verl/workers/actor/dp_actor.py", line 412, in update_policy
    loss.backward()
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.41 GiB. GPU 0 has a total capacity of 79.15 GiB of which 1.02 GiB is free.
`;

export type Demo = {
  readonly alice: string;
  readonly running: string;
  readonly failed: string;
  readonly waiting: string;
  readonly succeeded: string;
};

export async function seedDemo(world: HttpWorld): Promise<Demo> {
  const [alice, bob] = [await world.user("alice"), await world.user("bob")];
  await world.call("PUT", "/api/v2/users/bob/limits", ADMIN_TOKEN, { max_gpus: 8, max_running: 2 });
  let minute = 0;
  const at = (next: number): void => {
    world.clock.advance((next - minute) * MINUTE);
    minute = next;
  };
  const submit = (token: string, name: string, more = "", spec = SPEC): Promise<string> =>
    world.submit(token, spec, `?name=${encodeURIComponent(name)}${more}`);
  const sft = SPEC.replace("grpo", "sft");
  const four = SPEC.replace("n_gpus_per_node: 1", "n_gpus_per_node: 4");
  const ppo = four.replace("grpo", "ppo");
  const progress = (step: number, totalSteps: number, value: number, key = "critic/rewards/mean"): TaskPatch => ({
    progress: { step, totalSteps, metric: { key, value }, updatedAt: world.clock.now() },
  });

  const older = await submit(bob, "sft-warmup", "&label=team=rl", sft);
  await beginTask(world, older, { log: demoLog(40), metrics: sftMetrics(40), node: "gpu-02" });
  at(12);
  const canceled = await submit(alice, "grpo-lr-3e-6");
  at(13);
  await beginTask(world, canceled, { log: demoLog(3), metrics: demoMetrics(3) });
  at(17);
  await endTask(world, canceled, "CANCELED", progress(3, 120, 0.1704));
  at(18);
  const failed = await submit(alice, "grpo-7b-long", "&label=team=rl", four);
  at(20);
  await beginTask(world, failed, { log: OOM_LOG, metrics: demoMetrics(31, 39, 2.2), argv: demoArgv("1e-6", 16) });
  at(30);
  const succeeded = await submit(alice, "sft-base", "&label=team=rl", sft);
  at(34);
  await endTask(world, older, "SUCCEEDED", progress(40, 40, 0.7673, "train/loss"));
  await beginTask(world, succeeded, { log: demoLog(60), metrics: sftMetrics(60) });
  at(41);
  await endTask(world, failed, "FAILED", { failure: OOM, ...progress(31, 240, 0.4868) });
  at(52);
  await endTask(world, succeeded, "SUCCEEDED", progress(60, 60, 0.7092, "train/loss"));
  at(53);
  const running = await submit(alice, "grpo-0.5b-gsm8k", "&label=team=rl&max_runtime_s=28800", four);
  at(55);
  await beginTask(world, running, {
    placement: [{ node: "gpu-01", gpus: 4, cpus: 22 }],
    log: demoLog(64),
    metrics: demoMetrics(64),
    argv: demoArgv("3e-6", 4),
  });
  at(66);
  const theirs = await submit(bob, "ppo-7b", "", ppo.replace("nnodes: 1", "nnodes: 2"));
  at(70);
  const two = ["gpu-02", "gpu-03"].map((node) => ({ node, gpus: 4, cpus: 22 }));
  await beginTask(world, theirs, { placement: two, log: demoLog(12), metrics: demoMetrics(12, 150), node: "gpu-02" });
  at(95);
  const waiting = await submit(alice, "ppo-7b-kl-0.02", "", ppo.replace("nnodes: 1", "nnodes: 4"));
  await waitTask(world, waiting, {
    code: "impossible_now",
    text: "needs 4 nodes of 4 GPUs; the pool has 3 such nodes",
    details: {},
    until: world.clock.now() + MINUTE,
  });
  at(98);
  const queued = await submit(alice, "grpo-seed-2");
  const limit = { code: "running_limit", text: "2 of at most 2 running (scheduler.max_running_tasks)", details: {}, until: null } as const;
  await tellTask(world, queued, { waiting: limit });
  at(100);
  await tellTask(world, await submit(bob, "sft-eval", "", sft), { waiting: limit });
  await tellTask(world, running, progress(64, 120, 0.7273));
  await tellTask(world, theirs, progress(12, 40, 0.4307));
  at(102);
  showPool(world);
  return { alice, running, failed, waiting, succeeded };
}

/** The nodes as they were seen just now. */
export function showPool(world: HttpWorld): void {
  const now = world.clock.monotonicMs();
  const node = { address: "10.0.0.7", gpusTotal: 8, cpusTotal: 128, rivals: [], closed: null };
  const silent = sampleNode("gpu-04", { rayNodeId: null, cpus: 128 });
  world.look({
    head: { kind: "up", session: "session_2026-11-24_07-12-44_1", address: "10.0.0.1:6379", rayVersion: "2.60.0" },
    nodes: [
      { ...node, node: "gpu-01", rayNodeId: "r1", gpusUsed: 4, cpusUsed: 22 },
      { ...node, node: "gpu-02", rayNodeId: "r2", gpusUsed: 4, cpusUsed: 22 },
      { ...node, node: "gpu-03", rayNodeId: "r3", gpusUsed: 4, cpusUsed: 22 },
    ],
    agents: [{ record: silent, movedAt: now - 4 * MINUTE }],
    at: now,
  });
}

export type View = {
  readonly name: string;
  readonly role: "user" | "admin";
  readonly path: string;
  readonly shows: string | RegExp;
  /** Written into the editor first. */
  readonly text?: string;
};

const NEW_SPEC = `# GRPO on gsm8k, longer answers
workload: grpo
code_path: /private/common/code/verl
model_id: /private/common/models/tiny
train_file: /private/common/datasets/d/train.parquet
val_file: /private/common/datasets/d/test.parquet
nnodes: 2
n_gpus_per_node: 4
total_epochs: 2
save_freq: 20
`;

/** Each view with a text that is there once it is whole. */
export function VIEWS(demo: Demo): readonly View[] {
  const { running, failed, waiting, succeeded } = demo;
  return [
    { name: "tasks", role: "user", path: "/tasks", shows: "grpo-seed-2" },
    { name: "tasks-none", role: "user", path: "/tasks?q=nothing%3Dhere", shows: "No task matches" },
    { name: "task", role: "user", path: `/tasks/${running}`, shows: /^It runs/ },
    { name: "task-failed", role: "user", path: `/tasks/${failed}`, shows: "Why it failed" },
    { name: "task-waiting", role: "user", path: `/tasks/${waiting}`, shows: /^It waits|^It is waiting|4 nodes/ },
    { name: "task-ended", role: "user", path: `/tasks/${succeeded}`, shows: "How it ended" },
    { name: "task-not-found", role: "user", path: "/tasks/mvp2-bob-ppo-20261124-080000-aaaaaaaa", shows: "Task not found" },
    { name: "log", role: "user", path: `/tasks/${running}/log`, shows: "global_step_60" },
    { name: "curves", role: "user", path: `/tasks/${running}/curves`, shows: "0.1347" },
    { name: "spec", role: "user", path: `/tasks/${running}/spec`, shows: "workload: grpo" },
    { name: "files", role: "user", path: `/tasks/${running}/files`, shows: /driver\.log/ },
    { name: "compare", role: "user", path: `/tasks/${running}/compare?with=${failed}`, shows: /\d+ differences/ },
    { name: "compare-none", role: "user", path: `/tasks/${running}/compare`, shows: "Compare with" },
    { name: "new", role: "user", path: "/new", shows: /mistakes? to mend/ },
    { name: "new-plan", role: "user", path: "/new", shows: "Position 4 in the queue", text: NEW_SPEC },
    { name: "log-none", role: "user", path: `/tasks/${waiting}/log`, shows: "No log yet" },
    { name: "curves-none", role: "user", path: `/tasks/${waiting}/curves`, shows: "No curves yet" },
    { name: "files-none", role: "user", path: `/tasks/${waiting}/files`, shows: "No files yet" },
    { name: "nowhere", role: "user", path: "/tasks/of/some/day", shows: "There is no page at /tasks/of/some/day" },
    { name: "admin-not", role: "user", path: "/admin", shows: "This part is for the admin" },
    { name: "pool", role: "user", path: "/pool", shows: "gpu-03" },
    { name: "admin-tasks", role: "admin", path: "/tasks", shows: "ppo-7b" },
    { name: "admin-pool", role: "admin", path: "/pool", shows: "gpu-03" },
    { name: "admin-users", role: "admin", path: "/admin", shows: "Create user" },
    { name: "admin-user", role: "admin", path: "/admin/users/bob", shows: "Issue token" },
    { name: "admin-user-missing", role: "admin", path: "/admin/users/nobody", shows: "There is no user nobody" },
    { name: "admin-new", role: "admin", path: "/new", shows: "Name the user the task is for" },
    { name: "admin-audit", role: "admin", path: "/admin/audit", shows: "user.create" },
  ];
}
