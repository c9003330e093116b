/**
 * Real verl goes on where it was: after its launcher is killed, after a requeue, and as a retry; the curve is one line, without a step missing.
 * What verl itself says it resumed from is read in its log.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiClient, type Api } from "../../src/cli/client.ts";
import { httpTransport } from "../../src/cli/transport.ts";
import type { AttemptWire, TaskWire } from "../../src/contract/resources.ts";
import { formatProfile, parseProfile } from "../../src/contract/profile-file.ts";
import { isTerminal } from "../../src/domain/task-state.ts";
import type { Workload } from "../../src/domain/types.ts";
import { DEMO_PROFILES } from "../../src/domain/verl/demo-profiles.ts";
import type { Setting } from "../../src/domain/verl/profile.ts";
import { prepareTestRoot, testPrepareFlags, testRoot } from "../support/prepared-root.ts";
import { realClock } from "../support/real-ray.ts";

const CLI = join(import.meta.dirname, "../../bin/verlpool");
const ADMIN = "operator-secret-of-resume";
const LONG_MS = 900_000;
/** Fewer samples a step than the demo's: time here goes into starts. */
const SMALL_PPO: { readonly [key: string]: Setting } = {
  "data.train_batch_size": 16,
  "actor_rollout_ref.actor.ppo_mini_batch_size": 16,
  "actor_rollout_ref.rollout.n": 4,
};

let home = "";
let root = "";
let codePath = "";
let environment: { [name: string]: string } = {};
let alice: Api;

function cli(args: readonly string[], env: { readonly [name: string]: string } = {}) {
  return new Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>((resolve) => {
    execFile(process.execPath, [CLI, ...args], { env: { ...environment, ...env }, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
    });
  });
}

function writeProfile(workload: Workload, settings: { readonly [key: string]: Setting }): void {
  const fileName = `demo-${workload}@1.yaml`;
  const parsed = parseProfile(DEMO_PROFILES[fileName] ?? "", fileName);
  if (!parsed.ok) throw new Error(`${fileName} does not parse: ${JSON.stringify(parsed)}`);
  const profile = { ...parsed.profile, name: `resume-${workload}`, settings: { ...parsed.profile.settings, ...settings } };
  writeFileSync(join(root, `common/verlpool/profiles/resume-${workload}@1.yaml`), formatProfile(profile));
}

async function submit(workload: Workload, steps: number, saveFreq: number): Promise<string> {
  const data = workload === "sft" ? "gsm8k-demo-sft" : "gsm8k-demo";
  const spec = `workload: ${workload}
code_path: ${codePath}
model_id: /private/common/models/verlpool-demo/${workload === "sft" ? "base" : "warm"}
train_file: /private/common/datasets/${data}/train.parquet
val_file: /private/common/datasets/${data}/test.parquet
nnodes: 1
n_gpus_per_node: 1
total_epochs: 20
total_training_steps: ${steps}
save_freq: ${saveFreq}
`;
  return (await alice.call("createTask", { yaml: Buffer.from(spec), query: { profile: `resume-${workload}` } })).value.task_id;
}

/** Polls until `look` gives something; a task that ended meanwhile is the error, with all that is known of it. */
async function until<T>(taskId: string, what: string, look: (task: TaskWire) => T | null): Promise<T> {
  const deadline = AbortSignal.timeout(LONG_MS);
  for (;;) {
    const { value } = await alice.call("getTask", { path: { task_id: taskId } });
    const found = look(value);
    if (found !== null) return found;
    if (isTerminal(value.state) || deadline.aborted) throw new Error(`${what}: not before ${JSON.stringify(value, null, 1)}`);
    await realClock.sleep(100, new AbortController().signal);
  }
}

const ended = (taskId: string): Promise<TaskWire> => until(taskId, "the end", (task) => (isTerminal(task.state) ? task : null));

function directoryOf(taskId: string, attempt: number): string {
  return join(root, "users/alice/jobs", `${taskId}--a0${attempt}`);
}

function trackerOf(taskId: string, attempt: number): number {
  const path = join(directoryOf(taskId, attempt), "checkpoints/latest_checkpointed_iteration.txt");
  return existsSync(path) ? Number(readFileSync(path, "utf8")) : 0;
}

async function attempts(taskId: string): Promise<readonly AttemptWire[]> {
  return (await alice.call("listAttempts", { path: { task_id: taskId } })).value.attempts;
}

async function said(taskId: string): Promise<readonly string[]> {
  const { events } = (await alice.call("listEvents", { path: { task_id: taskId }, query: { limit: 200 } })).value;
  return events.filter((event) => event.type === "resumed").map((event) => event.reason?.text ?? "");
}

/** The launcher's process in the namespace: with it die the driver and all that it started there. */
function killLauncher(taskId: string, attempt: number): void {
  const mine = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const words = readOrEmpty(`/proc/${pid}/cmdline`).split("\0");
      const isLauncher = words.some((word) => word.endsWith("/launch.py")) && words.includes(directoryOf(taskId, attempt));
      return isLauncher && !words.includes("-c")
        ? [{ pid: Number(pid), parent: Number(/^PPid:\s+(\d+)/m.exec(readOrEmpty(`/proc/${pid}/status`))?.[1]) }]
        : [];
    });
  const inner = mine.find(({ parent }) => mine.some(({ pid }) => pid === parent));
  if (inner === undefined) throw new Error(`no launcher of ${taskId} runs: ${JSON.stringify(mine)}`);
  process.kill(inner.pid, "SIGKILL");
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Steps by attempt, as the API tells them. */
async function curve(taskId: string, key: string): Promise<readonly (readonly number[])[]> {
  const { value } = await alice.call("readCurves", { path: { task_id: taskId }, query: { key } });
  return value.attempts.map((one) => one.steps);
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

beforeAll(async () => {
  root = testRoot();
  home = mkdtempSync(join(tmpdir(), "verlpool-resume-"));
  codePath = (await prepareTestRoot(root, AbortSignal.timeout(LONG_MS))).codePath;
  mkdirSync(join(root, "common/verlpool/profiles"), { recursive: true });
  writeProfile("sft", {});
  writeProfile("ppo", SMALL_PPO);
  environment = {
    ...(Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== undefined)) as { [name: string]: string }),
    HOME: home,
    XDG_CONFIG_HOME: join(home, "config"),
    VERLPOOL_DATABASE_URL: `sqlite:${join(home, "db/mvp.sqlite3")}`,
    VERLPOOL_ATTEMPTS_BACKOFF_S: "1",
    MVP_INTERNAL_TOKEN: ADMIN,
  };
  const { existingPython } = testPrepareFlags(root);
  const python = existingPython === null ? [] : ["--existing-python", existingPython];
  const size = ["--workers", "1", "--gpus-per-worker", "1", "--cpus-per-worker", "16"];
  const up = await cli(["up", "--detach", "--root", root, "--port", "0", ...size, ...python]);
  if (up.code !== 0) throw new Error(`verlpool up failed: ${up.stderr}`);
  const url = /ready: (\S+)/.exec(up.stderr)?.[1] ?? "";
  const client = (token: string): Api => apiClient({ url, urlFrom: "test", token, tokenFrom: "test" }, httpTransport(), "test");
  const admin = client(ADMIN);
  await admin.call("createUser", { json: { user_id: "alice" } });
  alice = client((await admin.call("createToken", { path: { user_id: "alice" }, json: { name: "test" } })).value.token);
}, LONG_MS);

afterAll(async () => {
  const down = await cli(["down", "--root", root]);
  if (down.code !== 0) throw new Error(`verlpool down failed: ${down.stderr}`);
  rmSync(home, { recursive: true, force: true });
}, 200_000);

describe("SFT", () => {
  const STEPS = 60;
  let task: TaskWire;

  test("goes on after its launcher was killed, then after a requeue, and ends at its last step", { timeout: LONG_MS }, async () => {
    const id = await submit("sft", STEPS, 5);
    await until(id, "two checkpoints of a01", () => (trackerOf(id, 1) >= 10 ? true : null));
    killLauncher(id, 1);
    await until(id, "a02 with a checkpoint of its own", (now) => (now.attempts === 2 && trackerOf(id, 2) > 0 ? true : null));
    const before = trackerOf(id, 2);
    await alice.call("requeueTask", { path: { task_id: id } });
    task = await ended(id);
    expect(task, JSON.stringify(task.failure)).toMatchObject({ state: "SUCCEEDED", attempts: 3, requeue: null, progress: { step: STEPS } });

    const [first, second, third] = await attempts(id);
    expect(first).toMatchObject({ state: "FAILED", failure: { retryable: true }, resumed_from: null });
    expect(second).toMatchObject({ state: "CANCELED", failure: null, resumed_from: { submission_id: first?.submission_id } });
    expect(third).toMatchObject({ state: "SUCCEEDED", resumed_from: { submission_id: second?.submission_id } });
    const [one, two] = [second?.resumed_from?.step ?? 0, third?.resumed_from?.step ?? 0];
    expect(one).toBeGreaterThanOrEqual(10);
    expect(two).toBeGreaterThan(before);
    expect([one % 5, two % 5]).toEqual([0, 0]);

    const steps = await curve(id, "train/loss");
    expect(steps[0]).toEqual(range(1, steps[0]?.at(-1) ?? 0));
    expect(steps[1]).toEqual(range(one + 1, steps[1]?.at(-1) ?? 0));
    expect(steps[2]).toEqual(range(two + 1, STEPS));
    expect(new Set(steps.flat())).toEqual(new Set(range(1, STEPS)));
    expect(await said(id)).toEqual([
      expect.stringContaining(`goes on from step ${one}, saved by attempt 1`),
      expect.stringContaining(`goes on from step ${two}, saved by attempt 2`),
    ]);
  });

  test("its loss goes on where it was, not where it began", () => {
    const losses = [1, 2, 3].map((attempt) =>
      readFileSync(join(directoryOf(task.task_id, attempt), "logs/metrics.jsonl"), "utf8")
        .trimEnd()
        .split("\n")
        .flatMap((line) => (JSON.parse(line) as { data: { "train/loss"?: number } }).data["train/loss"] ?? []),
    );
    for (const resumed of [losses[1], losses[2]]) expect(resumed?.[0]).toBeLessThan((losses[0]?.[0] ?? 0) - 0.5);
  });

  test("a retry of it is a new task that goes on from its last checkpoint", { timeout: LONG_MS }, async () => {
    const env = { VERLPOOL_URL: alice.where.url, VERLPOOL_TOKEN: alice.where.token };
    const retry = await cli(["retry", task.task_id, "--wait"], env);
    expect(retry.code, retry.stderr).toBe(0);
    expect(retry.stderr).toContain("there may be nothing left to train");
    const id = retry.stdout.split("\n")[0] ?? "";
    const made = (await alice.call("getTask", { path: { task_id: id } })).value;
    expect(made).toMatchObject({
      retry_of: task.task_id,
      attempts: 1,
      attempt: { resumed_from: { submission_id: `${task.task_id}--a03`, step: STEPS } },
    });
    expect(made.spec).toEqual(task.spec);
  });
});

describe("PPO", () => {
  test("killed between two checkpoints goes on with actor and critic from the last complete one", { timeout: LONG_MS }, async () => {
    const STEPS = 6;
    const id = await submit("ppo", STEPS, 2);
    await until(id, "a step after the first checkpoint", (now) => (trackerOf(id, 1) === 2 && now.progress?.step === 3 ? true : null));
    killLauncher(id, 1);
    const task = await ended(id);
    expect(task, JSON.stringify(task.failure)).toMatchObject({ state: "SUCCEEDED", attempts: 2, progress: { step: STEPS } });
    const from = task.attempt?.resumed_from?.step ?? 0;
    expect(from % 2).toBe(0);
    expect(from).toBeGreaterThanOrEqual(2);
    expect((await curve(id, "critic/rewards/mean"))[1]).toEqual(range(from + 1, STEPS));
    const log = readFileSync(join(directoryOf(id, 2), "logs/driver.log"), "utf8");
    for (const part of ["actor", "critic"])
      expect(log).toContain(`${directoryOf(id, 1)}/checkpoints/global_step_${from}/${part}/model_world_size_1_rank_0.pt`);
  });
});
