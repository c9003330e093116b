/** kill -9 of the server at each line that matters: exactly one start, the task ends right, attempts numbered without a gap. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FakeRay, startFakeRay } from "../support/fake-ray.ts";
import { type FakePool, makeFakePool } from "../support/fake-pool.ts";
import { until } from "../support/launch.ts";
import {
  api,
  endServerProcesses,
  entrypointRunner,
  hasEnded,
  type ServerProcess,
  startServerProcess,
  waitForTask,
} from "../support/server-process.ts";

const PATIENCE = 120_000;

let pool: FakePool;
let ray: FakeRay;

beforeEach(async () => {
  pool = makeFakePool();
  ray = await startFakeRay({ run: entrypointRunner() });
  ray.cluster.addNode("worker-1", "127.0.0.3", { CPU: 64, GPU: 4, worker_node: 100 });
});

afterEach(async () => {
  await endServerProcesses();
  pool.letGo();
  await ray.close();
  pool.remove();
}, PATIENCE);

function startServer(failpoint?: string): Promise<ServerProcess> {
  return startServerProcess({ root: pool.root, rayAddress: ray.baseUrl, ...(failpoint === undefined ? {} : { failpoint }) });
}

/** The server may die before it answers: the key makes the second try the same submission. */
async function submit(server: ServerProcess): Promise<string | null> {
  try {
    const answer = await api(server, "POST", "/api/v2/tasks?user=alice", pool.spec(), { "idempotency-key": "the-one" });
    expect(answer.status, answer.text).toBe(201);
    return String(answer.body["task_id"]);
  } catch (error) {
    if (error instanceof Error && error.name === "AssertionError") throw error;
    return null;
  }
}

async function createAlice(server: ServerProcess): Promise<void> {
  const answer = await api(server, "POST", "/api/v2/users", { user_id: "alice" });
  expect(answer.status, answer.text).toBe(201);
}

async function attemptsOf(server: ServerProcess, taskId: string): Promise<readonly { readonly [key: string]: unknown }[]> {
  const { body } = await api(server, "GET", `/api/v2/tasks/${taskId}/attempts`);
  return body["attempts"] as { [key: string]: unknown }[];
}

async function endsWell(server: ServerProcess, taskId: string): Promise<void> {
  const task = await waitForTask(server, taskId, hasEnded);
  expect(task["state"], JSON.stringify(task["failure"])).toBe("SUCCEEDED");
  expect(pool.starts()).toEqual([`${taskId}--a01`]);
  const attempts = await attemptsOf(server, taskId);
  expect(attempts.map((attempt) => [attempt["attempt"], attempt["state"]])).toEqual([[1, "SUCCEEDED"]]);
}

describe("kill -9 of the server", () => {
  it.each(["before_claim_commit", "after_claim_commit", "during_post", "after_post_before_record", "after_status_before_commit"])(
    "%s",
    async (failpoint) => {
      const first = await startServer(failpoint);
      await createAlice(first);
      const answered = await submit(first);
      expect(await first.exited).toBe("SIGKILL");
      const second = await startServer();
      const taskId = await submit(second);
      if (taskId === null) throw new Error("the second server does not answer");
      if (answered !== null) expect(taskId).toBe(answered);
      await endsWell(second, taskId);
    },
    PATIENCE,
  );

  it(
    "while Ray has the POST in hand; and a head that forgot the job and hears that POST again starts the launcher, but not the training",
    async () => {
      ray.inject("submit", { kind: "hang" });
      const first = await startServer();
      await createAlice(first);
      const taskId = (await submit(first)) ?? "";
      await until("the POST is on its way", () => ray.requests.includes("POST /api/jobs/"), PATIENCE);
      first.child.kill("SIGKILL");
      await first.exited;
      const second = await startServer();
      await until("the next server posts", () => ray.cluster.jobs.has(`${taskId}--a01`), PATIENCE);
      const submission = ray.cluster.jobs.get(`${taskId}--a01`)?.submission;
      if (submission === undefined) throw new Error("Ray has no such job");
      await endsWell(second, taskId);
      ray.cluster.amnesia();
      ray.cluster.submit(submission);
      const again = ray.cluster.jobs.get(submission.submission_id);
      await until("the second start is over", () => again?.status === "FAILED", PATIENCE);
      expect(again?.exitCode).toBe(75);
      expect(pool.starts()).toHaveLength(1);
    },
    PATIENCE,
  );

  it(
    "while the driver runs: it runs on and is followed again, also when it ended while no server was there",
    async () => {
      pool.hold();
      const first = await startServer();
      await createAlice(first);
      const taskId = (await submit(first)) ?? "";
      await waitForTask(first, taskId, (task) => task["state"] === "RUNNING");
      await until("the driver is up", () => pool.starts().length === 1, PATIENCE);
      first.child.kill("SIGKILL");
      await first.exited;
      pool.letGo();
      await until("the driver is done", () => pool.jobFile("alice", `${taskId}--a01`, "result.json") !== "", PATIENCE);
      const second = await startServer();
      await endsWell(second, taskId);
      const log = await api(second, "GET", `/api/v2/tasks/${taskId}/logs`);
      expect(log.text).toBe("driver is up\ndriver is done\n");
    },
    PATIENCE,
  );

  it(
    "after a cancel was asked for: the cancel is durable and is carried out by the next server",
    async () => {
      pool.hold();
      const first = await startServer();
      await createAlice(first);
      const taskId = (await submit(first)) ?? "";
      await waitForTask(first, taskId, (task) => task["state"] === "RUNNING");
      const canceled = await api(first, "POST", `/api/v2/tasks/${taskId}:cancel`, {});
      expect(canceled.status, canceled.text).toBe(200);
      first.child.kill("SIGKILL");
      await first.exited;
      const second = await startServer();
      const task = await waitForTask(second, taskId, hasEnded);
      expect(task["state"]).toBe("CANCELED");
      expect(await attemptsOf(second, taskId)).toHaveLength(1);
    },
    PATIENCE,
  );

  it(
    "SIGTERM is no crash: the server says good-bye and ends with 0, and the task goes on without it",
    async () => {
      pool.hold();
      const first = await startServer();
      await createAlice(first);
      const taskId = (await submit(first)) ?? "";
      await waitForTask(first, taskId, (task) => task["state"] === "RUNNING");
      first.child.kill("SIGTERM");
      expect(await first.exited, first.stderr()).toBe(0);
      expect(first.stderr()).toContain("running tasks go on");
      pool.letGo();
      await endsWell(await startServer(), taskId);
    },
    PATIENCE,
  );
});
