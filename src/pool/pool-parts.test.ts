import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { chooseFreePorts } from "./free-ports.ts";
import { endLaunchers } from "./launcher-stop.ts";
import { endLeftoverPool } from "./local-pool.ts";
import { lockPool, poolId } from "./pool-lock.ts";
import { PYTHON } from "../../test/support/launch.ts";
import { planPool } from "./pool-plan.ts";
import { isPortOpen } from "./port-open.ts";
import { isAlive, recordProcess, signalProcess, startTicksOf } from "./process-record.ts";
import { headEnv, rayEnv } from "./ray-env.ts";
import { abilities, containmentArgv } from "./ray-install.ts";
import { findTagged, killTagged, POOL_TAG } from "./tagged-processes.ts";
import { makeTempDir, removeTempDir } from "./temp-dir.ts";
import { ensureTokenFile } from "./token-file.ts";

const clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal }),
};
const quiet = new AbortController().signal;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function makeDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "pool-"));
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A process that carries the tag, in a session of its own, with children that left its group. */
async function startTagged(tag: string, script: string, args: readonly string[] = []) {
  const env = { PATH: process.env["PATH"], [POOL_TAG]: tag };
  const child = spawn("sh", ["-c", script, ...args], { env, detached: true, stdio: "ignore" });
  cleanups.push(() => killTagged(tag, clock, 5_000, quiet));
  await new Promise((resolve) => child.once("spawn", resolve));
  return child;
}

test("a recorded process is alive until it ends, and another start time is another process", async () => {
  const child = spawn("sleep", ["60"], { stdio: "ignore", detached: true });
  cleanups.push(() => child.kill("SIGKILL"));
  const record = recordProcess("sleeper", child.pid ?? 0);
  if (record === null) throw new Error("no record of a living process");
  expect(isAlive(record)).toBe(true);
  signalProcess({ ...record, startTicks: record.startTicks - 1 }, "SIGKILL", "process");
  signalProcess({ ...record, bootId: "another boot" }, "SIGKILL", "group");
  expect(isAlive(record)).toBe(true);
  signalProcess(record, "SIGKILL", "group");
  await expect.poll(() => isAlive(record)).toBe(false);
  signalProcess(record, "SIGKILL", "process");
  expect(startTicksOf(2 ** 22 + 1)).toBeNull();
});

test("descendants are found by their tag and killed, wherever they hide", async () => {
  const tag = `test-${process.pid}-${performance.now()}`;
  await startTagged(`${tag}/worker-1`, "setsid sleep 60 & sleep 60");
  await startTagged(`${tag}x/worker-1`, "exec sleep 60");
  await expect.poll(() => findTagged(tag).filter((found) => found.argv[0] === "sleep").length).toBe(2);
  expect(findTagged(tag).every((found) => found.node === `${tag}/worker-1`)).toBe(true);
  expect(await killTagged(tag, clock, 5_000, quiet)).toBeGreaterThanOrEqual(3);
  expect(findTagged(tag)).toEqual([]);
  expect(findTagged(`${tag}x`)).toHaveLength(1);
});

test("launchers get SIGTERM and time, and nothing else is asked", async () => {
  const dir = makeDir();
  mkdirSync(join(dir, "launcher/0123456789ab"), { recursive: true });
  const script = join(dir, "launcher/0123456789ab/launch.py");
  const ended = join(dir, "ended");
  // Without a child of its own: a shell that forks looks like two launchers until its child has become another program.
  const lines = [
    "import signal, sys, time",
    `def end(*_): time.sleep(0.3); open("${ended}", "w").close(); sys.exit(0)`,
    "signal.signal(signal.SIGTERM, end)",
    `open("${ended}.ready", "w").close()`,
    "while True: time.sleep(60)",
  ];
  writeFileSync(script, lines.join("\n"));
  const tag = `test-${process.pid}-${performance.now()}`;
  const env = { PATH: process.env["PATH"], [POOL_TAG]: tag };
  const launcher = spawn(PYTHON, ["-I", "-S", script, "/job"], { env, detached: true, stdio: "ignore" });
  cleanups.push(() => killTagged(tag, clock, 5_000, quiet));
  await startTagged(tag, "exec sleep 60");
  await expect.poll(() => statSync(`${ended}.ready`, { throwIfNoEntry: false }) !== undefined).toBe(true);
  expect(await endLaunchers(tag, 10_000, clock)).toBe(1);
  expect(launcher.exitCode ?? 0).toBe(0);
  expect(statSync(ended, { throwIfNoEntry: false })).toBeDefined();
  expect(findTagged(tag).map((found) => found.argv[0])).toEqual(["sleep"]);
});

test("chosen ports are different, free, and skip one that is taken", async () => {
  const [first = 0] = await chooseFreePorts(1, 4_242);
  const server = createServer().listen(first, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  cleanups.push(() => server.close());
  expect(await isPortOpen(`127.0.0.1:${first}`)).toBe(true);
  const ports = await chooseFreePorts(20, 4_242);
  expect(new Set(ports).size).toBe(20);
  expect(ports).not.toContain(first);
});

test("of the parent's environment only harmless names reach Ray, and the token only by its path", () => {
  const parentEnv = {
    PATH: "/usr/bin",
    HOME: "/home/u",
    LC_ALL: "C",
    NCCL_DEBUG: "INFO",
    MVP_INTERNAL_TOKEN: "secret",
    AWS_SECRET_ACCESS_KEY: "secret",
    VERLPOOL_DATABASE_URL: "secret",
    RAY_AUTH_TOKEN: "secret",
    HF_TOKEN: "secret",
    LD_PRELOAD: "evil.so",
    PYTHONPATH: "/somewhere",
    HTTPS_PROXY: "http://user:secret@proxy",
  };
  const env = rayEnv({ parentEnv, python: "/venv/bin/python", tag: "id/head", tokenFile: "/state/ray-token", extra: { HF_HOME: "/hf" } });
  expect(env).toEqual({
    PATH: "/venv/bin:/usr/bin",
    HOME: "/home/u",
    LC_ALL: "C",
    NCCL_DEBUG: "INFO",
    HF_HOME: "/hf",
    RAY_AUTH_MODE: "token",
    RAY_AUTH_TOKEN_PATH: "/state/ray-token",
    RAY_USAGE_STATS_ENABLED: "0",
    RAY_enable_metrics_collection: "0",
    RAY_prestart_worker_first_driver: "0",
    SPT_NOENV: "1",
    RAY_NUM_REDIS_GET_RETRIES: "120",
    RAY_DASHBOARD_STARTUP_TIMEOUT_S: "240",
    RAY_DASHBOARD_SUBPROCESS_MODULE_WAIT_READY_TIMEOUT: "240",
    VERLPOOL_POOL_NODE: "id/head",
  });
});

test("without token authentication it is said off, and without durable storage none is named", () => {
  expect(rayEnv({ parentEnv: {}, python: "/v/bin/python", tag: "t", tokenFile: null, extra: {} })["RAY_AUTH_MODE"]).toBe("disabled");
  expect(Object.keys(headEnv({ kind: "none" }))).not.toContain("RAY_gcs_storage");
});

test.for([
  ["2.51.1", false, false, false],
  ["2.52.0", true, false, false],
  ["2.60.0", true, true, true],
  ["2.61.0rc1", true, true, true],
  ["3.0.0", true, true, true],
] as const)(
  "Ray %s has token authentication %s, durable GCS %s, own temp directories %s",
  ([version, hasTokenAuth, hasDurableGcs, hasWorkerTempDir]) => {
    expect(abilities(version)).toEqual({ hasTokenAuth, hasDurableGcs, hasWorkerTempDir });
  },
);

test("the plan gives every node its own address and ports, the head no CPU and no GPU, and each worker its share of real GPUs", async () => {
  const tempDir = makeDir();
  const plan = await planPool({
    poolId: "0123456789ab",
    python: "/v/bin/python",
    parentEnv: { PATH: "/bin" },
    extraEnv: {},
    install: { rayVersion: "2.60.0", pythonVersion: "3.11.7", hasTokenAuth: true, hasDurableGcs: true, hasWorkerTempDir: true },
    containment: "pidns",
    tempDir,
    logDir: "/logs",
    gcsDir: "/state/gcs",
    tokenFile: "/state/ray-token",
    shape: { workers: 2, gpusPerWorker: 2, cpusPerWorker: 8, gpuDevices: ["0", "1", "2", "3"], objectStoreBytes: 1e8 },
  });
  const nodes = [plan.head, ...plan.workers];
  const ports = nodes.flatMap((node) => node.spawning.argv).flatMap((word) => /^--(?!m..-worker).*port=(\d+)$/.exec(word)?.[1] ?? []);
  expect(ports).toHaveLength(3 * 6 + 3);
  expect(new Set(ports).size).toBe(ports.length);
  expect(nodes.map((node) => node.address)).toEqual(["127.0.0.2", "127.0.0.3", "127.0.0.4"]);
  expect(plan.head.spawning.argv).toEqual(expect.arrayContaining(["--head", "--num-cpus=0", "--num-gpus=0", "--dashboard-host=127.0.0.1"]));
  expect(plan.head.spawning.env).toMatchObject({ RAY_gcs_storage: "rocksdb", RAY_gcs_storage_path: "/state/gcs" });
  const [first, second] = plan.workers;
  expect(first?.spawning.argv).toEqual(
    expect.arrayContaining([
      "--num-gpus=2",
      "--num-cpus=8",
      `--address=${plan.address}`,
      '--resources={"worker_node":100}',
      "--node-name=worker-1",
    ]),
  );
  expect([first, second].map((worker) => worker?.spawning.env["CUDA_VISIBLE_DEVICES"])).toEqual(["0,1", "2,3"]);
  expect(first?.spawning.env).not.toHaveProperty("RAY_gcs_storage");
  expect(first?.spawning.env["RAY_gcs_rpc_server_reconnect_timeout_s"]).toBe("120");
});

test("containment is said in unshare's words", () => {
  expect(containmentArgv("pidns")).toContain("--kill-child=SIGKILL");
  expect(containmentArgv("userns")).toEqual([...containmentArgv("pidns"), "--user", "--map-current-user"]);
  expect(containmentArgv("none")).toEqual([]);
});

test("one pool holds a state directory, and another may after it lets go", async () => {
  const dir = makeDir();
  const first = await lockPool(dir);
  expect(first?.id).toBe(poolId(dir));
  expect(await lockPool(dir)).toBeNull();
  await first?.release();
  const second = await lockPool(dir);
  expect(second).not.toBeNull();
  await second?.release();
});

test("the temp directory is ours alone, short enough, and never a link that somebody left", () => {
  const root = makeDir();
  const dir = makeTempDir(root, "abc");
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  expect(makeTempDir(root, "abc")).toBe(dir);
  removeTempDir(root, "abc");
  expect(statSync(dir, { throwIfNoEntry: false })).toBeUndefined();
  symlinkSync("/etc", dir);
  expect(() => makeTempDir(root, "abc")).toThrow("not ours");
  expect(() => makeTempDir("/a/rather/long/path/for/a/temp/root", "0123456789ab")).toThrow("too long");
});

test("the cluster token is made once, in a file that only we can read", () => {
  const path = join(makeDir(), "ray-token");
  let made = 0;
  const ids = { hex: () => `token-${(made += 1)}` };
  ensureTokenFile(path, ids);
  ensureTokenFile(path, ids);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  rmSync(path);
  symlinkSync("/etc/hostname", path);
  expect(() => ensureTokenFile(path, ids)).toThrow("not a file of ours");
});

test("what a killed pool left behind is ended by its state directory alone, but never under a living pool", async () => {
  const stateDir = makeDir();
  const options = { stateDir, tempRoot: tmpdir(), clock };
  await startTagged(`${poolId(stateDir)}/worker-1`, "exec sleep 60");
  const lock = await lockPool(stateDir);
  await expect(endLeftoverPool(options, quiet)).rejects.toThrow("living process");
  await lock?.release();
  expect(await endLeftoverPool(options, quiet)).toBe(1);
  expect(findTagged(poolId(stateDir))).toEqual([]);
  expect(await endLeftoverPool(options, quiet)).toBe(0);
});
