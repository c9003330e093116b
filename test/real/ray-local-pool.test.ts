import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { createRayCluster } from "../../src/ray/cluster-client.ts";
import { createRayJobs } from "../../src/ray/jobs-client.ts";
import { createRayHttp } from "../../src/ray/ray-http.ts";
import type { LocalPool } from "../../src/pool/local-pool.ts";
import { poolId } from "../../src/pool/pool-lock.ts";
import { containmentArgv } from "../../src/pool/ray-install.ts";
import { isPortOpen } from "../../src/pool/port-open.ts";
import { isAlive } from "../../src/pool/process-record.ts";
import { findTagged } from "../../src/pool/tagged-processes.ts";
import { pythonFrom, type RealRay, startRealRay } from "../support/real-ray.ts";

const PATIENCE = { timeout: 240_000, interval: 200 };
const quiet = new AbortController().signal;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function clientsOf(pool: LocalPool) {
  const { dashboardUrl, tokenFile, address } = pool.describe();
  const http = createRayHttp({ baseUrl: () => dashboardUrl, tokenFile: () => tokenFile });
  cleanups.push(http.close);
  const cluster = createRayCluster(
    http,
    () => address,
    () => dashboardUrl,
  );
  return { jobs: createRayJobs(http), cluster };
}

async function start(python: string, over: Parameters<typeof startRealRay>[1] = {}): Promise<RealRay & ReturnType<typeof clientsOf>> {
  const ray = await startRealRay(python, over);
  cleanups.push(ray.close);
  return { ...ray, ...clientsOf(ray.pool) };
}

function makeDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "ray-pool-test-"));
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

type Clients = ReturnType<typeof clientsOf>;

/** As the server does: an answer that is not known is settled by GET, and an absent id is posted again. Just after a start Ray's POST can take longer than our deadline. */
async function submit(
  jobs: Clients["jobs"],
  submissionId: string,
  entrypoint: string,
  resources: Record<string, number> = {},
): Promise<void> {
  const request = { submissionId, entrypoint, envVars: {}, metadata: {}, resources: { worker_node: 1, ...resources } };
  const arrived = async () =>
    (await jobs.submit(request, quiet)).kind === "accepted" || (await jobs.get(submissionId, quiet)).kind === "found";
  await expect.poll(arrived, PATIENCE).toBe(true);
}

async function statusOf(jobs: Clients["jobs"], id: string): Promise<string> {
  const view = await jobs.get(id, quiet);
  return view.kind === "found" ? view.status : view.kind;
}

const reaches = (jobs: Clients["jobs"], id: string, status: string) => expect.poll(() => statusOf(jobs, id), PATIENCE).toBe(status);

function headFile(ray: RealRay) {
  return JSON.parse(readFileSync(ray.headFile, "utf8")) as Record<string, unknown> & { seq: number };
}

/** What must hold after every end of a pool. */
async function expectNoTrace(ray: RealRay): Promise<void> {
  const id = poolId(ray.options.stateDir);
  expect(findTagged(id)).toEqual([]);
  expect(existsSync(`/tmp/vp-${id}`)).toBe(false);
  expect(await isPortOpen(ray.pool.describe().address)).toBe(false);
}

test("two workers come up, run a job with a clean environment, outlive a killed head with the job, and leave no trace", async () => {
  const dir = makeDir();
  const secrets = {
    MVP_INTERNAL_TOKEN: "s3cret-a",
    AWS_SECRET_ACCESS_KEY: "s3cret-b",
    HF_TOKEN: "s3cret-c",
    VERLPOOL_DATABASE_URL: "s3cret-d",
  };
  const shape = { workers: 2, gpusPerWorker: 2, cpusPerWorker: 12, gpuDevices: [], objectStoreBytes: 80_000_000 };
  const parentEnv = { ...process.env, ...secrets };
  const ray = await start(pythonFrom("VERLPOOL_TEST_PYTHON"), { shape, parentEnv, extraEnv: { HF_HUB_OFFLINE: "1" } });
  const { pool, jobs, cluster } = ray;
  const before = pool.describe();
  const nodes = await cluster.nodes(quiet);
  expect(nodes.map(({ node, gpusTotal, cpusTotal }) => [node, gpusTotal, cpusTotal])).toEqual([
    ["worker-1", 2, 12],
    ["worker-2", 2, 12],
  ]);
  expect(headFile(ray)).toMatchObject({
    schema: 1,
    cluster: "local",
    epoch: 1,
    session: before.session,
    address: before.address,
    dashboard_url: before.dashboardUrl,
    released: false,
    ray_version: "2.60.0",
  });

  await submit(jobs, "env", `env > ${dir}/env; sleep 1`);
  await reaches(jobs, "env", "SUCCEEDED");
  const view = await jobs.get("env", quiet);
  expect(nodes.map((node) => node.rayNodeId)).toContain(view.kind === "found" && view.nodeId);
  const env = readFileSync(join(dir, "env"), "utf8");
  expect(env).toContain("HF_HUB_OFFLINE=1");
  expect(env).toContain(`RAY_AUTH_TOKEN_PATH=${before.tokenFile}`);
  for (const secret of [...Object.values(secrets), readFileSync(before.tokenFile ?? "", "utf8")]) expect(env).not.toContain(secret);

  await submit(jobs, "long", `while [ ! -e ${dir}/go ]; do sleep 0.2; done`, { GPU: 2 });
  await reaches(jobs, "long", "RUNNING");
  const [head] = before.processes;
  if (head === undefined) throw new Error("no head process");
  process.kill(head.pid, "SIGKILL");
  await expect.poll(() => isAlive(head), PATIENCE).toBe(false);
  await expect.poll(() => pool.describe().nodes[0]?.starts, PATIENCE).toBe(2);
  await expect.poll(() => cluster.head(quiet), PATIENCE).toMatchObject({ kind: "up", session: before.session });
  await reaches(jobs, "long", "RUNNING");
  await submit(jobs, "touch", `: > ${dir}/go; sleep 1`);
  await reaches(jobs, "long", "SUCCEEDED");
  expect((await cluster.nodes(quiet)).map((node) => node.rayNodeId)).toEqual(nodes.map((node) => node.rayNodeId));

  await submit(jobs, "orphan", "setsid sleep 987 & sleep 987");
  await reaches(jobs, "orphan", "RUNNING");
  await pool.stop();
  expect(await pool.exited).toEqual({ kind: "stopped" });
  await expectNoTrace(ray);
  expect(headFile(ray)).toMatchObject({ released: true, epoch: 1 });
  expect(before.processes.some((record) => isAlive(record))).toBe(false);
});

test("a killed worker is replaced, and its orphans are gone before that", async () => {
  const { pool, jobs, cluster, options } = await start(pythonFrom("VERLPOOL_TEST_PYTHON"));
  const [first] = await cluster.nodes(quiet);
  await submit(jobs, "doomed", "setsid sleep 987 & sleep 987");
  await reaches(jobs, "doomed", "RUNNING");
  const worker = pool.describe().processes[1];
  if (worker === undefined) throw new Error("no worker process");
  process.kill(worker.pid, "SIGKILL");
  const newNode = () =>
    cluster.nodes(quiet).then((nodes) => nodes.length === 1 && nodes[0]?.node === "worker-1" && nodes[0].rayNodeId !== first?.rayNodeId);
  await expect.poll(newNode, PATIENCE).toBe(true);
  expect(findTagged(poolId(options.stateDir)).filter((found) => found.argv[0] === "sleep")).toEqual([]);
  await submit(jobs, "next", "sleep 1");
  await reaches(jobs, "next", "SUCCEEDED");
});

/** User namespaces are the kernel's to give: never inside a chroot. */
function isPossible(containment: "userns" | "none"): boolean {
  const [program = "true", ...args] = containmentArgv(containment);
  return spawnSync(program, [...args, "true"]).status === 0;
}

test.for((["userns", "none"] as const).filter(isPossible))(
  "with containment %s a pool works and still leaves no trace",
  async (containment) => {
    const ray = await start(pythonFrom("VERLPOOL_TEST_PYTHON"), { containment });
    expect(ray.warnings.some((warning) => warning.includes("PID namespaces"))).toBe(containment === "none");
    expect(ray.pool.describe().containment).toBe(containment);
    await submit(ray.jobs, "job", "setsid sleep 987 & sleep 987");
    await reaches(ray.jobs, "job", "RUNNING");
    await ray.pool.stop();
    await expectNoTrace(ray);
  },
);

test("a start that is interrupted leaves no trace, and the next one works at once", async () => {
  const root = makeDir();
  const over = { stateDir: join(root, "state"), sharedRoot: root };
  const controller = new AbortController();
  const onProcesses = (processes: readonly unknown[]) => void (processes.length === 2 && controller.abort(new Error("interrupted")));
  const interrupted = startRealRay(pythonFrom("VERLPOOL_TEST_PYTHON"), { ...over, onProcesses }, controller.signal);
  await expect(interrupted).rejects.toThrow("interrupted");
  const id = poolId(over.stateDir);
  expect(findTagged(id)).toEqual([]);
  expect(existsSync(`/tmp/vp-${id}`)).toBe(false);
  const ray = await start(pythonFrom("VERLPOOL_TEST_PYTHON"), over);
  await expect(startRealRay(pythonFrom("VERLPOOL_TEST_PYTHON"), over)).rejects.toThrow("runs on");
  expect(ray.pool.describe().epoch).toBe(2);
});

test("an interpreter without Ray is refused with what to do", async () => {
  await expect(startRealRay("/nonexistent/python")).rejects.toThrow("verlpool prepare");
});

test("Ray 2.51.1 works with stated warnings, and its workers join a head that came back empty", async () => {
  const shape = { workers: 2, gpusPerWorker: 1, cpusPerWorker: 4, gpuDevices: [], objectStoreBytes: 80_000_000 };
  const ray = await start(pythonFrom("VERLPOOL_TEST_PYTHON_RAY251"), { shape });
  const { pool, cluster, jobs } = ray;
  const before = pool.describe();
  expect(before.tokenFile).toBeNull();
  expect(before.warnings).toEqual([
    expect.stringContaining("no token authentication"),
    expect.stringContaining("no durable GCS storage"),
    ...(before.containment === "none" ? [expect.stringContaining("PID namespaces")] : []),
  ]);
  const [head] = before.processes;
  if (head === undefined) throw new Error("no head process");
  process.kill(head.pid, "SIGKILL");
  await expect.poll(() => pool.describe().session, PATIENCE).not.toBe(before.session);
  await expect
    .poll(
      () =>
        cluster
          .nodes(quiet)
          .then((nodes) => nodes.map((node) => node.node))
          .catch(() => []),
      PATIENCE,
    )
    .toEqual(["worker-1", "worker-2"]);
  await submit(jobs, "job", "sleep 1");
  await reaches(jobs, "job", "SUCCEEDED");
  expect(headFile(ray)["session"]).toBe(pool.describe().session);
  await pool.stop();
  await expectNoTrace(ray);
});
