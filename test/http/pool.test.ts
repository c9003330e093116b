import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { PROBLEMS } from "../../src/contract/problem.ts";
import { type Route, ROUTES } from "../../src/contract/routes.ts";
import { ADMIN_TOKEN, httpWorld, type HttpWorld } from "../support/http-world.ts";

let world: HttpWorld;
let alice: string;

beforeEach(async () => {
  world = await httpWorld();
  alice = await world.user("alice");
});
afterEach(() => world.close());

const NODE = {
  node: "w1",
  rayNodeId: "r1",
  address: "10.0.0.7",
  gpusTotal: 4,
  cpusTotal: 64,
  gpusUsed: 1,
  cpusUsed: 3,
  rivals: [],
  closed: null,
};
const HEAD = { kind: "up", session: "session_1", address: "10.0.0.1:6379", rayVersion: "2.60.0" } as const;

test("nodes say what is free; addresses are for the admin", async () => {
  world.look({ head: HEAD, nodes: [NODE], at: 0 });
  const seen = (await world.call("GET", "/api/v2/nodes", alice)).json();
  expect(seen).toMatchObject({
    head: { state: "up", session: "session_1", address: null },
    nodes: [{ node: "w1", state: "joined", gpus: { total: 4, free: 3 }, cpus: { total: 64, free: 61 }, tasks: [] }],
  });
  expect(JSON.stringify(seen)).not.toContain("10.0.0");
  expect((await world.call("GET", "/api/v2/nodes", ADMIN_TOKEN)).json().head.address).toBe("10.0.0.1:6379");
  world.look({ head: { kind: "down", error: "connect ECONNREFUSED 10.0.0.1" } });
  expect((await world.call("GET", "/api/v2/nodes", alice)).text).not.toContain("10.0.0");
});

test("nodes come by page", async () => {
  const all = ["w1", "w2", "w3"].map((node) => ({ ...NODE, node, rayNodeId: `ray-${node}` }));
  world.look({ head: HEAD, nodes: all, at: 0 });
  const names = (answer: { nodes: { node: string }[] }): string[] => answer.nodes.map((one) => one.node);
  const first = (await world.call("GET", "/api/v2/nodes?limit=2", alice)).json();
  expect(names(first)).toEqual(["w1", "w2"]);
  const next = `/api/v2/nodes?limit=2&cursor=${first.next_cursor}`;
  const second = (await world.call("GET", next, alice)).json();
  expect(names(second)).toEqual(["w3"]);
  expect(second.next_cursor).toBe(null);
  expect((await world.call("GET", next, ADMIN_TOKEN)).json()).toMatchObject({ status: 400, code: "bad_cursor" });
  world.look({ nodes: all.filter((one) => one.node !== "w2") });
  expect((await world.call("GET", next, alice)).json()).toMatchObject({ status: 400, code: "bad_cursor" });
});

test("every list takes limit and cursor, and refuses what is none", async () => {
  const id = await world.submit(alice);
  for (const [path, noun] of [
    ["/api/v2/tasks", "tasks"],
    ["/api/v2/users", "users"],
    ["/api/v2/users/alice/tokens", "tokens"],
    [`/api/v2/tasks/${id}/events`, "events"],
    [`/api/v2/tasks/${id}/attempts`, "attempts"],
    ["/api/v2/nodes", "nodes"],
  ] as const) {
    const list = (await world.call("GET", `${path}?limit=200`, ADMIN_TOKEN)).json();
    expect(Array.isArray(list[noun]), path).toBe(true);
    expect(list.next_cursor, path).toBe(null);
    for (const limit of ["0", "201", "-1", "x", ""])
      expect((await world.call("GET", `${path}?limit=${limit}`, ADMIN_TOKEN)).json(), `${path} ${limit}`).toMatchObject({
        status: 400,
        code: "bad_parameter",
      });
    expect((await world.call("GET", `${path}?cursor=x`, ADMIN_TOKEN)).json(), path).toMatchObject({ status: 400, code: "bad_cursor" });
  }
});

test("tokens come by page, each once", async () => {
  for (const name of ["b", "c", "d", "e"]) await world.call("POST", "/api/v2/users/alice/tokens", ADMIN_TOKEN, { name });
  const seen: string[] = [];
  let cursor = "";
  for (let i = 0; i < 3; i += 1) {
    const page = (await world.call("GET", `/api/v2/users/alice/tokens?limit=2${cursor}`, ADMIN_TOKEN)).json();
    seen.push(...page.tokens.map((one: { name: string }) => one.name));
    cursor = `&cursor=${page.next_cursor}`;
    expect(page.next_cursor === null).toBe(i === 2);
  }
  expect(seen.toSorted()).toEqual(["b", "c", "d", "e", "test"]);
});

test("the queue gives positions in order, counts what is hidden, and says when GPUs stand idle because of a setting", async () => {
  const bob = await world.user("bob");
  world.look({ head: HEAD, nodes: [NODE] });
  const [first, second] = [await world.submit(alice), await world.submit(bob)];
  const third = await world.submit(alice);
  const queue = (await world.call("GET", "/api/v2/queue", alice)).json();
  expect(queue.waiting.map((task: { task_id: string; position: number }) => [task.task_id, task.position])).toEqual([
    [first, 1],
    [third, 3],
  ]);
  expect(queue.hidden).toBe(1);
  expect(JSON.stringify(queue)).not.toContain(second);
  const at = world.clock.now();
  const epoch = await world.store.leader.lead("test", at);
  const event = { attempt: 1, actor: "system", type: "state_changed", reason: null, data: {} } as const;
  await world.store.tasks.change({
    taskId: second,
    version: 1,
    epoch,
    at,
    to: "SUBMITTING",
    patch: { attempts: 1 },
    events: [event],
    newAttempt: {
      attempt: 1,
      submissionId: `${second}--a01`,
      placement: [{ node: "w1", gpus: 1, cpus: 3 }],
      raySession: "s",
      resumedFrom: null,
    },
  });
  const later = (await world.call("GET", "/api/v2/queue", ADMIN_TOKEN)).json();
  expect(later.running.map((task: { task_id: string }) => task.task_id)).toEqual([second]);
  expect(later.notes).toEqual(["3 of 4 GPUs idle; 2 tasks wait on max_running_tasks=1"]);
  expect((await world.call("GET", "/api/v2/nodes", alice)).json().nodes[0].tasks).toEqual([null]);
  expect((await world.call("GET", "/api/v2/nodes", bob)).json().nodes[0].tasks).toEqual([second]);
});

test("health answers without a token and without data; readiness names what is degraded", async () => {
  expect((await world.call("GET", "/healthz")).json()).toEqual({ status: "ok" });
  const down = await world.call("GET", "/readyz");
  expect(down.status).toBe(200);
  expect(down.json()).toMatchObject({
    status: "degraded",
    checks: { database: { status: "ok" }, storage: { status: "ok" }, ray: { status: "degraded" }, head: { status: "degraded" } },
  });
  world.look({ head: HEAD });
  expect((await world.call("GET", "/readyz")).json()).toMatchObject({ status: "ok", checks: { ray_door: { status: "ok" } } });
  await world.store.close();
  const dead = await world.call("GET", "/readyz");
  expect(dead.status).toBe(503);
  expect(dead.json()).toMatchObject({ status: "failing", checks: { database: { status: "failing" } } });
});

test("a Ray that asks for no token is told: readiness is degraded and still 200, the admin reads what to do, users nothing", async () => {
  world.look({ head: HEAD });
  const openGauge = async (): Promise<string | undefined> =>
    /^verlpool_ray_open (\d)$/m.exec((await world.call("GET", "/metrics", alice)).text)?.[1];
  const headText = async (token: string): Promise<string> => (await world.call("GET", "/api/v2/nodes", token)).json().head.text;
  expect(await openGauge()).toBe("0");
  expect(await headText(ADMIN_TOKEN)).not.toContain("OPEN");
  world.door({ state: "open", ms: 3 });
  const ready = await world.call("GET", "/readyz");
  expect(ready.status).toBe(200);
  expect(ready.json()).toMatchObject({ status: "degraded", checks: { ray: { status: "ok" }, ray_door: { status: "degraded", ms: 3 } } });
  expect(await openGauge()).toBe("1");
  expect(await headText(ADMIN_TOKEN)).toMatch(/OPEN.*without a token/);
  expect(await headText(alice)).not.toContain("OPEN");
  world.door({ state: "unknown", ms: 0 });
  expect([(await world.call("GET", "/readyz")).json().status, await openGauge()]).toEqual(["ok", "0"]);
});

test("metrics carry the promised names", async () => {
  await world.submit(alice);
  world.look({ head: HEAD, nodes: [NODE], at: 0 });
  const { text } = await world.call("GET", "/metrics", alice);
  for (const line of [
    'verlpool_tasks{state="QUEUED"} 1',
    "verlpool_head_up 1",
    "verlpool_leader 1",
    'verlpool_gpus{state="free"} 3',
    "verlpool_http_request_seconds_bucket",
    "verlpool_tick_seconds",
    "verlpool_queue_wait_seconds",
    "verlpool_loop_lag_seconds",
    "verlpool_ray_request_seconds",
    "verlpool_attempts_total",
  ]) {
    expect(text).toContain(line);
  }
});

test("the OpenAPI document names every route, its statuses and only known shapes", async () => {
  const document = (await world.call("GET", "/openapi.json")).json();
  for (const route of Object.values(ROUTES) as Route[]) {
    const operation = document.paths[route.path]?.[route.method.toLowerCase()];
    expect(operation, `${route.method} ${route.path}`).toBeDefined();
    expect(Object.keys(operation.responses)).toContain(String(route.status));
    if (route.access !== "open") expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(["401", "403"]));
  }
  const names = new Set(Object.keys(document.components.schemas));
  for (const [, name] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)) expect(names).toContain(name);
  expect(JSON.stringify(document)).not.toContain("$defs");
});

test("every answer of the reads fits the shape that the contract gives for it", async () => {
  const id = await world.submit(alice);
  world.look({ head: HEAD, nodes: [NODE] });
  for (const [name, route] of Object.entries(ROUTES) as [string, Route][]) {
    if (route.method !== "GET" || route.answer.kind !== "json" || name === "openapi") continue;
    const answer = await world.call(
      "GET",
      route.path.replace("{task_id}", id).replace("{user_id}", "alice"),
      route.access === "admin" ? ADMIN_TOKEN : alice,
    );
    const parsed = z.strictObject({}).safeParse({}).success && route.answer.schema.safeParse(answer.json());
    expect(parsed, `${name}: ${answer.text}`).toMatchObject({ success: true });
  }
});

test("an unexpected error shows a request id and nothing else", async () => {
  const id = await world.submit(alice);
  await world.store.close();
  const answer = await world.call("GET", `/api/v2/tasks/${id}`, ADMIN_TOKEN);
  expect([500, 503]).toContain(answer.status);
  expect(answer.text).not.toMatch(/sqlite|\.ts|stack/i);
  expect(Object.values(PROBLEMS).map((one) => one.status)).toContain(answer.status);
});

test("a node is drained, cordoned and opened again by the admin, with an audit row each; an unknown one is a 404", async () => {
  world.look({ head: HEAD, nodes: [NODE], at: 0 });
  const change = (verb: string, reason?: string, node = "w1") =>
    world.call("POST", `/api/v2/nodes/${node}:${verb}`, ADMIN_TOKEN, reason === undefined ? {} : { reason });
  expect((await change("drain", "new drivers")).json()).toMatchObject({
    node: "w1",
    state: "draining",
    why: { text: "drained by the admin: new drivers" },
    wanted: { cordon: false, drain: true, by: "admin", reason: "new drivers" },
    address: "10.0.0.7",
  });
  expect((await change("cordon")).json()).toMatchObject({ state: "cordoned", wanted: { cordon: true, drain: true } });
  await change("cordon", "again");
  const seen = (await world.call("GET", "/api/v2/nodes", alice)).json().nodes[0];
  expect(seen).toMatchObject({ state: "cordoned", address: null });
  expect((await change("forget")).json()).toMatchObject({ status: 409, code: "wrong_state" });
  expect((await change("uncordon", "done")).json()).toMatchObject({ state: "joined", wanted: null });
  expect((await change("drain", "x", "w9")).json()).toMatchObject({ status: 404, code: "not_found" });
  const audit = (await world.call("GET", "/api/v2/audit?target=w1", ADMIN_TOKEN)).json().audit as { action: string; data: object }[];
  expect(audit.map(({ action }) => action)).toEqual(["node.uncordon", "node.cordon", "node.drain"]);
  expect(audit.at(-1)?.data).toMatchObject({ reason: "new drivers" });
});
