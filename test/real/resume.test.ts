/**
 * Real verl goes on where it was: after its launcher or its whole worker is killed, after a requeue, and as a retry; the curve is one line, without
 * a step missing, and what it gives while it grows is verl's own, also over a killed head. What verl says it resumed from is read in its log.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiClient, type Api } from "../../src/cli/client.ts";
import { httpTransport } from "../../src/cli/transport.ts";
import type { CurvesWire } from "../../src/contract/insight.ts";
import type { AttemptWire, TaskWire } from "../../src/contract/resources.ts";
import { formatProfile, parseProfile } from "../../src/contract/profile-file.ts";
import { type MetricPoint, parseMetricLine } from "../../src/domain/insight/training-log.ts";
import { isTerminal } from "../../src/domain/task-state.ts";
import type { Workload } from "../../src/domain/types.ts";
import { DEMO_PROFILES } from "../../src/domain/verl/demo-profiles.ts";
import type { Setting } from "../../src/domain/verl/profile.ts";
import { placesOf } from "../../src/main/local/places.ts";
import { poolId } from "../../src/pool/pool-lock.ts";
import { findTagged, killTagged } from "../../src/pool/tagged-processes.ts";
import { prepareTestRoot, testPrepareFlags, testRoot } from "../support/prepared-root.ts";
import { realClock } from "../support/real-ray.ts";

const CLI = join(import.meta.dirname, "../../bin/verlpool");
const ADMIN = "operator-secret-of-resume";
const LONG_MS = 900_000;
const quiet = new AbortController().signal;
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
  // A third one, so that a newest one that is being written leaves two.
  const profile = {
    ...parsed.profile,
    name: `resume-${workload}`,
    keepCheckpoints: 3,
    settings: { ...parsed.profile.settings, ...settings },
  };
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
    await realClock.sleep(100, quiet);
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

/** Everything that runs on that node of the pool, or its head; what it was is started again by the pool. */
async function killNode(node: "head" | "worker-1"): Promise<void> {
  const tag = `${poolId(placesOf(root, environment).stateDir)}/${node}`;
  expect(findTagged(tag).length).toBeGreaterThan(0);
  await killTagged(tag, realClock, 20_000, quiet);
}

/** What verl itself wrote. */
function points(taskId: string, attempt: number): readonly MetricPoint[] {
  const text = readOrEmpty(join(directoryOf(taskId, attempt), "logs/metrics.jsonl"));
  return text.split("\n").flatMap((line) => parseMetricLine(line) ?? []);
}

type Following = { readonly stop: () => Promise<readonly CurvesWire[]> };

/** Asks for the line again and again, as a follower does. */
function follow(taskId: string, key: string): Following {
  const ending = new AbortController();
  const answers: CurvesWire[] = [];
  const asking = (async () => {
    while (!ending.signal.aborted) {
      answers.push((await alice.call("readCurves", { path: { task_id: taskId }, query: { key, view: "line" } })).value);
      await realClock.sleep(250, ending.signal).catch(() => undefined);
    }
  })();
  // Told by stop().
  asking.catch(() => undefined);
  return {
    stop: async () => {
      ending.abort();
      await asking;
      return answers;
    },
  };
}

/** The line as verl's files have it, by the attempts and steps that the answer names. */
function asWritten(taskId: string, key: string, { line }: CurvesWire): readonly (readonly [step: number, value: number | undefined])[] {
  return (line?.segments ?? []).flatMap(({ attempt, from_step, to_step }) =>
    points(taskId, attempt).flatMap(({ step, data }) => (step >= from_step && step <= to_step ? [[step, data[key]] as const] : [])),
  );
}

function asGiven(key: string, { line }: CurvesWire): readonly (readonly [step: number, value: number | null | undefined])[] {
  return (line?.steps ?? []).map((step, i) => [step, line?.series[key]?.[i]] as const);
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
    VERLPOOL_SCHEDULER_MAX_RUNNING_TASKS: "2",
    VERLPOOL_LIMITS_REQUESTS_PER_SECOND: "1000",
    // An attempt whose node is gone is given up after the sum of both and 30 s.
    VERLPOOL_LEASE_SELF_FENCE_S: "15",
    VERLPOOL_LEASE_GRACE_S: "5",
    MVP_INTERNAL_TOKEN: ADMIN,
  };
  const { existingPython } = testPrepareFlags(root);
  const python = existingPython === null ? [] : ["--existing-python", existingPython];
  const size = ["--workers", "1", "--gpus-per-worker", "2", "--cpus-per-worker", "32"];
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

let sft: TaskWire;

describe("SFT", () => {
  const STEPS = 60;

  test("goes on after its launcher was killed, then after a requeue, and ends at its last step", { timeout: LONG_MS }, async () => {
    const id = await submit("sft", STEPS, 5);
    await until(id, "two checkpoints of a01", () => (trackerOf(id, 1) >= 10 ? true : null));
    killLauncher(id, 1);
    await until(id, "a02 with a checkpoint of its own", (now) => (now.attempts === 2 && trackerOf(id, 2) > 0 ? true : null));
    const before = trackerOf(id, 2);
    await alice.call("requeueTask", { path: { task_id: id } });
    sft = await ended(id);
    expect(sft, JSON.stringify(sft.failure)).toMatchObject({ state: "SUCCEEDED", attempts: 3, requeue: null, progress: { step: STEPS } });

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
      readFileSync(join(directoryOf(sft.task_id, attempt), "logs/metrics.jsonl"), "utf8")
        .trimEnd()
        .split("\n")
        .flatMap((line) => (JSON.parse(line) as { data: { "train/loss"?: number } }).data["train/loss"] ?? []),
    );
    for (const resumed of [losses[1], losses[2]]) expect(resumed?.[0]).toBeLessThan((losses[0]?.[0] ?? 0) - 0.5);
  });
});

describe("PPO whose worker is killed between two checkpoints, the newest of which is cut", () => {
  const STEPS = 6;
  const REWARD = "critic/rewards/mean";
  let ppo = "";
  let newest = 0;
  let following: Following;

  test("falls silent, and is not taken for dead at once", { timeout: LONG_MS }, async () => {
    ppo = await submit("ppo", STEPS, 2);
    following = follow(ppo, REWARD);
    const isBetween = (): boolean => trackerOf(ppo, 1) >= 4 && points(ppo, 1).at(-1)?.step === trackerOf(ppo, 1) + 1;
    await until(ppo, "a step after the second checkpoint", () => (isBetween() ? true : null));
    await killNode("worker-1");
    newest = trackerOf(ppo, 1);
    truncateSync(join(directoryOf(ppo, 1), `checkpoints/global_step_${newest}/critic/optim_world_size_1_rank_0.pt`), 1000);
    expect((await alice.call("getTask", { path: { task_id: ppo } })).value).toMatchObject({ state: "RUNNING", attempts: 1 });
  });

  test("meanwhile a retry of the SFT task is a new task that goes on from its last checkpoint", { timeout: LONG_MS }, async () => {
    const env = { VERLPOOL_URL: alice.where.url, VERLPOOL_TOKEN: alice.where.token };
    const retry = await cli(["retry", sft.task_id, "--wait"], env);
    expect(retry.code, retry.stderr).toBe(0);
    expect(retry.stderr).toContain("there may be nothing left to train");
    const id = retry.stdout.split("\n")[0] ?? "";
    const made = (await alice.call("getTask", { path: { task_id: id } })).value;
    expect(made).toMatchObject({
      retry_of: sft.task_id,
      attempts: 1,
      attempt: { resumed_from: { submission_id: `${sft.task_id}--a03`, step: sft.progress?.step } },
    });
    expect(made.spec).toEqual(sft.spec);
  });

  test("goes on as a02 from the one before, says so, and ends at the same step", { timeout: LONG_MS }, async () => {
    const from = newest - 2;
    await until(ppo, "a step of a02", () => (points(ppo, 2).length > 0 ? true : null));
    await killNode("head");
    const killedAt = points(ppo, 2).at(-1)?.step;
    expect(killedAt).toBeLessThan(STEPS);
    const task = await ended(ppo);
    expect(task, JSON.stringify(task.failure)).toMatchObject({ state: "SUCCEEDED", attempts: 2, progress: { step: STEPS } });
    expect((await attempts(ppo)).map(({ state }) => state)).toEqual(["LOST", "SUCCEEDED"]);
    expect(task.attempt?.resumed_from).toEqual({ submission_id: `${ppo}--a01`, step: from });
    const cut = `the checkpoint of step ${newest} of attempt 1 was passed over: critic/optim_world_size_1_rank_0.pt is cut short`;
    expect(await said(ppo)).toEqual([expect.stringContaining(`goes on from step ${from}, saved by attempt 1`)]);
    expect((await said(ppo))[0]).toContain(cut);
    const log = readFileSync(join(directoryOf(ppo, 2), "logs/driver.log"), "utf8");
    for (const part of ["actor", "critic"])
      expect(log).toContain(`${directoryOf(ppo, 1)}/checkpoints/global_step_${from}/${part}/model_world_size_1_rank_0.pt`);
  });

  test("its curve is one line, and each answer that a follower got was verl's own, while the head was away too", async () => {
    const answers = await following.stop();
    const whole = (await alice.call("readCurves", { path: { task_id: ppo }, query: { key: REWARD, view: "line" } })).value;
    expect(whole.line?.steps).toEqual(range(1, STEPS));
    expect(whole.line?.segments).toMatchObject([
      { attempt: 1, from_step: 1, to_step: newest - 2, source: "file" },
      { attempt: 2, from_step: newest - 1, to_step: STEPS, source: "file" },
    ]);
    for (const answer of [...answers, whole]) expect(asGiven(REWARD, answer)).toEqual(asWritten(ppo, REWARD, answer));
    const lengths = new Set(answers.map((answer) => `${answer.line?.segments.length}: ${answer.line?.steps.length}`));
    // Seen as they came: at least three steps of each attempt.
    expect([...lengths].filter((one) => /^1: [1-9]/.test(one)).length).toBeGreaterThanOrEqual(3);
    expect([...lengths].filter((one) => one.startsWith("2: ")).length).toBeGreaterThanOrEqual(3);
  });
});
