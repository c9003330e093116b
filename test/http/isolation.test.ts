/** What alice has and does, and bob must not learn by other ways than her ids: lists, cursors, keys, counts, names, meters, errors. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ADMIN_TOKEN, httpWorld, type HttpWorld, SPEC } from "../support/http-world.ts";
import { bringTo } from "../support/task-in-state.ts";

let world: HttpWorld;
let alice: string;
let bob: string;

beforeEach(async () => {
  world = await httpWorld();
  alice = await world.user("alice");
  bob = await world.user("bob");
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

async function json(url: string, token: string): Promise<any> {
  return (await world.call("GET", url, token)).json();
}

test("lists hold one's own only, whatever is filtered by, and say nothing of how many others there are", async () => {
  for (let i = 0; i < 3; i += 1) await world.submit(alice, SPEC, "?name=secret&label=team=nlp");
  const mine = await world.submit(bob, SPEC, "?label=team=nlp");
  for (const query of ["", "?label=team=nlp", "?state=QUEUED,RUNNING", "?workload=grpo", "?limit=1", "?limit=200"]) {
    const answer = await world.call("GET", `/api/v2/tasks${query}`, bob);
    expect(answer.json(), query).toEqual({ tasks: [expect.objectContaining({ task_id: mine })], next_cursor: null });
    expect(JSON.stringify([answer.text, answer.headers]), query).not.toMatch(/alice|secret/);
  }
});

test("a user names no user, himself, another, one that is not there: all the same 403, before anything else is looked at", async () => {
  const refusals = await Promise.all(
    ["alice", "bob", "nobody", "", "alice&user=bob", "alice&limit=0", "alice&cursor=x"].flatMap((user) => [
      world.call("GET", `/api/v2/tasks?user=${user}`, bob),
      world.call("POST", `/api/v2/tasks?user=${user}`, bob, SPEC),
      world.call("POST", `/api/v2/tasks:plan?user=${user}`, bob, SPEC),
    ]),
  );
  for (const { status, text } of refusals) expect([status, text]).toEqual([403, refusals[0]?.text]);
  expect((await json("/api/v2/tasks", ADMIN_TOKEN)).tasks).toEqual([]);
});

test("a user learns from no admin route whether a user or a token is there", async () => {
  const { token_id: tokenId } = (await world.call("POST", "/api/v2/users/alice/tokens", ADMIN_TOKEN, { name: "x" })).json();
  for (const [method, path, body] of [
    ["POST", "/api/v2/users", (user: string) => ({ user_id: user })],
    ["POST", "/api/v2/users/USER:disable", () => undefined],
    ["PUT", "/api/v2/users/USER/limits", () => ({ max_queued: 1 })],
    ["GET", "/api/v2/users/USER/tokens", () => undefined],
    ["POST", "/api/v2/users/USER/tokens", () => ({ name: "mine" })],
    ["DELETE", `/api/v2/users/USER/tokens/${tokenId}`, () => undefined],
    ["POST", `/api/v2/users/USER/tokens/${tokenId}:rotate`, () => ({})],
    ["GET", "/api/v2/audit?user=USER", () => undefined],
  ] as const) {
    const answers = await Promise.all(["alice", "nobody"].map((user) => world.call(method, path.replace("USER", user), bob, body(user))));
    for (const answer of answers) expect([path, answer.status, answer.text]).toEqual([path, 403, answers[0]?.text]);
  }
});

test("a cursor of alice's is for bob what no cursor at all is", async () => {
  for (const token of [alice, alice, alice, bob, bob]) await world.submit(token);
  world.look({ head: null, nodes: ["1", "2"].map((n) => ({ ...NODE, node: `w${n}`, rayNodeId: `r${n}` })), at: 0 });
  const [mine] = (await json("/api/v2/tasks", bob)).tasks;
  const [hers] = (await json("/api/v2/tasks", alice)).tasks;
  await world.call("POST", `/api/v2/tasks/${hers.task_id}:hold`, alice);
  for (const [hersUrl, bobsUrl] of [
    ["/api/v2/tasks", "/api/v2/tasks"],
    ["/api/v2/nodes", "/api/v2/nodes"],
    [`/api/v2/tasks/${hers.task_id}/events`, `/api/v2/tasks/${mine.task_id}/events`],
  ] as const) {
    const { next_cursor: cursor } = await json(`${hersUrl}?limit=1`, alice);
    expect(cursor, hersUrl).toEqual(expect.any(String));
    expect((await world.call("GET", `${hersUrl}?limit=1&cursor=${cursor}`, alice)).status, hersUrl).toBe(200);
    const stolen = await world.call("GET", `${bobsUrl}?limit=1&cursor=${cursor}`, bob);
    const made = await world.call("GET", `${bobsUrl}?limit=1&cursor=${"A".repeat(cursor.length)}`, bob);
    expect([stolen.status, stolen.text], bobsUrl).toEqual([400, made.text]);
    expect(stolen.json().code).toBe("bad_cursor");
    expect((await world.call("GET", `${hersUrl}?limit=1&cursor=${cursor}`, ADMIN_TOKEN)).status, hersUrl).toBe(400);
  }
});

test("an idempotency key that alice used is new to bob, with her body and with another", async () => {
  const key = { "idempotency-key": "nightly-1" };
  const hers = await world.call("POST", "/api/v2/tasks", alice, SPEC, key);
  const mine = await world.call("POST", "/api/v2/tasks", bob, SPEC, key);
  expect([mine.status, mine.headers["idempotent-replayed"]]).toEqual([201, undefined]);
  expect(mine.json().task_id).toMatch(/^mvp2-bob-/);
  expect(mine.text).not.toContain(hers.json().task_id);
  const carol = await world.user("carol");
  expect((await world.call("POST", "/api/v2/tasks", carol, `${SPEC}\n`, key)).status).toBe(201);
  // The admin's key for alice is alice's: the same submission, not a second one.
  const byAdmin = await world.call("POST", "/api/v2/tasks?user=bob", ADMIN_TOKEN, SPEC, key);
  expect(byAdmin.status === 422 || byAdmin.json().task_id === mine.json().task_id, byAdmin.text).toBe(true);
});

test("the queue and the pool say how much is another's, never what or whose", async () => {
  world.look({ head: null, nodes: [NODE], at: 0 });
  const running = await world.submit(alice, SPEC, "?name=secret&label=team=nlp&priority=-5");
  await bringTo(world, running, "RUNNING");
  await world.submit(alice, SPEC, "?name=secret");
  const mine = await world.submit(bob);
  const queue = await json("/api/v2/queue", bob);
  expect(queue).toMatchObject({ running: [], waiting: [{ task_id: mine, position: 2 }], hidden: 2 });
  expect((await json("/api/v2/nodes", bob)).nodes[0].tasks).toEqual([null]);
  for (const url of ["/api/v2/queue", "/api/v2/nodes", "/api/v2/profiles", "/api/v2/me", "/api/v2/tasks"])
    expect((await world.call("GET", url, bob)).text, url).not.toMatch(/alice|secret|nlp|mvp2-alice/);
  expect((await world.call("POST", "/api/v2/tasks:plan", bob, SPEC)).text).not.toMatch(/alice|secret|nlp/);
});

test("meters, probes and the document name no user, no task and no token, whatever was asked before", async () => {
  const id = await world.submit(alice, SPEC, "?name=secret&label=team=nlp");
  const { token_id: tokenId, token } = (
    await world.call("POST", "/api/v2/users/alice/tokens", ADMIN_TOKEN, { name: "secret-laptop" })
  ).json();
  for (const url of [`/api/v2/tasks/${id}`, `/api/v2/tasks/${id}/nothing`, `/alice/${id}`, `/api/v2/users/alice/tokens/${tokenId}`])
    for (const [method, caller] of [
      ["GET", token],
      ["DELETE", bob],
      ["PUT", ADMIN_TOKEN],
    ] as const)
      await world.call(method, `${url}?token=${token}`, caller);
  const metrics = await world.user("alice", "metrics");
  for (const url of ["/metrics", "/readyz", "/healthz", "/openapi.json"]) {
    const { text, status } = await world.call("GET", url, metrics);
    expect(status).toBe(200);
    for (const word of ["alice", "bob", "secret", "nlp", id, id.slice(-8), tokenId, token])
      expect(text, `${url} ${word}`).not.toContain(word);
  }
});

test("a user whose id begins like another's gets nothing of the other by any part of an id", async () => {
  const a = await world.user("a");
  const ab = await world.user("a-b");
  const hers = await world.submit(ab);
  const mine = await world.submit(a);
  for (const part of [hers, hers.slice(0, -1), "mvp2-a-b", "mvp2-a-b-", hers.slice(-8), hers.slice(-4), hers.slice(7)])
    expect((await world.call("GET", `/api/v2/tasks/${part}`, a)).json(), part).toMatchObject({ status: 404, code: "task_not_found" });
  for (const part of [mine, mine.slice(0, -1), "mvp2-a-", "mvp2", mine.slice(-4), mine.slice(-9)])
    expect((await json(`/api/v2/tasks/${part}`, a)).task_id, part).toBe(mine);
  const second = await world.submit(a);
  const { status, detail } = await json("/api/v2/tasks/mvp2", a);
  expect(status).toBe(400);
  expect(detail).toContain(mine);
  expect(detail).toContain(second);
  expect(detail).not.toContain(hers);
});

test("what means anything to a database means itself in filters and ids", async () => {
  const id = await world.submit(alice, SPEC, "?label=team=a_b");
  await world.submit(alice, SPEC, "?label=team=axb");
  await world.submit(bob, SPEC, "?label=team=a_b");
  expect((await json("/api/v2/tasks?label=team=a_b", alice)).tasks.map((task: { task_id: string }) => task.task_id)).toEqual([id]);
  expect((await json("/api/v2/tasks?label=team=a__", alice)).code).toBe("bad_parameter");
  expect((await json("/api/v2/tasks?label=team=%25", alice)).code).toBe("bad_parameter");
  for (const part of ["%25", "mvp2%25", "____", "mvp2-bob_", "%25%25%25%25", "' or 1=1--", "mvp2-*"])
    expect((await json(`/api/v2/tasks/${encodeURIComponent(decodeURIComponent(part))}`, alice)).code, part).toBe("task_not_found");
});

test("a TaskSpec that points into another's directory is refused the same, whether the file is there or not", async () => {
  mkdirSync(join(world.root, "users/alice/jobs/x"), { recursive: true });
  writeFileSync(join(world.root, "users/alice/jobs/x/there.parquet"), "PAR1");
  const ask = async (path: string): Promise<string> => {
    const { status, text } = await world.call(
      "POST",
      "/api/v2/tasks:plan",
      bob,
      SPEC.replace("/private/common/datasets/d/train.parquet", path),
    );
    expect(status).toBe(400);
    return text.replaceAll(path, "PATH");
  };
  expect(await ask("/private/users/alice/jobs/x/there.parquet")).toBe(await ask("/private/users/alice/jobs/x/where.parquet"));
});

test.each([
  ["POST", "/api/v2/users", { user_id: "eve", role: "admin" }],
  ["POST", "/api/v2/users", { user_id: "eve", limits: { max_queued: 9 } }],
  ["PUT", "/api/v2/users/alice/limits", { max_queued: 9, user_id: "bob" }],
  ["PUT", "/api/v2/users/alice/limits", { max_queued: 9, role: "admin" }],
  ["POST", "/api/v2/users/alice/tokens", { name: "x", user_id: "bob" }],
  ["POST", "/api/v2/users/alice/tokens", { name: "x", token: "mvp_u_mine" }],
  ["POST", "/api/v2/users/alice/tokens", { name: "x", scope: "admin" }],
  ["POST", "/api/v2/users/alice/tokens", { name: "x", hash: "0" }],
  ["POST", "/api/v2/tasks/TASK:prioritize", { priority: -1, user_id: "bob" }],
  ["POST", "/api/v2/tasks/TASK:prioritize", { priority: -1, state: "SUCCEEDED" }],
  ["POST", "/api/v2/tasks/TASK:cancel", { user_id: "bob" }],
  ["POST", "/api/v2/tasks?user_id=bob&user=alice", SPEC],
  ["POST", "/api/v2/tasks?user=alice&state=SUCCEEDED", SPEC],
  ["POST", "/api/v2/tasks?user=alice&task_id=mvp2-x", SPEC],
  ["POST", "/api/v2/tasks?user=alice", `${SPEC}user: bob\n`],
  ["POST", "/api/v2/tasks?user=alice", `${SPEC}state: SUCCEEDED\n`],
  ["POST", "/api/v2/tasks?user=alice", `${SPEC}task_id: mvp2-x\n`],
] as const)("%s %s takes no field that is not the caller's to set: %j", async (method, url, body) => {
  const task = await world.submit(alice);
  const answer = await world.call(method, url.replace("TASK", task), ADMIN_TOKEN, body);
  expect(answer.status, answer.text).toBe(400);
  expect(await world.store.tasks.get(task)).toMatchObject({ userId: "alice", priority: 0, state: "QUEUED", cancelRequestedAt: null });
  expect((await json("/api/v2/tasks", ADMIN_TOKEN)).tasks).toHaveLength(1);
});
