/** `verlpool worker` on real Ray: one agent through the losses of its life. The pool tests have whole pools and both kinds of user. */
import { spawn } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { nodeWantJson, NO_WANT, type NodeRecord } from "../../src/domain/node-record.ts";
import { findTagged } from "../../src/pool/tagged-processes.ts";
import { poolId } from "../../src/pool/pool-lock.ts";
import { isAlive, recordProcess } from "../../src/pool/process-record.ts";
import { pythonFrom, startRealRay } from "../support/real-ray.ts";
import { CLUSTER, headSign, startWorkerProcess, type WorkerProcess } from "../support/worker-process.ts";

const PATIENCE = { timeout: 120_000, interval: 100 };
const SUBMISSION = "mvp2-alice-sft-20260801-120000-abcd--a01";
const TOKEN = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const HEAD_ONLY = { workers: 0, gpusPerWorker: 1, cpusPerWorker: 4, gpuDevices: [], objectStoreBytes: 80_000_000 };
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function makeDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "worker-agent-"));
  cleanups.push(() => rmSync(dir, { recursive: true, force: true, maxRetries: 3 }));
  return dir;
}

async function startHead(python: string) {
  const stateDir = makeDir();
  writeFileSync(join(stateDir, "ray-token"), TOKEN, { mode: 0o600 });
  const ray = await startRealRay(python, { stateDir, shape: HEAD_ONLY });
  cleanups.push(ray.close);
  return ray.pool;
}

/** An attempt that ended, and a process of it that did not. */
function makeOrphan(root: string) {
  const job = join(root, "users", "alice", "jobs", SUBMISSION);
  mkdirSync(join(job, "control"), { recursive: true });
  const at = "2026-08-01T12:00:00.000Z";
  const claim = { schema: 1, by: "launcher", why: null, nonce: "n1", host: "gone", containment: "pidns", at };
  const result = { schema: 1, nonce: "n1", outcome: "exited", exit_code: 0, signal: null, started_at: at, ended_at: at };
  writeFileSync(join(job, "control", "claim"), JSON.stringify(claim));
  writeFileSync(join(job, "result.json"), JSON.stringify(result));
  const child = spawn("sleep", ["600"], { detached: true, stdio: "ignore", env: { VERLPOOL_ATTEMPT: SUBMISSION } });
  cleanups.push(() => child.kill("SIGKILL"));
  const record = recordProcess("orphan", child.pid ?? 0);
  if (record === null) throw new Error("the orphan did not start");
  return record;
}

async function reaches(
  worker: WorkerProcess,
  what: string,
  holds: (record: NodeRecord) => boolean,
): Promise<{ readonly record: NodeRecord; readonly seconds: number }> {
  const start = performance.now();
  const check = (): boolean => {
    const record = worker.record();
    return record !== null && holds(record);
  };
  try {
    await expect.poll(check, PATIENCE).toBe(true);
  } catch (cause) {
    throw new Error(`${what}: not seen; the last record is ${JSON.stringify(worker.record())}\n${worker.said()}`, { cause });
  }
  const seconds = Math.round((performance.now() - start) / 100) / 10;
  console.log(`${what}: ${seconds} s`);
  const record = worker.record();
  if (record === null) throw new Error("the record has gone");
  return { record, seconds };
}

/** The tag of all that the agent on this state directory starts. */
function tagOf(stateDir: string): string {
  const [dir] = globSync(join(stateDir, "agents", "*", "worker-gpu-1", "node"));
  if (dir === undefined) throw new Error(`the agent has no state in ${stateDir}`);
  return poolId(dir);
}

function rayletOf(tag: string, incarnation: string | null): number {
  const raylet = findTagged(`${tag}/${incarnation}`).find((one) => (one.argv[0] ?? "").endsWith("/raylet"));
  if (raylet === undefined) throw new Error(`no raylet of incarnation ${incarnation} runs`);
  return raylet.pid;
}

test("one agent waits, joins, joins again after its raylet's death, follows a head without its memory, sweeps, obeys a drain, and leaves nothing", async () => {
  const python = pythonFrom("VERLPOOL_TEST_PYTHON");
  const root = makeDir();
  const stateDir = makeDir();
  const orphan = makeOrphan(root);
  const sign = headSign(root);
  cleanups.push(sign.close);
  writeFileSync(join(root, "ray", "discovery", CLUSTER, "ray-token"), TOKEN, { mode: 0o600 });
  const [first, second] = await Promise.all([startHead(python), startHead(python)]);
  const flags = ["--node-ip", "127.0.0.9", "--num-gpus", "2", "--object-store-mib", "80", "--python", python, "--label", "zone=a"];
  const worker = startWorkerProcess({ root, stateDir, node: "gpu-1", flags });
  cleanups.push(() => worker.stop("SIGKILL"));

  const waiting = await reaches(worker, "waits for a head", ({ why }) => why?.code === "no_head");
  expect(waiting.record).toMatchObject({ state: "searching", gpus: { total: 2 }, cpus: expect.any(Number), attempts: [SUBMISSION] });

  sign.name(first.describe());
  const isJoined = ({ state, session, rayNodeId }: NodeRecord, pool: typeof first): boolean =>
    state === "joined" && session === pool.describe().session && rayNodeId !== null;
  const joined = (await reaches(worker, "joins a head that appears", (record) => isJoined(record, first))).record;
  const tag = tagOf(stateDir);
  process.kill(rayletOf(tag, joined.incarnation), "SIGKILL");
  const again = (
    await reaches(
      worker,
      "joins again after its raylet's death",
      (record) => isJoined(record, first) && record.rayNodeId !== joined.rayNodeId,
    )
  ).record;
  expect(again.deadIncarnations).toContain(joined.incarnation);

  sign.name(second.describe());
  const moved = (await reaches(worker, "follows a head with another memory", (record) => isJoined(record, second))).record;
  expect(moved.deadIncarnations).toEqual(expect.arrayContaining([joined.incarnation, again.incarnation]));
  expect(findTagged(`${tag}/${again.incarnation}`)).toEqual([]);

  expect(isAlive(orphan)).toBe(false);
  expect(moved.attempts).toEqual([]);

  writeFileSync(join(root, "ray", "discovery", CLUSTER, "nodes", "gpu-1.want"), nodeWantJson({ ...NO_WANT, drain: true, by: "admin" }));
  const drained = (await reaches(worker, "leaves when drained", ({ state, incarnation }) => state === "cordoned" && incarnation === null))
    .record;
  expect(drained).toMatchObject({ why: { code: "drained" }, rayNodeId: null });
  await worker.stop("SIGTERM");
  expect(findTagged(tag)).toEqual([]);
  expect(worker.record()).toMatchObject({ state: "leaving", why: { code: "stopped" } });
});
