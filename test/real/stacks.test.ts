/** A run on real Ray that stands still: its agent says where, it goes on, and what its GPU time went into adds up. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { pythonFrom, startRealRay } from "../support/real-ray.ts";
import {
  api,
  endServerProcesses,
  hasEnded,
  type ServerProcess,
  startServerProcess,
  waitForTask,
  type Wire,
} from "../support/server-process.ts";
import { makeStubRoot } from "../support/stub-trainer/stub-root.ts";
import { CLUSTER, headSign, startWorkerProcess } from "../support/worker-process.ts";

const TOKEN = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const HEAD_ONLY = { workers: 0, gpusPerWorker: 1, cpusPerWorker: 4, gpuDevices: [], objectStoreBytes: 80_000_000 };
const PATIENCE_MS = 180_000;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  await endServerProcesses();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function artifactsOf(server: ServerProcess, id: string): Promise<readonly Wire[]> {
  return (await api(server, "GET", `/api/v2/tasks/${id}/artifacts`)).body["artifacts"] as readonly Wire[];
}

test("a stalled attempt's stacks lie in its debug directory, of the driver and of Ray's workers, and it goes on from there", async () => {
  const python = pythonFrom("VERLPOOL_TEST_PYTHON");
  const stub = makeStubRoot();
  cleanups.push(stub.remove);
  const stateDir = mkdtempSync(join(tmpdir(), "stacks-"));
  cleanups.push(() => rmSync(stateDir, { recursive: true, force: true, maxRetries: 3 }));
  writeFileSync(join(stateDir, "ray-token"), TOKEN, { mode: 0o600 });
  const sign = headSign(stub.root);
  cleanups.push(sign.close);
  writeFileSync(join(stub.root, "ray/discovery", CLUSTER, "ray-token"), TOKEN, { mode: 0o600 });
  const ray = await startRealRay(python, { stateDir, shape: HEAD_ONLY });
  cleanups.push(ray.close);
  sign.name(ray.pool.describe());
  const flags = ["--node-ip", "127.0.0.9", "--num-gpus", "2", "--num-cpus", "40", "--object-store-mib", "80", "--python", python];
  const worker = startWorkerProcess({ root: stub.root, stateDir: join(stateDir, "agent"), node: "gpu-1", flags });
  cleanups.push(() => worker.stop("SIGKILL"));
  const env = {
    VERLPOOL_POOL_PYTHON: python,
    VERLPOOL_STALLS_MIN_S: "3",
    VERLPOOL_STALLS_FIRST_STEP_S: "30",
    VERLPOOL_RAY_TOKEN_FILE: join(stateDir, "ray-token"),
  };
  const server = await startServerProcess({ root: stub.root, rayAddress: null, env });
  expect((await api(server, "POST", "/api/v2/users", { user_id: "alice" })).status).toBe(201);

  const trainee = stub.trainee({ steps: 6, step_s: 0.5, gate: true, ray: "actors" }, { gpus: 2 });
  const made = await api(server, "POST", "/api/v2/tasks?user=alice", trainee.spec);
  expect(made.status, made.text).toBe(201);
  const id = String(made.body["task_id"]);
  const stalled: Wire = await waitForTask(
    server,
    id,
    (task) => {
      if (hasEnded(task)) throw new Error(JSON.stringify(task));
      return task["stall"] !== null;
    },
    PATIENCE_MS,
  );
  expect(stalled["stall"]).toMatchObject({ code: "no_step", text: expect.stringContaining("no step after step 5") });
  const began = performance.now();
  const find = async () => (await artifactsOf(server, id)).find(({ path }) => /^a01\/debug\/stacks-\d{8}T\d{6}Z-gpu-1\.txt$/.test(path));
  await expect.poll(find, { timeout: 60_000, interval: 200 }).toBeDefined();
  console.log(`stacks after ${Math.round(performance.now() - began)} ms`);
  const file = await find();
  const { text } = await api(server, "GET", `/api/v2/tasks/${id}/artifacts/${file?.["path"]}`);
  expect(text).toMatch(/==== process \d+: \S*python\S* .*sft_trainer[^]*main \(.*sft_trainer_ray\.py:\d+\)[^]*thread \d+ /);
  expect(text).toMatch(/==== process \d+: ray::Worker/);

  trainee.go();
  const done: Wire = await waitForTask(server, id, hasEnded, PATIENCE_MS);
  expect(done).toMatchObject({ state: "SUCCEEDED", stall: null });
  const { started_at, ended_at } = done["attempt"];
  const usage: Wire = (await api(server, "GET", "/api/v2/usage?by=node")).body;
  console.log(JSON.stringify(usage["total"]));
  const { total, unknown, recomputed, ...split } = usage["total"]["gpu_ms"];
  expect(total).toBe((Date.parse(ended_at) - Date.parse(started_at)) * 2);
  expect(Object.values(split as { [kind: string]: number }).reduce((sum, ms) => sum + ms, 0)).toBe(total);
  expect([unknown, recomputed]).toEqual([0, 0]);
  for (const kind of ["productive", "stalled", "before_first_step"]) expect(split[kind]).toBeGreaterThan(0);
  expect(usage["groups"]).toEqual([{ key: "gpu-1", ...usage["total"] }]);
});
