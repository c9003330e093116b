/**
 * The main job, whole: `verlpool up`, two users with their own tokens, TaskSpecs over HTTP, the queue, real Ray, the launcher, real verl, result.
 * PPO and GRPO (over two nodes) run at once on one Ray cluster, SFT waits for its slot.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiClient, type Api } from "../../src/cli/client.ts";
import { httpTransport } from "../../src/cli/transport.ts";
import type { TaskWire } from "../../src/contract/resources.ts";
import { formatProfile, parseProfile } from "../../src/contract/profile-file.ts";
import { type MetricPoint, parseConsoleLine, parseMetricLine } from "../../src/domain/insight/training-log.ts";
import { isTerminal } from "../../src/domain/task-state.ts";
import type { Workload } from "../../src/domain/types.ts";
import { DEMO_PROFILES } from "../../src/domain/verl/demo-profiles.ts";
import type { Profile, Setting } from "../../src/domain/verl/profile.ts";
import { openBrowser, openPage, signIn } from "../support/browser.ts";
import { realClock } from "../support/real-ray.ts";
import { prepareTestRoot, testPrepareFlags, testRoot } from "../support/prepared-root.ts";

/** The demo's settings with a quarter of its samples: enough for a reward strictly between 0 and 1 and a gradient, in little time. */
const SMALL: { readonly [key: string]: Setting } = {
  "data.train_batch_size": 16,
  "actor_rollout_ref.actor.ppo_mini_batch_size": 16,
  "actor_rollout_ref.rollout.n": 4,
  "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu": 32,
  "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu": 32,
};
const STEPS = 3;
const CORRELATION = "training/rollout_actor_probs_pearson_corr";
const CLI = join(import.meta.dirname, "../../bin/verlpool");
const LONG_MS = 1_500_000;

/** Folder and shards, in pairs: what transformers loads against the shards put together, which torch keeps as DTensors of a dead process group. */
const COMPARE_WEIGHTS = `
import json, sys, glob, torch
from torch.distributed.tensor import DTensor
from transformers import AutoModelForCausalLM
told = []
for folder, shards in zip(sys.argv[1::2], sys.argv[2::2]):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).state_dict()
    ranks = [torch.load(name, map_location="cpu", weights_only=False) for name in sorted(glob.glob(shards + "/model_world_size_*.pt"))]
    different, missing = 0, len(set(ranks[0]) ^ set(model))
    for key, first in ranks[0].items():
        whole = first
        if isinstance(first, DTensor):
            parts = [rank[key].to_local() for rank in ranks]
            whole = torch.cat(parts, dim=first.placements[0].dim) if first.placements[0].is_shard() else parts[0]
        different += not torch.equal(whole.bfloat16(), model[key])
    told.append({"ranks": len(ranks), "missing": missing, "different": different})
print(json.dumps(told))
`;

let home = "";
let grpoExported: Promise<Ran> | null = null;
let root = "";
let url = "";
let codePath = "";
let alice: Api;
let bob: Api;
let environment: { [name: string]: string } = {};
const tasks: { [workload in Workload]?: TaskWire } = {};
const specs: { [workload in Workload]?: string } = {};

type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

function cli(args: readonly string[], env: { readonly [name: string]: string } = {}): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args], { env: { ...environment, ...env }, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
    });
  });
}

function python(program: string, args: readonly string[]): Promise<Ran> {
  const interpreter = process.env["VERLPOOL_TEST_PYTHON"] ?? "python3";
  return new Promise((resolve) => {
    execFile(interpreter, ["-c", program, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
    });
  });
}

function smallProfile(workload: Workload): Profile {
  const fileName = `demo-${workload}@1.yaml`;
  const parsed = parseProfile(DEMO_PROFILES[fileName] ?? "", fileName);
  if (!parsed.ok) throw new Error(`${fileName} does not parse: ${JSON.stringify(parsed)}`);
  const critic: { readonly [key: string]: Setting } = workload === "ppo" ? { "critic.ppo_micro_batch_size_per_gpu": 32 } : {};
  const settings = workload === "sft" ? parsed.profile.settings : { ...parsed.profile.settings, ...SMALL, ...critic };
  return { ...parsed.profile, name: `ci-${workload}`, settings };
}

function specText(workload: Workload, nnodes: number): string {
  const data = workload === "sft" ? "gsm8k-demo-sft" : "gsm8k-demo";
  return `# ${workload} of the main-job test
workload: ${workload}
code_path: ${codePath}
model_id: /private/common/models/verlpool-demo/${workload === "sft" ? "base" : "warm"}
train_file: /private/common/datasets/${data}/train.parquet
val_file: /private/common/datasets/${data}/test.parquet
nnodes: ${nnodes}
n_gpus_per_node: 1
total_epochs: 1
total_training_steps: ${STEPS}
save_freq: ${STEPS}
test_freq: ${workload === "sft" ? STEPS : -1}
`;
}

async function submit(api: Api, workload: Workload, nnodes: number): Promise<string> {
  const spec = specText(workload, nnodes);
  specs[workload] = spec;
  const answer = await api.call("createTask", { yaml: Buffer.from(spec), query: { profile: `ci-${workload}` } });
  return answer.value.task_id;
}

function exported(api: Api, taskId: string, ...more: readonly string[]): Promise<Ran> {
  return cli(["export", taskId, ...more], { VERLPOOL_URL: url, VERLPOOL_TOKEN: api.where.token });
}

async function ended(api: Api, taskId: string): Promise<TaskWire> {
  const deadline = AbortSignal.timeout(LONG_MS);
  for (;;) {
    const { value } = await api.call("getTask", { path: { task_id: taskId } });
    if (isTerminal(value.state)) return value;
    if (deadline.aborted) throw new Error(`${taskId} has not ended: ${JSON.stringify(value, null, 1)}`);
    await realClock.sleep(500, new AbortController().signal);
  }
}

beforeAll(async () => {
  root = testRoot();
  home = mkdtempSync(join(tmpdir(), "verlpool-main-job-"));
  const prepared = await prepareTestRoot(root, AbortSignal.timeout(LONG_MS));
  codePath = prepared.codePath;
  mkdirSync(join(root, "common/verlpool/profiles"), { recursive: true });
  for (const workload of ["ppo", "grpo", "sft"] as const) {
    writeFileSync(join(root, `common/verlpool/profiles/ci-${workload}@1.yaml`), formatProfile(smallProfile(workload)));
  }
  environment = {
    ...(Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== undefined)) as { [name: string]: string }),
    HOME: home,
    XDG_CONFIG_HOME: join(home, "config"),
    VERLPOOL_DATABASE_URL: `sqlite:${join(home, "db/mvp.sqlite3")}`,
    VERLPOOL_SCHEDULER_MAX_RUNNING_TASKS: "2",
    // A secret of the operator that no job may ever see.
    MVP_INTERNAL_TOKEN: "operator-secret-of-main-job",
    AWS_SECRET_ACCESS_KEY: "cloud-secret-of-main-job",
  };
  const { existingPython } = testPrepareFlags(root);
  const up = await cli([
    "up",
    "--detach",
    "--root",
    root,
    "--port",
    "0",
    "--workers",
    "2",
    "--gpus-per-worker",
    "2",
    "--cpus-per-worker",
    "28",
    ...(existingPython === null ? [] : ["--existing-python", existingPython]),
  ]);
  if (up.code !== 0) throw new Error(`verlpool up failed: ${up.stderr}`);
  url = /ready: (\S+)/.exec(up.stderr)?.[1] ?? "";
  const client = (token: string): Api => apiClient({ url, urlFrom: "test", token, tokenFrom: "test" }, httpTransport(), "test");
  const admin = client("operator-secret-of-main-job");
  const userOf = async (name: string): Promise<Api> => {
    await admin.call("createUser", { json: { user_id: name } });
    return client((await admin.call("createToken", { path: { user_id: name }, json: { name: "test" } })).value.token);
  };
  [alice, bob] = [await userOf("alice"), await userOf("bob")];
  const ids = { ppo: await submit(alice, "ppo", 1), grpo: await submit(bob, "grpo", 2), sft: await submit(alice, "sft", 1) };
  // An export takes no slot and no GPU, so it runs while others train.
  grpoExported = ended(bob, ids.grpo).then((task) => exported(bob, task.task_id, "--output", join(home, "merged")));
  [tasks.ppo, tasks.grpo, tasks.sft] = await Promise.all([ended(alice, ids.ppo), ended(bob, ids.grpo), ended(alice, ids.sft)]);
}, LONG_MS + 300_000);

afterAll(async () => {
  const down = await cli(["down", "--root", root]);
  if (down.code !== 0) throw new Error(`verlpool down failed: ${down.stderr}`);
  rmSync(home, { recursive: true, force: true });
}, 200_000);

function directoryOf(workload: Workload): string {
  return join(root, (tasks[workload]?.attempt?.job_dir ?? "/private/none").slice("/private/".length));
}

type Point = { readonly step: number; readonly data: { readonly [key: string]: number } };

/** verl's own metrics file: one JSON line a step (SFT writes its validation as a line of its own). */
function series(workload: Workload, key: string): readonly number[] {
  const lines = readFileSync(join(directoryOf(workload), "logs/metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n");
  return lines.map((line) => JSON.parse(line) as Point).flatMap(({ data }) => (data[key] === undefined ? [] : [data[key]]));
}

/** By step, whatever the number of lines that told of it. */
function steps(workload: Workload, path: string, parse: (line: string) => MetricPoint | null): ReadonlyMap<number, MetricPoint["data"]> {
  const out = new Map<number, MetricPoint["data"]>();
  for (const line of readFileSync(join(directoryOf(workload), path), "utf8").split("\n")) {
    const point = parse(line);
    if (point !== null) out.set(point.step, { ...out.get(point.step), ...point.data });
  }
  return out;
}

describe("real verl through the whole of verlpool", () => {
  test.each(["ppo", "grpo", "sft"] as const)("%s SUCCEEDED in its first attempt, on a worker", (workload) => {
    expect(tasks[workload], JSON.stringify(tasks[workload]?.failure)).toMatchObject({
      state: "SUCCEEDED",
      attempts: 1,
      failure: null,
      progress: { step: STEPS, total_steps: STEPS },
      attempt: { attempt: 1, state: "SUCCEEDED", exit_code: 0, node: expect.stringMatching(/^worker-[12]$/) },
    });
  });

  test.each(["ppo", "grpo", "sft"] as const)("%s left all that tells what ran and how it ended", (workload) => {
    const directory = directoryOf(workload);
    expect(readFileSync(join(directory, "config/spec.yaml"), "utf8")).toBe(specs[workload]);
    const argv = JSON.parse(readFileSync(join(directory, "config/argv.json"), "utf8")) as string[];
    expect(argv.slice(1, 3)).toEqual(["-m", workload === "sft" ? "verl.trainer.sft_trainer_ray" : "verl.trainer.main_ppo"]);
    expect(JSON.parse(readFileSync(join(directory, "config/profile.json"), "utf8"))).toMatchObject({ name: `ci-${workload}` });
    expect(JSON.parse(readFileSync(join(directory, "result.json"), "utf8"))).toMatchObject({
      schema: 1,
      outcome: "exited",
      exit_code: 0,
      attempt: 1,
    });
    expect(readFileSync(join(directory, "logs/driver.log"), "utf8")).toContain(`step:${STEPS}`);
    expect(readFileSync(join(directory, "checkpoints/latest_checkpointed_iteration.txt"), "utf8").trim()).toBe(String(STEPS));
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    const saved = readdirSync(join(directory, `checkpoints/global_step_${STEPS}`), { recursive: true }) as string[];
    const world = workload === "grpo" ? 2 : 1;
    expect(
      saved.some((name) => name.endsWith(`model_world_size_${world}_rank_${world - 1}.pt`)),
      saved.join(),
    ).toBe(true);
  });

  test.each(["ppo", "grpo"] as const)("%s learned by verl's own reward, from samples of its own weights", (workload) => {
    const rewards = series(workload, "critic/rewards/mean");
    expect(rewards).toHaveLength(STEPS);
    expect(rewards[0]).toBeGreaterThan(0);
    expect(rewards[0]).toBeLessThan(1);
    for (const gradient of series(workload, "actor/grad_norm")) expect(gradient).toBeGreaterThan(0);
    const correlations = series(workload, CORRELATION);
    expect(correlations).toHaveLength(STEPS);
    for (const correlation of correlations) expect(correlation).toBeGreaterThanOrEqual(0.99);
  });

  test("SFT lowered its loss and validated", () => {
    const losses = series("sft", "train/loss");
    expect(losses).toHaveLength(STEPS);
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) - 0.5);
    expect(series("sft", "val/loss")).toHaveLength(1);
  });

  test("PPO and GRPO of two users ran at the same time, and SFT waited for a slot", () => {
    const at = (text: string | null | undefined): number => Date.parse(text ?? "");
    const { ppo, grpo, sft } = tasks;
    expect(Math.max(at(ppo?.started_at), at(grpo?.started_at))).toBeLessThan(Math.min(at(ppo?.ended_at), at(grpo?.ended_at)));
    expect(at(sft?.started_at)).toBeGreaterThanOrEqual(Math.min(at(ppo?.ended_at), at(grpo?.ended_at)) - 1000);
  });

  test("curves over the API are verl's own file, point by point, and the log is the driver's", async () => {
    const id = tasks.ppo?.task_id ?? "";
    const { value } = await alice.call("readCurves", { path: { task_id: id }, query: { key: "critic/rewards/mean" } });
    expect(value.attempts).toEqual([
      { attempt: 1, steps: [1, 2, 3], series: { "critic/rewards/mean": series("ppo", "critic/rewards/mean") } },
    ]);
    const log = await cli(["logs", id, "--tail", "10000"], { VERLPOOL_URL: url, VERLPOOL_TOKEN: alice.where.token });
    expect(readFileSync(join(directoryOf("ppo"), "logs/driver.log"), "utf8").endsWith(log.stdout)).toBe(true);
    expect(log.stdout.length).toBeGreaterThan(1000);
  });

  test.each(["ppo", "grpo", "sft"] as const)(
    "%s: its console, which is read where there is no such file, says the same of each step and key",
    (workload) => {
      const told = steps(workload, "logs/driver.log", parseConsoleLine);
      expect(told.size).toBe(STEPS);
      expect(told).toEqual(steps(workload, "logs/metrics.jsonl", parseMetricLine));
    },
  );

  test("neither user sees the other's task, and no job saw the operator's secrets", async () => {
    await expect(alice.call("getTask", { path: { task_id: tasks.grpo?.task_id ?? "" } })).rejects.toMatchObject({
      problem: { code: "task_not_found" },
    });
    expect((await bob.call("listTasks")).value.tasks.filter((task) => task.export_of === null).map((task) => task.task_id)).toEqual([
      tasks.grpo?.task_id,
    ]);
    for (const workload of ["ppo", "grpo", "sft"] as const) {
      for (const name of readdirSync(directoryOf(workload), { recursive: true }) as string[]) {
        const path = join(directoryOf(workload), name);
        if (!statSync(path).isFile() || name.endsWith(".pt")) continue;
        const text = readFileSync(path, "latin1");
        for (const secret of ["operator-secret-of-main-job", "cloud-secret-of-main-job", alice.where.token, bob.where.token])
          expect(text.includes(secret), name).toBe(false);
      }
    }
  });

  test("the checkpoints of two ranks and of one become folders that transformers loads, with the trained weights", async () => {
    const output = join(home, "merged");
    const [grpo, sft] = await Promise.all([grpoExported, exported(alice, tasks.sft?.task_id ?? "")]);
    expect([grpo?.code, sft.code], `${grpo?.stderr}${sft.stderr}`).toEqual([0, 0]);
    const folder = (workload: Workload): string => join(directoryOf(workload), `export/step_${STEPS}`);
    expect(sft.stdout.trim()).toBe(folder("sft").replace(root, "/private"));
    expect(readdirSync(output).toSorted()).toEqual(readdirSync(folder("grpo")).toSorted());
    for (const name of readdirSync(output))
      expect(readFileSync(join(output, name)).equals(readFileSync(join(folder("grpo"), name)))).toBe(true);
    const saved = (workload: Workload, part: string): string => join(directoryOf(workload), `checkpoints/global_step_${STEPS}`, part);
    const pairs = [output, saved("grpo", "actor"), folder("sft"), saved("sft", "")];
    const compared = await python(COMPARE_WEIGHTS, pairs);
    expect(JSON.parse(compared.stdout.split("\n").at(-2) ?? ""), compared.stderr).toEqual([
      { ranks: 2, missing: 0, different: 0 },
      { ranks: 1, missing: 0, different: 0 },
    ]);
    const again = await exported(alice, tasks.sft?.task_id ?? "");
    expect([again.code, again.stdout, again.stderr]).toEqual([0, sft.stdout, ""]);
    const foreign = await exported(alice, tasks.grpo?.task_id ?? "");
    expect([foreign.code, foreign.stderr]).toEqual([1, expect.stringContaining("task not found")]);
  });

  test("the page of the same server shows the task, its curve and its log", async () => {
    const admin = apiClient({ url, urlFrom: "test", token: "operator-secret-of-main-job", tokenFrom: "test" }, httpTransport(), "test");
    const { token } = (await admin.call("createToken", { path: { user_id: "alice" }, json: { name: "page" } })).value;
    const path = `/tasks/${tasks.ppo?.task_id ?? ""}`;
    const browser = await openBrowser();
    try {
      const { page, misdeeds } = await openPage(browser, url);
      await signIn(page, token, `${path}/curves?key=critic/rewards/mean`);
      await page.getByRole("img", { name: new RegExp(`^critic/rewards/mean: ${STEPS} steps`) }).waitFor();
      await page.getByRole("link", { name: "Log", exact: true }).click();
      await page
        .getByRole("region", { name: "Log of attempt 1" })
        .getByText(new RegExp(`step:${STEPS} `))
        .first()
        .waitFor();
      await page.goto("/tasks");
      await page
        .locator(".task-row", { has: page.locator(`a[href="${path}"]`) })
        .getByText("Succeeded")
        .waitFor();
      expect(misdeeds).toEqual([]);
    } finally {
      await browser.close();
    }
  });

  test("what a person types afterwards answers on one screen", async () => {
    const env = { VERLPOOL_URL: url, VERLPOOL_TOKEN: alice.where.token };
    const show = await cli(["show", (tasks.ppo?.task_id ?? "").slice(-6)], env);
    expect(show.code, show.stderr).toBe(0);
    expect(show.stdout).toContain("SUCCEEDED");
    expect(show.stdout.split("\n").length).toBeLessThan(40);
    expect((await cli(["curves", tasks.ppo?.task_id ?? ""], env)).stdout).toContain("critic/rewards/mean");
    expect((await cli(["wait", tasks.ppo?.task_id ?? ""], env)).code).toBe(0);
    expect((await cli(["show", tasks.grpo?.task_id ?? ""], env)).code).toBe(1);
  });
});
