import { afterEach, expect, test } from "vitest";
import { startFakeRay } from "../../test/support/fake-ray.ts";
import { createRayCluster, nodeViews } from "./cluster-client.ts";
import { createRayHttp } from "./ray-http.ts";

const quiet = new AbortController().signal;
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function setUp(gcsAddress: string | null = "10.0.0.1:6379") {
  const ray = await startFakeRay({
    run: ({ signal }) => new Promise((end) => signal.addEventListener("abort", () => end({ exitCode: 143 }))),
  });
  closers.push(ray.close);
  const http = createRayHttp({ baseUrl: () => ray.baseUrl, tokenFile: () => null }, { connectMs: 2_000, totalMs: 5_000 });
  closers.push(http.close);
  return {
    ray,
    cluster: createRayCluster(
      http,
      () => gcsAddress,
      () => ray.baseUrl,
    ),
  };
}

test("a head that is up shows its session, its address and its version", async () => {
  const { ray, cluster } = await setUp();
  const before = await cluster.head(quiet);
  expect(before).toEqual({ kind: "up", session: ray.cluster.session(), address: "10.0.0.1:6379", rayVersion: "2.60.0" });
  ray.cluster.amnesia();
  const after = await cluster.head(quiet);
  expect(after.kind === "up" && after.session).not.toBe(before.kind === "up" && before.session);
});

test("without a published GCS address the dashboard's stands in", async () => {
  const { ray, cluster } = await setUp(null);
  expect(await cluster.head(quiet)).toMatchObject({ kind: "up", address: ray.baseUrl.slice("http://".length) });
});

test("a head that is down, unhealthy, no Ray, or refuses the token is down with a reason", async () => {
  const { ray, cluster } = await setUp();
  ray.inject("healthz", { kind: "answer", status: 503, body: "" });
  expect(await cluster.head(quiet)).toEqual({ kind: "down", error: expect.stringContaining("503") });
  ray.inject("version", { kind: "answer", status: 200, body: "<html>" });
  expect(await cluster.head(quiet)).toEqual({ kind: "down", error: expect.stringContaining("no Ray") });
  ray.inject("version", { kind: "answer", status: 401, body: "Unauthorized" });
  expect(await cluster.head(quiet)).toEqual({ kind: "down", error: expect.stringContaining("ray.token_file") });
  await ray.down();
  expect((await cluster.head(quiet)).kind).toBe("down");
});

test("nodes are the workers only, by name, with what is used", async () => {
  const { ray, cluster } = await setUp();
  ray.cluster.addNode("gpu-2", "127.0.0.4", { CPU: 8, GPU: 4, worker_node: 100 });
  const first = ray.cluster.addNode("gpu-1", "127.0.0.3", { CPU: 8, GPU: 4, worker_node: 100 });
  ray.cluster.submit({
    submission_id: "j",
    entrypoint: "x",
    runtime_env: null,
    metadata: null,
    demand: { GPU: 3, "node:gpu": 0, worker_node: 1 },
  });
  await expect.poll(() => ray.cluster.ledger.starts).toEqual(["j"]);
  const nodes = await cluster.nodes(quiet);
  expect(nodes.map((node) => [node.node, node.address, node.gpusTotal, node.cpusTotal, node.cpusUsed])).toEqual([
    ["gpu-1", "127.0.0.3", 4, 8, 0],
    ["gpu-2", "127.0.0.4", 4, 8, 0],
  ]);
  expect(nodes.map((node) => node.gpusUsed).reduce((a, b) => a + b)).toBe(3);
  expect(nodes[0]?.rayNodeId).toBe(first.id);
});

test("nodes throws when Ray does not answer or answers garbage", async () => {
  const { ray, cluster } = await setUp();
  ray.inject("nodes", { kind: "answer", status: 500, body: "oops" });
  await expect(cluster.nodes(quiet)).rejects.toThrow("500");
  ray.inject("status", { kind: "answer", status: 200, body: "{}" }, 2);
  await expect(cluster.nodes(quiet)).rejects.toThrow("/api/cluster_status");
  await ray.down();
  await expect(cluster.nodes(quiet)).rejects.toThrow("did not answer");
});

function rayNode(over: Partial<Parameters<typeof nodeViews>[0][number]>) {
  return {
    node_id: "n1",
    node_ip: "10.0.0.1",
    node_name: "a",
    state: "ALIVE",
    resources_total: { worker_node: 1, GPU: 8 },
    start_time_ms: 1,
    ...over,
  };
}

test("of two incarnations of one node the newer counts", () => {
  const views = nodeViews([rayNode({ node_id: "new", start_time_ms: 2 }), rayNode({ node_id: "old", start_time_ms: 1 })], {});
  expect(views.map((view) => view.rayNodeId)).toEqual(["new"]);
});

test("a name that two machines bear, or that is no node name, gives way to the address", () => {
  const views = nodeViews(
    [rayNode({}), rayNode({ node_id: "n2", node_ip: "10.0.0.2" }), rayNode({ node_id: "n3", node_name: "Gpu_3", node_ip: "10.0.0.3" })],
    {},
  );
  expect(views.map((view) => view.node)).toEqual(["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
});

test("dead nodes and nodes without worker_node are left out", () => {
  expect(nodeViews([rayNode({ state: "DEAD" }), rayNode({ resources_total: { GPU: 8 } })], {})).toEqual([]);
});
