/** The crash points of test/crash against real Ray, and a Ray that comes only after the submission. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createRayJobs } from "../../src/ray/jobs-client.ts";
import { createRayHttp } from "../../src/ray/ray-http.ts";
import { type FakePool, makeFakePool } from "../support/fake-pool.ts";
import { pythonFrom, type RealRay, startRealRay } from "../support/real-ray.ts";
import { api, endServerProcesses, hasEnded, type ServerProcess, startServerProcess, waitForTask } from "../support/server-process.ts";

const PATIENCE_MS = 240_000;

let ray: RealRay;
let state: string;
let early: FakePool;
let pool: FakePool;

/** What a server needs to follow whatever Ray the first pool's head.json names. */
function startServer(root: string, failpoint?: string): Promise<ServerProcess> {
  const rayAddress = root === early.root ? null : ray.pool.describe().dashboardUrl;
  const env = {
    VERLPOOL_POOL_PYTHON: pythonFrom("VERLPOOL_TEST_PYTHON"),
    VERLPOOL_RAY_TOKEN_FILE: join(state, "ray-token"),
    VERLPOOL_POOL_CLUSTER: "local",
  };
  return startServerProcess({ root, rayAddress, env, ...(failpoint === undefined ? {} : { failpoint }) });
}

async function submit(server: ServerProcess, on: FakePool): Promise<string | null> {
  try {
    const answer = await api(server, "POST", "/api/v2/tasks?user=alice", on.spec(), { "idempotency-key": "the-one" });
    if (answer.status !== 201) throw new TypeError(answer.text);
    return String(answer.body["task_id"]);
  } catch (error) {
    // A server that was killed at its failpoint may not have answered any more.
    if (error instanceof TypeError) throw error;
    return null;
  }
}

async function endsWell(server: ServerProcess, on: FakePool, taskId: string): Promise<void> {
  const task = await waitForTask(server, taskId, hasEnded, PATIENCE_MS);
  expect(task["state"], `${JSON.stringify(task)}\n${on.jobFile("alice", `${taskId}--a01`, "logs/driver.log")}`).toBe("SUCCEEDED");
  expect(on.starts()).toEqual([`${taskId}--a01`]);
  const { body } = await api(server, "GET", `/api/v2/tasks/${taskId}/attempts`);
  expect(body["attempts"]).toMatchObject([{ attempt: 1, state: "SUCCEEDED", exit_code: 0 }]);
}

beforeAll(() => {
  state = mkdtempSync(join(tmpdir(), "verlpool-crash-"));
  early = makeFakePool();
});

beforeEach(() => {
  pool = makeFakePool();
});

afterEach(async () => {
  await endServerProcesses();
  pool.remove();
});

afterAll(async () => {
  await ray.close();
  early.remove();
  rmSync(state, { recursive: true, force: true });
});

describe("on real Ray", () => {
  it("a task that was submitted while Ray was down queues, and runs by itself when Ray comes up", async () => {
    const server = await startServer(early.root);
    await api(server, "POST", "/api/v2/users", { user_id: "alice" });
    const taskId = (await submit(server, early)) ?? "";
    const waiting = await waitForTask(server, taskId, (task) => task["waiting"] !== null);
    expect(waiting).toMatchObject({ state: "QUEUED", attempt: null, waiting: { code: "head_lost" } });
    ray = await startRealRay(pythonFrom("VERLPOOL_TEST_PYTHON"), {
      stateDir: state,
      sharedRoot: early.root,
    });
    await endsWell(server, early, taskId);
  });

  it.each(["before_claim_commit", "after_claim_commit", "during_post", "after_post_before_record", "after_status_before_commit"])(
    "kill -9 of the server %s: one start, and the task ends right",
    async (failpoint) => {
      const first = await startServer(pool.root, failpoint);
      await api(first, "POST", "/api/v2/users", { user_id: "alice" });
      await submit(first, pool);
      expect(await first.exited).toBe("SIGKILL");
      const second = await startServer(pool.root);
      const taskId = await submit(second, pool);
      if (taskId === null) throw new Error("the second server does not answer");
      await endsWell(second, pool, taskId);
    },
  );

  it("Ray's record of an ended attempt goes, and its id can't start anything again", async () => {
    const server = await startServer(pool.root);
    await api(server, "POST", "/api/v2/users", { user_id: "alice" });
    const taskId = (await submit(server, pool)) ?? "";
    await endsWell(server, pool, taskId);
    const { dashboardUrl, tokenFile } = ray.pool.describe();
    const http = createRayHttp({ baseUrl: () => dashboardUrl, tokenFile: () => tokenFile });
    const jobs = createRayJobs(http);
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const view = async () => await jobs.get(`${taskId}--a01`, signal);
    try {
      await expect.poll(async () => (await view()).kind, { timeout: 60_000, interval: 500 }).toBe("absent");
      const jobDir = join(pool.root, "users/alice/jobs", `${taskId}--a01`);
      const launchers = join(pool.root, "common/verlpool/launcher");
      const [hash] = readdirSync(launchers);
      const entrypoint = `exec ${pythonFrom("VERLPOOL_TEST_PYTHON")} -I -S ${launchers}/${hash}/launch.py ${jobDir}`;
      const request = { submissionId: `${taskId}--a01`, entrypoint, envVars: {}, metadata: {}, resources: { worker_node: 1 } };
      expect(await jobs.submit(request, signal)).toEqual({ kind: "accepted" });
      await expect.poll(view, { timeout: 120_000, interval: 500 }).toMatchObject({ kind: "found", status: "FAILED" });
      expect(pool.starts()).toHaveLength(1);
    } finally {
      await http.close();
    }
  });
});
