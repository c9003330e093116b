import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type FakeRay, type FakeRayOptions, type Fault, startFakeRay } from "../../test/support/fake-ray.ts";
import { createRayJobs } from "./jobs-client.ts";
import { createRayHttp, dashboardOrigin } from "./ray-http.ts";

const quiet = new AbortController().signal;
const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function setUp(options: FakeRayOptions & { readonly tokenFile?: string; readonly totalMs?: number } = {}) {
  const ray = await startFakeRay(options);
  closers.push(ray.close);
  ray.cluster.addNode("worker-1", "127.0.0.3", { CPU: 4, GPU: 2, worker_node: 100 });
  return { ray, jobs: jobsAt(() => ray.baseUrl, options.tokenFile ?? null, options.totalMs) };
}

function jobsAt(baseUrl: () => string | null, tokenFile: string | null = null, totalMs = 5_000) {
  const http = createRayHttp({ baseUrl, tokenFile: () => tokenFile }, { connectMs: 2_000, totalMs });
  closers.push(http.close);
  return createRayJobs(http);
}

function request(submissionId: string) {
  return { submissionId, entrypoint: "true", envVars: { A: "b" }, metadata: { task_id: "t" }, resources: { worker_node: 1 } };
}

async function ended(ray: FakeRay, id: string): Promise<void> {
  await expect.poll(() => ray.cluster.jobs.get(id)?.status, { timeout: 5_000 }).toBe("SUCCEEDED");
}

test("a submitted job is found again under its own id", async () => {
  const { ray, jobs } = await setUp();
  expect(await jobs.submit(request("t1--a01"), quiet)).toEqual({ kind: "accepted" });
  await ended(ray, "t1--a01");
  const view = await jobs.get("t1--a01", quiet);
  expect(view).toEqual({
    kind: "found",
    status: "SUCCEEDED",
    message: "Job finished successfully.",
    errorType: null,
    nodeId: expect.any(String),
  });
  expect(ray.cluster.jobs.get("t1--a01")?.submission).toMatchObject({ metadata: { task_id: "t" }, demand: { worker_node: 1 } });
});

test("an id that Ray never heard of is absent", async () => {
  const { jobs } = await setUp();
  expect(await jobs.get("nosuch", quiet)).toEqual({ kind: "absent" });
});

const UNTRUSTED: readonly (readonly [string, Fault])[] = [
  ["the connection drops", { kind: "drop" }],
  ["Ray answers 500", { kind: "answer", status: 500, body: "Traceback" }],
  ["a proxy answers 502 in HTML", { kind: "answer", status: 502, body: "<html>Bad Gateway</html>" }],
  ["a proxy answers 404 in HTML", { kind: "answer", status: 404, body: "<html>Not Found</html>" }],
  ["another id's 404 comes back", { kind: "answer", status: 404, body: "Job other does not exist" }],
  ["200 comes with HTML", { kind: "answer", status: 200, body: "<html>Welcome</html>" }],
  ["200 comes with another JSON", { kind: "answer", status: 200, body: "[]" }],
  ["200 comes empty", { kind: "answer", status: 200, body: "" }],
  ["the answer is cut short", { kind: "truncated" }],
  ["the status is one we don't know", { kind: "record", patch: { status: "RESTARTING" } }],
  ["the record is another job's", { kind: "record", patch: { submission_id: "other" } }],
  ["the record is a driver's", { kind: "record", patch: { type: "DRIVER" } }],
  ["the answer is endless", { kind: "answer", status: 200, body: `"${"x".repeat(1_100_000)}"` }],
  ["Ray redirects", { kind: "answer", status: 302, body: "", location: "http://127.0.0.1:1/" }],
];

test.for(UNTRUSTED)("GET knows nothing when %s", async ([, fault]) => {
  const { ray, jobs } = await setUp();
  await jobs.submit(request("j1"), quiet);
  ray.inject("get", fault);
  expect(await jobs.get("j1", quiet)).toEqual({ kind: "unknown", error: expect.stringMatching(/./) });
  expect((await jobs.get("j1", quiet)).kind).toBe("found");
});

const UNTRUSTED_POSTS = UNTRUSTED.filter(([, fault]) => fault.kind !== "record" || fault.patch["submission_id"] !== undefined);

test.for(UNTRUSTED_POSTS)("POST is unknown, never refused, when %s", async ([, fault]) => {
  const { ray, jobs } = await setUp();
  ray.inject("submit", fault);
  expect(await jobs.submit(request("j1"), quiet)).toEqual({ kind: "unknown", error: expect.stringMatching(/./) });
});

test("a POST whose answer is lost was carried out, and only GET can tell", async () => {
  const { ray, jobs } = await setUp();
  ray.inject("submit", { kind: "accept_then_drop" });
  expect((await jobs.submit(request("j1"), quiet)).kind).toBe("unknown");
  expect((await jobs.get("j1", quiet)).kind).toBe("found");
  expect((await jobs.submit(request("j1"), quiet)).kind).toBe("unknown");
  expect(ray.cluster.ledger.accepted).toEqual(["j1"]);
  expect(ray.cluster.ledger.duplicates).toEqual(["j1"]);
});

test("a POST accepted after the client gave up shows up later", async () => {
  const { ray, jobs } = await setUp({ totalMs: 150 });
  ray.inject("submit", { kind: "late_accept", ms: 400 });
  expect(await jobs.submit(request("j1"), quiet)).toMatchObject({ kind: "unknown", error: expect.stringContaining("within 150 ms") });
  expect(await jobs.get("j1", quiet)).toEqual({ kind: "absent" });
  await expect.poll(async () => (await jobs.get("j1", quiet)).kind, { timeout: 5_000 }).toBe("found");
});

test("a Ray that never answers costs the deadline and no more", async () => {
  const { ray, jobs } = await setUp({ totalMs: 150 });
  ray.inject("any", { kind: "hang" }, 4);
  expect((await jobs.get("j1", quiet)).kind).toBe("unknown");
  await jobs.stop("j1", quiet);
  await jobs.remove("j1", quiet);
  expect(ray.requests).toHaveLength(3);
});

test("a caller that gives up gets its own reason back", async () => {
  const { ray, jobs } = await setUp();
  ray.inject("any", { kind: "hang" });
  const controller = new AbortController();
  const answer = jobs.get("j1", controller.signal);
  controller.abort(new Error("shutting down"));
  await expect(answer).rejects.toThrow("shutting down");
});

test("without a head nothing is known", async () => {
  const jobs = jobsAt(() => null);
  expect(await jobs.get("j1", quiet)).toEqual({ kind: "unknown", error: "no Ray head is known" });
  expect((await jobs.submit(request("j1"), quiet)).kind).toBe("unknown");
});

test("a head that refuses connections is unknown, and is asked again when it is back", async () => {
  const { ray, jobs } = await setUp();
  await ray.down();
  expect((await jobs.submit(request("j1"), quiet)).kind).toBe("unknown");
  await ray.up();
  expect(await jobs.submit(request("j1"), quiet)).toEqual({ kind: "accepted" });
});

test("the address is asked anew at each call, so a moved head is followed", async () => {
  const first = await setUp();
  const second = await setUp();
  let base = first.ray.baseUrl;
  const jobs = jobsAt(() => base);
  await jobs.submit(request("j1"), quiet);
  base = second.ray.baseUrl;
  expect(await jobs.get("j1", quiet)).toEqual({ kind: "absent" });
});

test.for(["", "Up", "a/b", "a b", "a?x=1", "-a", "a".repeat(129), "a\n"])("the id %j never reaches Ray", async (id) => {
  const { ray, jobs } = await setUp();
  await expect(jobs.submit(request(id), quiet)).rejects.toThrow(RangeError);
  await expect(jobs.get(id, quiet)).rejects.toThrow(RangeError);
  expect(ray.requests).toEqual([]);
});

test("CPU and GPU go in Ray's own fields, other resources stay custom", async () => {
  const { ray, jobs } = await setUp();
  await jobs.submit({ ...request("j1"), resources: { worker_node: 1, CPU: 2, GPU: 1 } }, quiet);
  expect(ray.cluster.jobs.get("j1")?.submission.demand).toEqual({ worker_node: 1, CPU: 2, GPU: 1 });
});

test("stop and remove reach Ray, and their answers decide nothing", async () => {
  const { ray, jobs } = await setUp();
  await jobs.submit(request("j1"), quiet);
  await ended(ray, "j1");
  await jobs.stop("j1", quiet);
  await jobs.stop("nosuch", quiet);
  await jobs.remove("j1", quiet);
  expect(ray.cluster.ledger).toMatchObject({ stops: ["j1"], deletes: ["j1"] });
  expect(await jobs.get("j1", quiet)).toEqual({ kind: "absent" });
});

test("the token comes from its file and is read again when Ray refuses it", async () => {
  const dir = mkdtempSync(join(tmpdir(), "ray-token-"));
  closers.push(() => rmSync(dir, { recursive: true }));
  const tokenFile = join(dir, "token");
  writeFileSync(tokenFile, "old-token\n");
  const { ray, jobs } = await setUp({ token: "new-token", tokenFile });
  expect(await jobs.submit(request("j1"), quiet)).toMatchObject({ kind: "unknown", error: expect.stringContaining("403") });
  writeFileSync(tokenFile, "new-token\n");
  expect(await jobs.submit(request("j1"), quiet)).toEqual({ kind: "accepted" });
  expect(ray.cluster.ledger.accepted).toEqual(["j1"]);
});

test("a token file that is missing or holds more than a token is a failure, not a bare request", async () => {
  const { ray, jobs } = await setUp({ token: "t", tokenFile: "/nonexistent/token" });
  expect(await jobs.get("j1", quiet)).toMatchObject({ kind: "unknown", error: expect.stringContaining("/nonexistent/token") });
  expect(ray.requests).toEqual([]);
});

test("a redirect is not followed", async () => {
  const hits: string[] = [];
  const trap = createServer((incoming, outgoing) => {
    hits.push(incoming.url ?? "");
    outgoing.end("{}");
  });
  await new Promise<void>((resolve) => trap.listen(0, "127.0.0.1", resolve));
  closers.push(() => void trap.close());
  const { ray, jobs } = await setUp();
  ray.inject("any", { kind: "answer", status: 307, body: "", location: `http://127.0.0.1:${(trap.address() as AddressInfo).port}/` });
  expect((await jobs.submit(request("j1"), quiet)).kind).toBe("unknown");
  expect(hits).toEqual([]);
});

test.for([
  ["http://127.0.0.1:8265", "http://127.0.0.1:8265"],
  ["http://head.example:8265/", "http://head.example:8265"],
  ["https://[fd00::1]:8265", "https://[fd00::1]:8265"],
  ["file:///etc/passwd", null],
  ["gopher://h:1", null],
  ["http://user@h:1", null],
  ["http://h:1/path", null],
  ["http://h:1/?q", null],
  ["http://169.254.169.254", null],
  ["http://0xA9FEA9FE", null],
  ["http://0", null],
  ["http://[::ffff:169.254.169.254]", null],
  ["nonsense", null],
] as const)("the dashboard address %s is taken as %s", ([given, origin]) => {
  expect(dashboardOrigin(given)).toBe(origin);
});
