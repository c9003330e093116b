/**
 * What we believe of Ray's Jobs API, each odd fact a named test. It runs against the fake in the unit project and against real Ray 2.60 and
 * 2.51.1 in the real project; a difference is a bug of the fake, or a row of `RayDifferences`.
 */
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RayCluster, RayJobs } from "../../src/control/ports.ts";
import { createRayCluster } from "../../src/ray/cluster-client.ts";
import { createRayJobs } from "../../src/ray/jobs-client.ts";
import { createDoorCheck } from "../../src/ray/ray-door.ts";
import { createRayHttp } from "../../src/ray/ray-http.ts";

export type RayUnderTest = {
  readonly baseUrl: string;
  readonly tokenFile: string | null;
  readonly token: string | null;
  /** The name of its one worker, with 16 CPUs and 4 GPUs. */
  readonly worker: string;
  /** How long a short job takes. On real Ray one of a few milliseconds may be FAILED with psutil.NoSuchProcess although it ran. */
  readonly napS: number;
  /** How long after its end a job may be deleted for good: within about a second Ray then writes a FAILED ghost of it (ray issue 65251). */
  readonly settleMs: number;
  readonly close: () => Promise<void>;
};

/** Where Ray versions differ, as far as a client can see. */
export type RayDifferences = {
  readonly rayVersion: string;
  /** Token authentication came with 2.52. */
  readonly hasTokenAuth: boolean;
  /** Answer to a request without User-Agent: 2.51 reads the header unguarded. */
  readonly statusWithoutUserAgent: number;
  /** Which headers make a POST browser traffic: 2.51 knows only the user agent. */
  readonly refusesSecFetch: boolean;
  readonly browserRefusal: string;
  /** Whether a GET with browser headers hides env_vars. */
  readonly redactsForBrowsers: boolean;
};

export const RAY_260: RayDifferences = {
  rayVersion: "2.60.0",
  hasTokenAuth: true,
  statusWithoutUserAgent: 404,
  refusesSecFetch: true,
  browserRefusal: "'POST' method not allowed for browser traffic.",
  redactsForBrowsers: true,
};

export const RAY_251: RayDifferences = {
  rayVersion: "2.51.1",
  hasTokenAuth: false,
  statusWithoutUserAgent: 500,
  refusesSecFetch: false,
  browserRefusal: "Method Not Allowed for browser traffic.",
  redactsForBrowsers: false,
};

const PATIENCE = { timeout: 120_000, interval: 50 };
const quiet = new AbortController().signal;
const ON_WORKER = { worker_node: 1 };

export function describeRayContract(name: string, start: () => Promise<RayUnderTest>, differs: RayDifferences): void {
  describe(name, { timeout: 300_000 }, () => {
    let ray: RayUnderTest;
    let jobs: RayJobs;
    let cluster: RayCluster;
    let closeHttp = async (): Promise<void> => undefined;
    let next = 0;

    beforeAll(async () => {
      ray = await start();
      const http = createRayHttp({ baseUrl: () => ray.baseUrl, tokenFile: () => ray.tokenFile });
      closeHttp = http.close;
      jobs = createRayJobs(http);
      cluster = createRayCluster(
        http,
        () => null,
        () => ray.baseUrl,
      );
    }, 300_000);
    afterAll(async () => {
      await closeHttp();
      await ray?.close();
    }, 120_000);

    function newId(): string {
      next += 1;
      return `mvp2-alice-sft-20260101-000000-${String(next).padStart(8, "0")}--a01`;
    }

    const bearer = (): Record<string, string> => (ray.token === null ? {} : { authorization: `Bearer ${ray.token}` });
    const nap = () => `sleep ${ray.napS}`;

    async function raw(method: "GET" | "POST" | "DELETE", path: string, body: unknown, headers: Record<string, string> = bearer()) {
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const answer = await request(`${ray.baseUrl}${path}`, {
        method,
        headers: { "user-agent": "contract", ...headers },
        body: body === null ? null : text,
        headersTimeout: 60_000,
      });
      return { status: answer.statusCode, text: await answer.body.text() };
    }

    async function submitted(
      entrypoint: string,
      resources: Record<string, number> = ON_WORKER,
      envVars: Record<string, string> = {},
    ): Promise<string> {
      const submissionId = newId();
      const outcome = await jobs.submit({ submissionId, entrypoint, envVars, metadata: { task_id: "t" }, resources }, quiet);
      expect(outcome).toEqual({ kind: "accepted" });
      return submissionId;
    }

    async function statusOf(id: string): Promise<string> {
      const view = await jobs.get(id, quiet);
      return view.kind === "found" ? view.status : view.kind;
    }

    const reaches = (id: string, ...statuses: string[]) =>
      expect.poll(() => statusOf(id).then((status) => (statuses.includes(status) ? "as wanted" : status)), PATIENCE).toBe("as wanted");

    test("the head is up, with a session, and the version that is expected", async () => {
      expect(await cluster.head(quiet)).toMatchObject({
        kind: "up",
        session: expect.stringMatching(/^session_/),
        rayVersion: differs.rayVersion,
      });
    });

    test("an id that was never posted is 404 with one exact sentence", async () => {
      expect(await raw("GET", "/api/jobs/nosuch", null)).toEqual({ status: 404, text: "Job nosuch does not exist" });
      expect(await jobs.get("nosuch", quiet)).toEqual({ kind: "absent" });
    });

    test("a submission answers 200 with its own id, and succeeds", async () => {
      const submission_id = newId();
      const answer = await raw("POST", "/api/jobs/", { submission_id, entrypoint: nap(), entrypoint_resources: ON_WORKER });
      expect(answer.status).toBe(200);
      expect(JSON.parse(answer.text)).toMatchObject({ submission_id });
      await reaches(submission_id, "SUCCEEDED");
      expect(await jobs.get(submission_id, quiet)).toMatchObject({ kind: "found", message: "Job finished successfully.", errorType: null });
    });

    test("a driver that asks for worker_node runs on the worker, and the record names its node by Ray's id", async () => {
      const id = await submitted(nap());
      await reaches(id, "SUCCEEDED");
      const [node] = await cluster.nodes(quiet);
      expect(await jobs.get(id, quiet)).toMatchObject({ nodeId: node?.rayNodeId });
    });

    test("a driver that asks for nothing runs on the head", async () => {
      const id = await submitted(nap(), {});
      await reaches(id, "SUCCEEDED");
      const [worker] = await cluster.nodes(quiet);
      const view = await jobs.get(id, quiet);
      expect(view.kind === "found" && view.nodeId).toMatch(/^[0-9a-f]{56}$/);
      expect(view.kind === "found" && view.nodeId).not.toBe(worker?.rayNodeId);
    });

    test("the environment of a submission reaches its driver", async () => {
      const id = await submitted(`${nap()}; test "$VERLPOOL_ATTEMPT" = here`, ON_WORKER, { VERLPOOL_ATTEMPT: "here" });
      await reaches(id, "SUCCEEDED");
    });

    test.for([
      ["exit 3", 3],
      ["no-such-program", 127],
      ["python3 -c 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)'; exit $?", 137],
    ] as const)("the entrypoint %j fails as a command, with its exit code in the message", async ([entrypoint, code]) => {
      const id = await submitted(`${nap()}; ${entrypoint}`);
      await reaches(id, "FAILED");
      const view = await jobs.get(id, quiet);
      expect(view).toMatchObject({
        errorType: "JOB_ENTRYPOINT_COMMAND_ERROR",
        message: expect.stringContaining(`failed with exit code ${code}`),
      });
    });

    test("the same id twice is a 500 that says so, and the first job is untouched", async () => {
      const id = await submitted(nap());
      const again = await raw("POST", "/api/jobs/", { submission_id: id, entrypoint: "exit 1", entrypoint_resources: ON_WORKER });
      expect(again.status).toBe(500);
      expect(again.text).toContain(`Job with submission_id ${id} already exists. Please use a different submission_id.`);
      await reaches(id, "SUCCEEDED");
    });

    test("of eight equal POSTs at once exactly one is accepted", async () => {
      const submission_id = newId();
      const post = () => raw("POST", "/api/jobs/", { submission_id, entrypoint: nap(), entrypoint_resources: ON_WORKER });
      const answers = await Promise.all(Array.from({ length: 8 }, post));
      expect(answers.map((answer) => answer.status).sort((a, b) => a - b)).toEqual([200, 500, 500, 500, 500, 500, 500, 500]);
      await reaches(submission_id, "SUCCEEDED");
    });

    test("a terminal id can't be used again either", async () => {
      const id = await submitted(nap());
      await reaches(id, "SUCCEEDED");
      expect(
        (await jobs.submit({ submissionId: id, entrypoint: "exit 1", envVars: {}, metadata: {}, resources: ON_WORKER }, quiet)).kind,
      ).toBe("unknown");
      expect(await statusOf(id)).toBe("SUCCEEDED");
    });

    test("a missing entrypoint is 400, as is a field that Ray does not know", async () => {
      expect((await raw("POST", "/api/jobs/", { submission_id: newId() })).status).toBe(400);
      expect((await raw("POST", "/api/jobs/", { entrypoint: "true", foo: 1 })).status).toBe(400);
    });

    test("a body that is not JSON is 500", async () => {
      expect((await raw("POST", "/api/jobs/", "not json")).status).toBe(500);
    });

    test("what a job asked for is never returned, its metadata is", async () => {
      const id = await submitted(nap(), { ...ON_WORKER, GPU: 1 });
      const record = JSON.parse((await raw("GET", `/api/jobs/${id}`, null)).text) as Record<string, unknown>;
      expect(record).toMatchObject({ type: "SUBMISSION", metadata: { task_id: "t" }, submission_id: id });
      expect(Object.keys(record).filter((key) => key.startsWith("entrypoint_"))).toEqual([]);
      await reaches(id, "SUCCEEDED");
    });

    test("stopping a running job ends it as STOPPED, without an error type", async () => {
      const id = await submitted("sleep 600");
      await reaches(id, "RUNNING");
      expect(JSON.parse((await raw("POST", `/api/jobs/${id}/stop`, null)).text)).toEqual({ stopped: true });
      await reaches(id, "STOPPED");
      expect(await jobs.get(id, quiet)).toMatchObject({ message: "Job was intentionally stopped.", errorType: null });
    });

    test("stopping an ended job answers false and changes nothing", async () => {
      const id = await submitted(nap());
      await reaches(id, "SUCCEEDED");
      expect(JSON.parse((await raw("POST", `/api/jobs/${id}/stop`, null)).text)).toEqual({ stopped: false });
      expect(await statusOf(id)).toBe("SUCCEEDED");
    });

    test("stopping or deleting an unknown id is the same 404", async () => {
      expect(await raw("POST", "/api/jobs/nosuch/stop", null)).toEqual({ status: 404, text: "Job nosuch does not exist" });
      expect(await raw("DELETE", "/api/jobs/nosuch", null)).toEqual({ status: 404, text: "Job nosuch does not exist" });
    });

    test("deleting a job that has not ended is 500 and leaves it running", async () => {
      const id = await submitted("sleep 600");
      await reaches(id, "RUNNING");
      const answer = await raw("DELETE", `/api/jobs/${id}`, null);
      expect(answer.status).toBe(500);
      expect(answer.text).toContain("non-terminal state RUNNING");
      expect(await statusOf(id)).toBe("RUNNING");
      await jobs.stop(id, quiet);
      await reaches(id, "STOPPED");
    });

    test("a job deleted well after its end is gone", async () => {
      const id = await submitted(nap());
      await reaches(id, "SUCCEEDED");
      await new Promise((resolve) => setTimeout(resolve, ray.settleMs));
      await jobs.remove(id, quiet);
      expect(await jobs.get(id, quiet)).toEqual({ kind: "absent" });
    });

    test("a job whose resources are taken is PENDING, is stopped in words only, and starts all the same when they come free", async () => {
      const holder = await submitted("sleep 600", { ...ON_WORKER, GPU: 4 });
      await reaches(holder, "RUNNING");
      const ghost = await submitted("sleep 30", { ...ON_WORKER, GPU: 4 });
      expect(await statusOf(ghost)).toBe("PENDING");
      expect(JSON.parse((await raw("POST", `/api/jobs/${ghost}/stop`, null)).text)).toEqual({ stopped: true });
      expect(await statusOf(ghost)).toBe("PENDING");
      const pendingDelete = await raw("DELETE", `/api/jobs/${ghost}`, null);
      expect(pendingDelete.status).toBe(500);
      expect(pendingDelete.text).toContain("non-terminal state PENDING");
      await jobs.stop(holder, quiet);
      await reaches(holder, "STOPPED");
      // It leaves PENDING only by being started: its node is known afterwards.
      await reaches(ghost, "STOPPED", "FAILED", "SUCCEEDED");
      const view = await jobs.get(ghost, quiet);
      expect(view.kind === "found" && view.nodeId).toMatch(/^[0-9a-f]{56}$/);
    });

    test("Ray keeps no order: a small job passes a large one that waits", async () => {
      const holder = await submitted("sleep 600", { ...ON_WORKER, GPU: 3 });
      await reaches(holder, "RUNNING");
      const large = await submitted(nap(), { ...ON_WORKER, GPU: 4 });
      const small = await submitted(nap(), { ...ON_WORKER, GPU: 1 });
      await reaches(small, "SUCCEEDED");
      expect(await statusOf(large)).toBe("PENDING");
      await jobs.stop(holder, quiet);
      await reaches(large, "SUCCEEDED");
    });

    test("nodes show the worker by its name with its totals, and never the head", async () => {
      const nodes = await cluster.nodes(quiet);
      expect(nodes.map(({ node, gpusTotal, cpusTotal }) => ({ node, gpusTotal, cpusTotal }))).toEqual([
        { node: ray.worker, gpusTotal: 4, cpusTotal: 16 },
      ]);
    });

    test("what a running job holds shows up in its node's usage, and goes when it ends", async () => {
      const id = await submitted("sleep 600", { ...ON_WORKER, GPU: 2, CPU: 3 });
      await reaches(id, "RUNNING");
      const used = () => cluster.nodes(quiet).then(([node]) => [node?.gpusUsed, node?.cpusUsed]);
      await expect.poll(used, PATIENCE).toEqual([2, 3]);
      await jobs.stop(id, quiet);
      await reaches(id, "STOPPED");
      await expect.poll(used, PATIENCE).toEqual([0, 0]);
    });

    test("browsers may not write", async () => {
      const asMozilla = await raw("POST", "/api/jobs/", { entrypoint: "true" }, { ...bearer(), "user-agent": "Mozilla/5.0" });
      expect(asMozilla).toEqual({ status: 405, text: differs.browserRefusal });
      const asFetch = await raw(
        "POST",
        "/api/jobs/",
        { submission_id: newId(), entrypoint: nap() },
        { ...bearer(), "sec-fetch-mode": "cors" },
      );
      expect(asFetch.status).toBe(differs.refusesSecFetch ? 405 : 200);
    });

    test("a GET that looks like a browser's gets no env_vars where Ray hides them", async () => {
      const id = await submitted(nap(), ON_WORKER, { A: "b" });
      const seen = JSON.parse((await raw("GET", `/api/jobs/${id}`, null, { ...bearer(), "sec-fetch-mode": "cors" })).text) as {
        runtime_env: { env_vars: unknown };
      };
      expect(JSON.stringify(seen.runtime_env.env_vars).includes('"b"')).toBe(!differs.redactsForBrowsers);
      await reaches(id, "SUCCEEDED");
    });

    test("a request without User-Agent is answered as this version does", async () => {
      const answer = await request(`${ray.baseUrl}/api/jobs/nosuch`, { method: "DELETE", headers: bearer() });
      await answer.body.dump();
      expect(answer.statusCode).toBe(differs.statusWithoutUserAgent);
    });

    test("without the token nothing is read or started, where this version has tokens", async () => {
      const bare = await raw("GET", "/api/jobs/nosuch", null, {});
      const wrong = await raw("POST", "/api/jobs/", { entrypoint: "true" }, { authorization: "Bearer wrong" });
      expect(bare.status).toBe(differs.hasTokenAuth ? 401 : 404);
      expect(wrong.status).toBe(differs.hasTokenAuth ? 403 : 200);
      expect((await raw("GET", "/api/gcs_healthz", null, {})).text).toBe("success");
    });

    test("whether it asks for a token is told by a call without one", async () => {
      const http = createRayHttp({ baseUrl: () => ray.baseUrl, tokenFile: () => null });
      try {
        expect(await createDoorCheck(http)(quiet)).toEqual({ kind: differs.hasTokenAuth ? "closed" : "open" });
      } finally {
        await http.close();
      }
    });
  });
}
