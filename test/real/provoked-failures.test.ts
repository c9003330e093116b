/**
 * Real verl on CPUs fails in eight ways, each provoked in the world and not in a log, and `why` says of each what it was, whose it is and which
 * line shows it. One Ray cluster; what pre-flight refuses is broken after the submission, while the queue is paused.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WhyWire } from "../../src/contract/insight.ts";
import type { Profile, Setting } from "../../src/domain/verl/profile.ts";
import { type FaultCluster, startFaultCluster } from "../support/fault-cluster.ts";
import { makeMemoryCgroup, type MemoryCgroup } from "../support/memory-cgroup.ts";
import { prepareTestRoot, testRoot } from "../support/prepared-root.ts";
import { makeProvokedRoot, type ProvokedRoot, type ProvokedTask } from "../support/provoked-root.ts";
import { pythonFrom } from "../support/real-ray.ts";
import {
  api,
  endServerProcesses,
  hasEnded,
  type ServerProcess,
  startServerProcess,
  waitForTask,
  type Wire,
} from "../support/server-process.ts";

const PATIENCE_MS = 400_000;
const LONG = { timeout: PATIENCE_MS + 20_000 };
const isRoot = process.getuid?.() === 0;
const BIG = { name: "worker-1", gpus: 4, cpus: 64 };
/** More GPUs than the other, and too few CPUs for any of verl's placement groups. */
const THIN = { name: "worker-2", gpus: 6, cpus: 8 };

let python = "";
let root: ProvokedRoot;
let cluster: FaultCluster;
let server: ServerProcess;
let cgroup: MemoryCgroup | null = null;
let smallDisk: string | null = null;
const ids = new Map<string, string>();
const specs = new Map<string, string>();

async function submit(name: string, user = "alice"): Promise<void> {
  const answer = await api(server, "POST", `/api/v2/tasks?user=${user}&profile=${name}&max_runtime_s=300`, specs.get(name) ?? "");
  expect(answer.status, answer.text).toBe(201);
  ids.set(name, String(answer.body["task_id"]));
}

const withSettings =
  (settings: { readonly [key: string]: Setting }) =>
  (profile: Profile): Profile => ({ ...profile, settings: { ...profile.settings, ...settings } });
const withCpus =
  (cpusPerGpu: number) =>
  (profile: Profile): Profile => ({ ...profile, cpusPerGpu });

function idOf(name: string): string {
  return ids.get(name) ?? "";
}

async function whyOf(name: string): Promise<WhyWire> {
  const answer = await api(server, "GET", `/api/v2/tasks/${idOf(name)}/why`);
  expect(answer.status, answer.text).toBe(200);
  return WhyWire.parse(answer.body);
}

type Told = NonNullable<WhyWire["failed"]> & { readonly headline: string; readonly shown: string };

/** What `why` says of the task once it has FAILED; each line that it shows is that line of the log. */
async function failed(name: string, user = "alice"): Promise<Told> {
  const task: Wire = await waitForTask(server, idOf(name), hasEnded, PATIENCE_MS);
  expect(task["state"], JSON.stringify(task)).toBe("FAILED");
  const { failed: told, headline } = await whyOf(name);
  if (told === null) throw new Error(`why says nothing of ${JSON.stringify(task)}`);
  const written = readOrNothing(root.jobFile(user, `${idOf(name)}--a01`, "logs/driver.log"));
  const log = stripVTControlCharacters(written).split("\n");
  for (const { line, text } of told.evidence) if (line !== null) expect(log[line - 1], `line ${line}`).toContain(text.slice(0, 80));
  return { ...told, headline, shown: told.evidence.map(({ text }) => text).join("\n") };
}

function mountSmallDisk(path: string): string {
  mkdirSync(path, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=5m", "none", path]);
  return path;
}

/** Ray's actors on the worker, by the titles that they give themselves, which overwrite their environment. */
function actorsOn(worker: string): readonly { readonly pid: number; readonly title: string }[] {
  const raylets = new Set(cluster.pidsOf(worker));
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && raylets.has(Number(/^PPid:\s+(\d+)/m.exec(readOrNothing(`/proc/${entry}/status`))?.[1])))
    .map((pid) => ({ pid: Number(pid), title: readOrNothing(`/proc/${pid}/cmdline`).split("\0")[0] ?? "" }))
    .filter(({ title }) => title.startsWith("ray::"));
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

beforeAll(async () => {
  python = pythonFrom("VERLPOOL_TEST_PYTHON");
  const prepared = testRoot();
  const { codePath } = await prepareTestRoot(prepared, AbortSignal.timeout(PATIENCE_MS));
  root = makeProvokedRoot(prepared, join(prepared, codePath.replace(/^\/private\//, "")), python);
  const make = (task: Partial<ProvokedTask> & { readonly name: string }, change?: (profile: Profile) => Profile): void =>
    void specs.set(task.name, root.task({ gpus: 1, steps: 2000, saveFreq: -1, ...task }, change));
  rmSync(join(root.codeOf("import-error"), "verl/utils/tracking.py"));
  make({ name: "placement", gpus: 5 }, withCpus(1));
  make({ name: "oom" });
  // Of a batch of 64 each of two ranks gets 32.
  make({ name: "killed-rank", gpus: 2 }, withSettings({ "data.micro_batch_size_per_gpu": 32 }));
  make({ name: "bad-batch" }, withSettings({ "data.micro_batch_size_per_gpu": 48 }));
  for (const name of ["missing-column", "model-gone", "no-weights", "import-error"]) make({ name });
  make({ name: "disk-full", saveFreq: 1 });
  // Before the workers: their mount namespaces have what was there at their start.
  if (isRoot) smallDisk = mountSmallDisk(join(root.root, "users/dora/jobs"));
  cluster = await startFaultCluster({ python, reconnectS: null, contained: true });
  await cluster.startHead("empty");
  await cluster.addWorker(BIG);
  await cluster.addWorker(THIN);
  const env = {
    VERLPOOL_SCHEDULER_MAX_RUNNING_TASKS: "8",
    VERLPOOL_SCHEDULER_RETRY_INTERVAL_S: "1",
    VERLPOOL_ATTEMPTS_MAX: "0",
    VERLPOOL_STALLS_POLICY: "resume",
    VERLPOOL_STALLS_MIN_S: "20",
    VERLPOOL_POOL_PYTHON: python,
    VERLPOOL_RAY_TOKEN_FILE: cluster.tokenFile,
  };
  server = await startServerProcess({ root: root.root, rayAddress: cluster.dashboardUrl, env });
  for (const user_id of ["alice", "dora"]) await api(server, "POST", "/api/v2/users", { user_id });
  await api(server, "POST", "/api/v2/queue:pause", {});
  const order = ["placement", "bad-batch", "missing-column", "model-gone", "no-weights", "import-error"];
  for (const name of order) await submit(name);
  await submit("disk-full", "dora");
  await submit("killed-rank");
  root.renameColumn("missing-column", "conversations");
  rmSync(root.modelOf("model-gone"), { recursive: true });
  rmSync(join(root.modelOf("no-weights"), "model.safetensors"));
  await api(server, "POST", "/api/v2/queue:resume", {});
}, PATIENCE_MS);

afterAll(async () => {
  await endServerProcesses();
  await cluster?.close();
  cgroup?.remove();
  if (smallDisk !== null) execFileSync("umount", [smallDisk]);
  root?.remove();
});

describe("why, of real verl that fails", LONG, () => {
  test("a column that is missing: refused at submission, and told when the file changed after it", async () => {
    const answer = await api(server, "POST", "/api/v2/tasks?user=alice&profile=missing-column", specs.get("missing-column") ?? "");
    expect([answer.status, answer.body["code"]], answer.text).toEqual([422, "preflight_failed"]);
    expect(answer.text).toContain("no column messages");
    const told = await failed("missing-column");
    expect(told).toMatchObject({
      label: "dataset_schema",
      blame: "user",
      retryable: false,
      shown: expect.stringContaining("KeyError: 'messages'"),
    });
    expect(told.explanation).toContain("no field messages");
  });

  test("a batch that its micro batches do not divide", async () => {
    const told = await failed("bad-batch");
    expect(told).toMatchObject({ label: "config_divisibility", blame: "config", retryable: false });
    expect(told.shown).toContain("data size must be divisible by force_group_size * micro_batch_size_per_gpu");
  });

  test("a model that is missing: refused at submission, by the launcher where it went since, and by verl where its weights did", async () => {
    const answer = await api(server, "POST", "/api/v2/tasks?user=alice&profile=model-gone", specs.get("model-gone") ?? "");
    expect(answer.status, answer.text).toBe(422);
    expect(answer.text).toContain("/private/common/models/model-gone");
    const gone = await failed("model-gone");
    expect(gone).toMatchObject({ label: "config_invalid_value", blame: "user", retryable: false });
    expect(gone.headline).toMatch(/models\/model-gone does not exist on this node: it was removed/);
    const told = await failed("no-weights");
    expect(told).toMatchObject({ label: "config_invalid_value", blame: "user", retryable: false });
    expect(told.shown).toMatch(/no file named model\.safetensors.* found in directory \S+models\/no-weights/);
  });

  test("an import that fails, because a file of the verl tree is missing", async () => {
    const told = await failed("import-error");
    expect(told).toMatchObject({ label: "version_mismatch", blame: "config", retryable: false });
    expect(told.shown).toContain("No module named 'verl.utils.tracking'");
    expect(told.explanation).toMatch(/code_path.* has no module verl\.utils\.tracking/);
  });

  test.skipIf(!isRoot)("a disk that its checkpoint fills (a tmpfs, which only root mounts)", async () => {
    const told = await failed("disk-full", "dora");
    expect(told).toMatchObject({ label: "disk_full", blame: "infra", retryable: false });
    expect(told.shown).toMatch(/iostream error|file write failed|No space left on device/);
  });

  test("a placement that never comes, also for a task that another's must not be taken for", async () => {
    const told = await failed("placement");
    expect(told).toMatchObject({ label: "placement_pending", blame: "config", retryable: false });
    expect(told.shown).toMatch(/No available node types can fulfill resource request .*'GPU': 5\.0/);
    const { body } = await api(server, "GET", `/api/v2/tasks/${idOf("placement")}/events`);
    expect((body["events"] as Wire[]).find(({ type }) => type === "stalled")?.["reason"]).toMatchObject({ code: "placement_pending" });
  });

  test("a rank that is killed", async () => {
    const steps = (task: Wire): boolean => task["progress"]?.step >= 2 || hasEnded(task);
    const task: Wire = await waitForTask(server, idOf("killed-rank"), steps, PATIENCE_MS);
    const ranks = actorsOn(BIG.name).filter(({ title }) => /Worker/.test(title));
    expect(ranks, JSON.stringify([task, actorsOn(BIG.name)])).toHaveLength(2);
    process.kill(ranks[1]?.pid ?? Number.NaN, "SIGKILL");
    const told = await failed("killed-rank");
    expect(told).toMatchObject({ label: "worker_crash_unknown", blame: "infra" });
    expect(told.shown).toMatch(/SYSTEM_ERROR|died unexpectedly|connection error/);
  });

  test("a process that the kernel kills at the memory limit of its container", async ({ skip }) => {
    cgroup = makeMemoryCgroup(`verlpool-test-${process.pid}`);
    if (cgroup === null) return skip("makes no memory cgroup here: it wants root");
    // Both: a driver may run on either. Nothing else is left to be killed.
    cgroup.hold([BIG, THIN].flatMap(({ name }) => cluster.pidsOf(name)));
    cgroup.limit(300 << 20);
    await submit("oom");
    const told = await failed("oom");
    expect(told).toMatchObject({ label: "host_oom", blame: "config", retryable: false });
    expect(told.text).toContain("the kernel killed a process of the attempt for want of memory");
  });
});
