/** Cancel while Ray holds the job PENDING: CANCELED at once, and what Ray starts later runs nothing (docs/protocol.md rule 3). */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createRayJobs } from "../../src/ray/jobs-client.ts";
import { createRayHttp, type RayHttp } from "../../src/ray/ray-http.ts";
import { type FakePool, makeFakePool } from "../support/fake-pool.ts";
import { pythonFrom, type RealRay, startRealRay } from "../support/real-ray.ts";
import { api, endServerProcesses, startServerProcess, waitForTask } from "../support/server-process.ts";

let ray: RealRay;
let http: RayHttp;
let pool: FakePool;

beforeAll(async () => {
  pool = makeFakePool();
  ray = await startRealRay(pythonFrom("VERLPOOL_TEST_PYTHON"));
  const { dashboardUrl, tokenFile } = ray.pool.describe();
  http = createRayHttp({ baseUrl: () => dashboardUrl, tokenFile: () => tokenFile });
});

afterAll(async () => {
  await endServerProcesses();
  await http.close();
  await ray.close();
  pool.remove();
});

it("a task that Ray keeps PENDING is CANCELED at once; the ghost that Ray starts later runs nothing", async () => {
  const signal = AbortSignal.timeout(540_000);
  const jobs = createRayJobs(http);
  const status = async (id: string): Promise<string> => {
    const view = await jobs.get(id, signal);
    return view.kind === "found" ? view.status : view.kind;
  };
  // All of the worker's `worker_node`: no driver can start while this one runs.
  const blocker = `blocker-${randomBytes(4).toString("hex")}`;
  await jobs.submit(
    { submissionId: blocker, entrypoint: "exec sleep 10000", envVars: {}, metadata: {}, resources: { worker_node: 100 } },
    signal,
  );
  await expect.poll(() => status(blocker), { timeout: 120_000, interval: 250 }).toBe("RUNNING");

  const { dashboardUrl, tokenFile } = ray.pool.describe();
  const server = await startServerProcess({
    root: pool.root,
    rayAddress: dashboardUrl,
    env: {
      VERLPOOL_POOL_PYTHON: pythonFrom("VERLPOOL_TEST_PYTHON"),
      ...(tokenFile === null ? {} : { VERLPOOL_RAY_TOKEN_FILE: tokenFile }),
    },
  });
  await api(server, "POST", "/api/v2/users", { user_id: "alice" });
  const submitted = await api(server, "POST", "/api/v2/tasks?user=alice", pool.spec());
  expect(submitted.status, submitted.text).toBe(201);
  const taskId = String(submitted.body["task_id"]);
  const attempt = `${taskId}--a01`;
  await waitForTask(server, taskId, (task) => task["state"] === "SUBMITTED");
  expect(await status(attempt)).toBe("PENDING");

  const asked = await api(server, "POST", `/api/v2/tasks/${taskId}:cancel`, {});
  expect(asked.status, asked.text).toBe(200);
  await waitForTask(server, taskId, (task) => task["state"] === "CANCELED", 30_000);
  // Ray answers a stop of a PENDING job with "stopped", keeps it PENDING, and runs it when its resources come free.
  expect(await status(attempt)).toBe("PENDING");

  // Without a server, nothing but the claim stands between the ghost and the training, and nobody removes its record.
  server.child.kill("SIGTERM");
  expect(await server.exited, server.stderr()).toBe(0);
  await jobs.stop(blocker, signal);
  await expect.poll(() => status(attempt), { timeout: 180_000, interval: 250 }).not.toMatch(/PENDING|RUNNING/);
  const ghost = await jobs.get(attempt, signal);
  expect(ghost).toMatchObject({ kind: "found" });
  expect(pool.starts()).toEqual([]);
  expect(pool.jobFile("alice", attempt, "logs/driver.log")).toBe("");
  expect(pool.jobFile("alice", attempt, "control/lease")).toBe("");
  expect(JSON.parse(pool.jobFile("alice", attempt, "control/claim"))).toMatchObject({ by: "server", why: "cancel" });
  // Either Ray's own stop came first, or the launcher looked at the claim and went: 75.
  if (ghost.kind === "found" && ghost.status === "FAILED") expect(ghost.message).toContain("exit code 75");
});
