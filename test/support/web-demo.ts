/** A pool in the middle of its day, for the page: tasks in every state, with logs, curves, failures and a queue; no scheduler moves it. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { TaskPatch } from "../../src/control/ports.ts";
import { formatSubmissionId } from "../../src/domain/ids.ts";
import type { AttemptState, Failure, Placement, TaskState } from "../../src/domain/types.ts";
import { CONNECTION_LIMITS } from "../../src/http/connection.ts";
import type { PageFiles } from "../../src/http/page-routes.ts";
import { ADMIN_TOKEN, DATABASE, httpWorld, type HttpWorld, SPEC } from "./http-world.ts";

const ROOT = join(import.meta.dirname, "../..");
/** Wide: a test clicks faster than a person. */
const REQUESTS = { perSecond: 1_000, burst: 10_000, failedLoginsPerMinute: 10_000, streams: 50 };
const MINUTE = 60_000;

/** The page as it is built now. */
export function builtPage(): PageFiles {
  execFileSync(process.execPath, ["--disable-warning=ExperimentalWarning", join(ROOT, "scripts/build-web.ts"), "--if-needed"]);
  const folder = join(ROOT, "dist/web");
  const names = (readdirSync(folder, { recursive: true }) as string[]).filter((name) => statSync(join(folder, name)).isFile());
  return new Map(names.map((name) => [name, readFileSync(join(folder, name))]));
}

export type WebWorld = HttpWorld & { readonly url: string };

export async function webWorld(): Promise<WebWorld> {
  const world = await httpWorld(CONNECTION_LIMITS, REQUESTS, null, builtPage(), "file");
  return Object.assign(world, { url: await world.app.listen({ host: "127.0.0.1", port: 0 }) });
}

export type Stage = {
  readonly state: TaskState;
  readonly patch?: TaskPatch;
  readonly placement?: Placement;
  readonly log?: string;
  readonly metrics?: readonly { readonly step: number; readonly data: object }[];
  readonly ranMs?: number;
  readonly node?: string;
};

/** Brings a new task to where `stage` says, as the scheduler would. */
export async function stageTask(world: HttpWorld, taskId: string, stage: Stage): Promise<void> {
  const at = world.clock.now();
  const epoch = await world.store.leader.lead("test", at);
  const event = { attempt: 1, actor: "system", type: "state_changed", reason: null, data: {} } as const;
  const change = async (to: TaskState | null, more: object): Promise<void> => {
    const task = await world.store.tasks.get(taskId);
    if (task === null) throw new Error(`there is no task ${taskId}`);
    const outcome = await world.store.tasks.change({
      taskId,
      version: task.version,
      epoch,
      at,
      ...(to === null ? {} : { to, events: [event] }),
      ...more,
    });
    if (outcome.kind !== "applied") throw new Error(`${taskId} could not be brought to ${to}`);
  };
  const { state, patch = {} } = stage;
  if (state === "QUEUED" || state === "PENDING_RESOURCES") return change(state === "QUEUED" ? null : state, { patch });
  const submissionId = formatSubmissionId(taskId, 1);
  const startedAt = at - (stage.ranMs ?? 12 * MINUTE);
  const placement = stage.placement ?? [];
  await change("SUBMITTING", {
    patch: { attempts: 1 },
    newAttempt: { attempt: 1, submissionId, placement, raySession: "session_1", resumedFrom: null },
  });
  const runs = { state: "RUNNING", startedAt, submittedAt: startedAt, node: stage.node ?? "gpu-01" } as const;
  await change("RUNNING", { patch: { startedAt, ...(state === "RUNNING" ? patch : {}) }, attempt: { attempt: 1, patch: runs } });
  const directory = join(world.root, "users", (await world.store.tasks.get(taskId))?.userId ?? "", "jobs", submissionId);
  mkdirSync(join(directory, "logs"), { recursive: true });
  if (stage.log !== undefined) writeFileSync(join(directory, "logs/driver.log"), stage.log);
  if (stage.metrics !== undefined)
    writeFileSync(join(directory, "logs/metrics.jsonl"), stage.metrics.map((one) => `${JSON.stringify(one)}\n`).join(""));
  if (state === "RUNNING") return;
  const ended: AttemptState = state === "SUCCEEDED" || state === "CANCELED" ? state : "FAILED";
  const failure = patch.failure ?? null;
  const exitCode = state === "SUCCEEDED" ? 0 : 1;
  await change(state, {
    patch: { endedAt: at, ...patch },
    attempt: { attempt: 1, patch: { state: ended, endedAt: at, exitCode, failure } },
  });
}

/** verl's own keys, with the shapes that its runs have. */
export function demoMetrics(steps: number): readonly { readonly step: number; readonly data: object }[] {
  const wave = (n: number, seed: number): number => Math.sin(n * 1.7 + seed) * 0.5 + Math.sin(n * 0.61 + seed * 3) * 0.5;
  return Array.from({ length: steps }, (_, n) => ({
    step: n + 1,
    data: {
      "critic/rewards/mean": 0.12 + 0.62 * (1 - Math.exp(-n / 18)) + wave(n, 1) * 0.03,
      "actor/pg_loss": 0.04 * Math.exp(-n / 30) + wave(n, 2) * 0.008,
      "actor/entropy": 1.6 * Math.exp(-n / 40) + 0.3 + wave(n, 3) * 0.02,
      "response_length/mean": 180 + n * 3.2 + wave(n, 4) * 9,
      "perf/throughput": 1_450 + wave(n, 5) * 60,
      "timing_s/step": 41 + wave(n, 6) * 2,
    },
  }));
}

export function demoLog(steps: number): string {
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

const OOM_LOG = `${demoLog(7)}Traceback (most recent call last):
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
  const node = { address: "10.0.0.7", gpusTotal: 8, cpusTotal: 128, rivals: [], closed: null };
  world.look({
    head: { kind: "up", session: "session_2026-11-24_07-12-44_1", address: "10.0.0.1:6379", rayVersion: "2.60.0" },
    nodes: [
      { ...node, node: "gpu-01", rayNodeId: "r1", gpusUsed: 6, cpusUsed: 72 },
      { ...node, node: "gpu-02", rayNodeId: "r2", gpusUsed: 4, cpusUsed: 48 },
      { ...node, node: "gpu-03", rayNodeId: "r3", gpusUsed: 0, cpusUsed: 0 },
    ],
    at: world.clock.monotonicMs(),
  });
  const submit = (token: string, name: string, more = "", spec = SPEC): Promise<string> =>
    world.submit(token, spec, `?name=${encodeURIComponent(name)}${more}`);
  const sft = SPEC.replace("grpo", "sft");
  const ppo = SPEC.replace("grpo", "ppo").replace("n_gpus_per_node: 1", "n_gpus_per_node: 4");
  const older = await submit(bob, "sft-warmup", "&label=team=rl", sft);
  await stageTask(world, older, { state: "SUCCEEDED", log: demoLog(40), metrics: demoMetrics(40), ranMs: 64 * MINUTE, node: "gpu-02" });
  world.clock.advance(9 * MINUTE);
  const canceled = await submit(alice, "grpo-lr-3e-6");
  await stageTask(world, canceled, { state: "CANCELED", log: demoLog(3), metrics: demoMetrics(3), ranMs: 4 * MINUTE });
  const failed = await submit(alice, "grpo-7b-long", "&label=team=rl");
  await stageTask(world, failed, { state: "FAILED", patch: { failure: OOM }, log: OOM_LOG, metrics: demoMetrics(7), ranMs: 7 * MINUTE });
  world.clock.advance(21 * MINUTE);
  const succeeded = await submit(alice, "sft-base", "&label=team=rl", sft);
  await stageTask(world, succeeded, { state: "SUCCEEDED", log: demoLog(60), metrics: demoMetrics(60), ranMs: 38 * MINUTE });
  world.clock.advance(12 * MINUTE);
  const progress = (step: number, total: number, value: number): TaskPatch => ({
    progress: { step, totalSteps: total, metric: { key: "critic/rewards/mean", value }, updatedAt: world.clock.now() },
  });
  const running = await submit(alice, "grpo-0.5b-gsm8k", "&label=team=rl&max_runtime_s=28800");
  const longLog = demoLog(64);
  await stageTask(world, running, {
    state: "RUNNING",
    patch: progress(64, 120, 0.7132),
    placement: [{ node: "gpu-01", gpus: 4, cpus: 48 }],
    log: longLog,
    metrics: demoMetrics(64),
    ranMs: 47 * MINUTE,
  });
  const theirs = await submit(bob, "ppo-7b", "", ppo);
  await stageTask(world, theirs, {
    state: "RUNNING",
    patch: progress(12, 400, 0.231),
    placement: [
      { node: "gpu-01", gpus: 2, cpus: 24 },
      { node: "gpu-02", gpus: 4, cpus: 48 },
    ],
    log: demoLog(12),
    metrics: demoMetrics(12),
    ranMs: 31 * MINUTE,
    node: "gpu-02",
  });
  world.clock.advance(4 * MINUTE);
  const waiting = await submit(alice, "ppo-7b-kl-0.02", "", ppo.replace("nnodes: 1", "nnodes: 4"));
  await stageTask(world, waiting, {
    state: "PENDING_RESOURCES",
    patch: {
      waiting: {
        code: "impossible_now",
        text: "needs 4 nodes of 4 GPUs; the pool has 3 such nodes",
        details: {},
        until: world.clock.now() + MINUTE,
      },
    },
  });
  const queued = await submit(alice, "grpo-seed-2");
  await stageTask(world, queued, {
    state: "QUEUED",
    patch: { waiting: { code: "running_limit", text: "2 tasks run, which is max_running_tasks", details: {}, until: null } },
  });
  await submit(bob, "sft-eval", "", sft);
  world.clock.advance(2 * MINUTE);
  return { alice, running, failed, waiting, succeeded };
}

export type View = { readonly name: string; readonly role: "user" | "admin"; readonly path: string; readonly shows: string | RegExp };

/** Each view with a text that is there once it is whole. */
export function VIEWS(demo: Demo): readonly View[] {
  const { running, failed } = demo;
  return [
    { name: "tasks", role: "user", path: "/tasks", shows: "grpo-seed-2" },
    { name: "tasks-none", role: "user", path: "/tasks?q=nothing%3Dhere", shows: "No task matches" },
    { name: "task", role: "user", path: `/tasks/${running}`, shows: /^It runs/ },
    { name: "task-failed", role: "user", path: `/tasks/${failed}`, shows: "Why it failed" },
    { name: "task-not-found", role: "user", path: "/tasks/mvp2-bob-ppo-20261124-080000-aaaaaaaa", shows: "Task not found" },
    { name: "log", role: "user", path: `/tasks/${running}/log`, shows: "global_step_60" },
    { name: "curves", role: "user", path: `/tasks/${running}/curves`, shows: "0.1347" },
    { name: "spec", role: "user", path: `/tasks/${running}/spec`, shows: "workload: grpo" },
    { name: "files", role: "user", path: `/tasks/${running}/files`, shows: /driver\.log/ },
    { name: "new", role: "user", path: "/new", shows: /mistakes? to mend/ },
    { name: "pool", role: "user", path: "/pool", shows: "gpu-03" },
    { name: "admin-tasks", role: "admin", path: "/tasks", shows: "ppo-7b" },
    { name: "admin-pool", role: "admin", path: "/pool", shows: "gpu-03" },
    { name: "admin-users", role: "admin", path: "/admin", shows: "Create user" },
    { name: "admin-user", role: "admin", path: "/admin/users/bob", shows: "Issue token" },
    { name: "admin-audit", role: "admin", path: "/admin/audit", shows: "user.create" },
  ];
}

/** `count` ended tasks of alice's in one statement: one by one they would take minutes. */
export async function manyTasks(world: HttpWorld, alice: string, count: number): Promise<void> {
  const first = await world.submit(alice, SPEC, "?name=sweep");
  await stageTask(world, first, { state: "SUCCEEDED" });
  const columns =
    "user_id, workload, state, version, priority, labels, spec_text, spec, profile, needs, attempts, held, created_at, started_at, ended_at, name";
  const database = new DatabaseSync(join(world.root, DATABASE));
  database.exec(`with recursive counter(n) as (select 1 union all select n + 1 from counter where n < ${count})
    insert into tasks (task_id, id_reversed, seq, ${columns})
    select 'mvp2-alice-grpo-20261123-080000-' || printf('%08x', n), printf('%08x', n) || '-many', (select max(seq) from tasks) + n, ${columns}
    from tasks, counter where task_id = '${first}'`);
  database.close();
}
