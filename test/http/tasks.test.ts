import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ADMIN_TOKEN, httpWorld, type HttpWorld, SPEC } from "../support/http-world.ts";

let world: HttpWorld;
let alice: string;
let bob: string;

beforeEach(async () => {
  world = await httpWorld();
  alice = await world.user("alice");
  bob = await world.user("bob");
});
afterEach(() => world.close());

test("a submission answers 201 with the id, the state, warnings and its place", async () => {
  const answer = await world.call("POST", "/api/v2/tasks?name=first&label=team=nlp&label=run=1", alice, SPEC);
  expect(answer.status).toBe(201);
  const body = answer.json();
  expect(body).toEqual({ task_id: expect.stringMatching(/^mvp2-alice-grpo-20261124-080000-[0-9a-f]{8}$/), state: "QUEUED", warnings: [] });
  expect(answer.headers["location"]).toBe(`/api/v2/tasks/${body.task_id}`);
  const task = (await world.call("GET", `/api/v2/tasks/${body.task_id}`, alice)).json();
  expect(task).toMatchObject({
    user_id: "alice",
    name: "first",
    labels: { team: "nlp", run: "1" },
    profile: "grpo@0.9",
    attempt: null,
    attempts: 0,
    waiting: null,
    spec: { workload: "grpo", nnodes: 1, save_freq: 10 },
  });
});

test("the spec comes back byte for byte, comments and all", async () => {
  const spec = `# mine\n${SPEC}# ünïcode\n`;
  const id = await world.submit(alice, spec);
  expect((await world.call("GET", `/api/v2/tasks/${id}/spec`, alice)).text).toBe(spec);
});

test("all errors of a spec come at once, each with its line, column, what was found and what is allowed", async () => {
  const answer = await world.call(
    "POST",
    "/api/v2/tasks",
    alice,
    SPEC.replace("nnodes: 1", "nnodes: 0").replace("grpo", "gpro") + "lr: 3\n",
  );
  expect(answer.status).toBe(400);
  const body = answer.json();
  expect(body).toMatchObject({ type: "about:blank#invalid_spec", code: "invalid_spec", status: 400 });
  expect(body).not.toHaveProperty("instance");
  expect(body.errors.map((one: { field: string; line: number }) => [one.field, one.line])).toEqual([
    ["workload", 1],
    ["nnodes", 6],
    ["lr", 8],
  ]);
});

test("a file that does not exist is a 422 with the line of its field", async () => {
  const answer = await world.call("POST", "/api/v2/tasks", alice, SPEC.replace("train.parquet", "none.parquet"));
  expect(answer.status).toBe(422);
  expect(answer.json()).toMatchObject({
    code: "preflight_failed",
    errors: [{ field: "train_file", line: 4, message: "/private/common/datasets/d/none.parquet does not exist" }],
  });
});

test("a link that leaves /private/common is refused at submission", async () => {
  mkdirSync(join(world.root, "users/bob"), { recursive: true });
  writeFileSync(join(world.root, "users/bob/x.parquet"), "PAR1");
  symlinkSync(join(world.root, "users/bob/x.parquet"), join(world.root, "common/datasets/d/link.parquet"));
  const answer = await world.call("POST", "/api/v2/tasks", alice, SPEC.replace("d/train.parquet", "d/link.parquet"));
  expect(answer.status).toBe(422);
  expect(answer.json().errors[0].message).toContain("leaves /private/common");
});

test("a repo id that is not in the offline cache is refused with what to do", async () => {
  const answer = await world.call(
    "POST",
    "/api/v2/tasks",
    alice,
    SPEC.replace("/private/common/models/tiny", "Qwen/Qwen2.5-0.5B-Instruct"),
  );
  expect(answer.status).toBe(422);
  expect(answer.json().errors[0]).toMatchObject({ field: "model_id", line: 3 });
});

test("an unknown profile is refused by name, one of another workload too", async () => {
  expect((await world.call("POST", "/api/v2/tasks?profile=grpp", alice, SPEC)).json()).toMatchObject({
    status: 422,
    code: "unknown_profile",
    detail: expect.stringContaining("grpp"),
  });
  expect((await world.call("POST", "/api/v2/tasks?profile=sft", alice, SPEC)).json()).toMatchObject({
    status: 422,
    code: "unknown_profile",
  });
});

test("a body over 16 KiB is 413 before it is parsed, and a JSON body is 415", async () => {
  expect((await world.call("POST", "/api/v2/tasks", alice, `${SPEC}#${"x".repeat(17_000)}`)).json()).toMatchObject({
    status: 413,
    code: "too_large",
  });
  expect((await world.call("POST", "/api/v2/tasks", alice, { workload: "grpo" })).json()).toMatchObject({
    status: 415,
    code: "unsupported_media_type",
  });
  const form = await world.call("POST", "/api/v2/tasks", alice, SPEC, { "content-type": "application/x-www-form-urlencoded" });
  expect(form.json()).toMatchObject({ status: 415, detail: expect.stringContaining("application/yaml") });
});

test("the same key and request give the first answer again; another request with the key is 422; keys are each user's own", async () => {
  const key = { "idempotency-key": "k-1" };
  const first = await world.call("POST", "/api/v2/tasks", alice, SPEC, key);
  const again = await world.call("POST", "/api/v2/tasks", alice, SPEC, key);
  expect(again.status).toBe(201);
  expect(again.text).toBe(first.text);
  expect(again.headers["idempotent-replayed"]).toBe("true");
  expect(first.headers["idempotent-replayed"]).toBeUndefined();
  rmSync(join(world.root, "common/datasets/d/train.parquet"));
  expect((await world.call("POST", "/api/v2/tasks", alice, SPEC, key)).text).toBe(first.text);
  writeFileSync(join(world.root, "common/datasets/d/train.parquet"), "PAR1");
  expect((await world.call("POST", "/api/v2/tasks", alice, `${SPEC}\n`, key)).json()).toMatchObject({
    status: 422,
    code: "idempotency_key_reused",
  });
  expect((await world.call("POST", "/api/v2/tasks?name=x", alice, SPEC, key)).json()).toMatchObject({ code: "idempotency_key_reused" });
  const other = await world.call("POST", "/api/v2/tasks", bob, SPEC, key);
  expect(other.json().task_id).not.toBe(first.json().task_id);
  expect((await world.call("GET", "/api/v2/tasks", alice)).json().tasks).toHaveLength(1);
});

test("a bad Idempotency-Key is refused", async () => {
  for (const key of ["", "x".repeat(256), "ümlaut"]) {
    expect((await world.call("POST", "/api/v2/tasks", alice, SPEC, { "idempotency-key": key })).status, JSON.stringify(key)).toBe(400);
  }
});

test("lists are newest first, by page; a cursor works for its caller and filter only", async () => {
  const ids: string[] = [];
  for (let i = 0; i < 5; i += 1) ids.push(await world.submit(alice));
  const first = (await world.call("GET", "/api/v2/tasks?limit=2", alice)).json();
  expect(first.tasks.map((task: { task_id: string }) => task.task_id)).toEqual([ids[4], ids[3]]);
  expect(first.tasks[0]).not.toHaveProperty("spec");
  const second = (await world.call("GET", `/api/v2/tasks?limit=2&cursor=${first.next_cursor}`, alice)).json();
  expect(second.tasks.map((task: { task_id: string }) => task.task_id)).toEqual([ids[2], ids[1]]);
  const last = (await world.call("GET", `/api/v2/tasks?limit=2&cursor=${second.next_cursor}`, alice)).json();
  expect(last).toMatchObject({ tasks: [{ task_id: ids[0] }], next_cursor: null });
  for (const url of [
    `/api/v2/tasks?limit=2&state=QUEUED&cursor=${first.next_cursor}`,
    "/api/v2/tasks?cursor=xyz",
    "/api/v2/tasks?cursor=",
  ]) {
    expect((await world.call("GET", url, alice)).json(), url).toMatchObject({ status: 400, code: "bad_cursor" });
  }
  expect((await world.call("GET", `/api/v2/tasks?limit=2&cursor=${first.next_cursor}`, bob)).json()).toMatchObject({ code: "bad_cursor" });
});

test.each([
  "limit=0",
  "limit=201",
  "limit=x",
  "limit=1&limit=2",
  "limit=",
  "limit=1e1",
  "limit=0x10",
  "limit=%205",
  "state=DONE",
  "workload=dpo",
  "colour=red",
  "label=nokey",
  "label=__proto__=x",
])("GET /tasks?%s is a 400 bad_parameter", async (query) => {
  expect((await world.call("GET", `/api/v2/tasks?${query}`, alice)).json()).toMatchObject({ status: 400, code: "bad_parameter" });
});

test.each([
  ["priority=1", "max_priority"],
  ["priority=101", "priority"],
  ["priority=", "priority"],
  ["priority=-1.0", "priority"],
  ["deadline=2020-01-01T00:00:00Z", "past"],
  ["deadline=tomorrow", "deadline"],
  ["max_runtime_s=0", "max_runtime_s"],
  ["max_runtime_s=1e999", "max_runtime_s"],
  ["max_runtime_s=1e-9", "max_runtime_s"],
  ["max_runtime_s=0.0001", "max_runtime_s"],
  ["max_runtime_s=", "max_runtime_s"],
  ["name=", "name"],
  ["name=%1b[2J", "name"],
])("POST /tasks?%s is refused and says why", async (query, word) => {
  const answer = await world.call("POST", `/api/v2/tasks?${query}`, alice, SPEC);
  expect(answer.json()).toMatchObject({ status: 400, code: "bad_parameter" });
  expect(answer.json().detail).toContain(word);
});

test("a user sees only own tasks, and another's is the same as none, byte for byte", async () => {
  const id = await world.submit(alice);
  const missing = id.replace(/[0-9a-f]{8}$/, "00000000");
  for (const [method, path] of [
    ["GET", ""],
    ["GET", "/spec"],
    ["GET", "/events"],
    ["GET", "/attempts"],
    ["GET", "/logs"],
    ["GET", "/logs?follow=true"],
    ["GET", "/curves"],
    ["POST", ":cancel"],
    ["POST", ":hold"],
    ["POST", ":release"],
  ] as const) {
    const foreign = await world.call(method, `/api/v2/tasks/${id}${path}`, bob);
    const none = await world.call(method, `/api/v2/tasks/${missing}${path}`, bob);
    expect(foreign.status, path).toBe(404);
    expect(foreign.text).toBe(none.text);
    const strip = ({ "x-request-id": _, date: __, ...rest }: { [name: string]: string }) => rest;
    expect(strip(foreign.headers)).toEqual(strip(none.headers));
    expect(foreign.text).not.toContain("mvp2-");
  }
  expect((await world.call("GET", "/api/v2/tasks", bob)).json().tasks).toEqual([]);
  expect((await world.call("GET", "/api/v2/queue", bob)).json()).toEqual({ running: [], waiting: [], hidden: 1, paused: null, notes: [] });
});

test("ids shorten to any unique prefix or suffix of four characters among the caller's own", async () => {
  const id = await world.submit(alice);
  expect((await world.call("GET", `/api/v2/tasks/${id.slice(-6)}`, alice)).json().task_id).toBe(id);
  expect((await world.call("GET", `/api/v2/tasks/${id.slice(0, 12)}`, alice)).json().task_id).toBe(id);
  expect((await world.call("GET", `/api/v2/tasks/${id.slice(-6)}`, bob)).status).toBe(404);
  await world.submit(alice);
  expect((await world.call("GET", `/api/v2/tasks/${id.slice(0, 12)}`, alice)).json()).toMatchObject({
    status: 400,
    code: "bad_parameter",
    detail: expect.stringContaining("not unique"),
  });
  for (const text of ["%25%25%25%25", "____", id.slice(-3)])
    expect((await world.call("GET", `/api/v2/tasks/${text}`, alice)).status, text).toBe(404);
});

test("cancel of a waiting task is final at once, idempotent, and an event", async () => {
  const id = await world.submit(alice);
  expect((await world.call("POST", `/api/v2/tasks/${id}:cancel`, alice)).json()).toEqual({
    task_id: id,
    state: "CANCELED",
    cancel_requested: true,
  });
  const again = await world.call("POST", `/api/v2/tasks/${id}:cancel`, alice);
  expect(again.status).toBe(200);
  expect(again.json()).toMatchObject({ state: "CANCELED" });
  const { events } = (await world.call("GET", `/api/v2/tasks/${id}/events`, alice)).json();
  expect(
    events.map((event: { seq: number; type: string; actor: string; to: string | null }) => [event.seq, event.type, event.actor, event.to]),
  ).toEqual([
    [1, "created", "user:alice", "QUEUED"],
    [2, "state_changed", "user:alice", "CANCELED"],
    [3, "cancel_requested", "user:alice", null],
  ]);
  expect((await world.call("GET", `/api/v2/tasks/${id}/events?after=2`, alice)).json().events).toHaveLength(1);
});

test("hold, release and prioritize change a waiting task, and say why not for an ended one", async () => {
  const id = await world.submit(alice);
  expect((await world.call("POST", `/api/v2/tasks/${id}:hold`, alice)).json()).toMatchObject({ held: true, waiting: { code: "held" } });
  expect((await world.call("POST", `/api/v2/tasks/${id}:release`, alice)).json()).toMatchObject({ held: false });
  expect((await world.call("POST", `/api/v2/tasks/${id}:prioritize`, alice, { priority: -5 })).json()).toMatchObject({ priority: -5 });
  expect((await world.call("POST", `/api/v2/tasks/${id}:prioritize`, alice, { priority: 5 })).json()).toMatchObject({
    status: 400,
    detail: expect.stringContaining("max_priority"),
  });
  expect((await world.call("POST", `/api/v2/tasks/${id}:prioritize`, ADMIN_TOKEN, { priority: 5 })).json()).toMatchObject({ priority: 5 });
  await world.call("POST", `/api/v2/tasks/${id}:cancel`, alice);
  expect((await world.call("POST", `/api/v2/tasks/${id}:hold`, alice)).json()).toMatchObject({ status: 409, code: "wrong_state" });
});

test("who may only ask for less than 0 gets that without asking", async () => {
  await world.call("PUT", "/api/v2/users/alice/limits", ADMIN_TOKEN, { max_priority: -10 });
  const id = await world.submit(alice);
  expect((await world.call("GET", `/api/v2/tasks/${id}`, alice)).json().priority).toBe(-10);
  expect((await world.call("POST", "/api/v2/tasks:plan", alice, SPEC)).status).toBe(200);
  expect((await world.call("POST", "/api/v2/tasks?priority=0", alice, SPEC)).json().detail).toContain("max_priority of -10");
});

test("the admin submits on behalf of a user, and only so", async () => {
  expect((await world.call("POST", "/api/v2/tasks", ADMIN_TOKEN, SPEC)).json()).toMatchObject({ status: 400, code: "bad_parameter" });
  expect((await world.call("POST", "/api/v2/tasks?user=nobody", ADMIN_TOKEN, SPEC)).json()).toMatchObject({
    status: 404,
    code: "not_found",
  });
  const id = await world.submit(ADMIN_TOKEN, SPEC, "?user=alice");
  expect((await world.call("GET", `/api/v2/tasks/${id}`, alice)).json().user_id).toBe("alice");
  for (const method of ["GET", "POST"]) {
    expect((await world.call(method, "/api/v2/tasks?user=alice", alice, method === "POST" ? SPEC : undefined)).json()).toMatchObject({
      status: 403,
      code: "admin_required",
    });
  }
  expect((await world.call("GET", "/api/v2/tasks?user=alice", ADMIN_TOKEN)).json().tasks).toHaveLength(1);
  for (const nobody of ["nobody", "", "%00"]) {
    const answer = await world.call("GET", `/api/v2/tasks?user=${nobody}`, ADMIN_TOKEN);
    expect(answer.json(), nobody).toMatchObject({ status: 404, code: "not_found" });
  }
  await world.call("POST", "/api/v2/users/alice:disable", ADMIN_TOKEN);
  expect((await world.call("GET", "/api/v2/tasks?user=alice", ADMIN_TOKEN)).json().tasks).toHaveLength(1);
  expect((await world.call("POST", "/api/v2/tasks?user=alice", ADMIN_TOKEN, SPEC)).json()).toMatchObject({
    status: 409,
    code: "wrong_state",
  });
});

test("plan says the command, the fit and the place without submitting", async () => {
  const node = {
    node: "w1",
    rayNodeId: "r1",
    address: null,
    gpusTotal: 4,
    cpusTotal: 64,
    gpusUsed: 0,
    cpusUsed: 0,
    rivals: [],
    closed: null,
  };
  world.look({ head: { kind: "up", session: "s", address: "a", rayVersion: "2.60.0" }, nodes: [node] });
  const plan = (await world.call("POST", "/api/v2/tasks:plan", alice, SPEC)).json();
  expect(plan).toMatchObject({
    valid: true,
    position: 1,
    needs: { nodes: 1, gpus_per_node: 1 },
    fit: { verdict: "now", per_node: [{ node: "w1", gpus_free: 4, fits: true, why: null }] },
  });
  expect(plan.argv.slice(0, 3)).toEqual(["python3", "-m", "verl.trainer.main_ppo"]);
  expect(
    (await world.call("POST", "/api/v2/tasks:plan", alice, SPEC.replace("n_gpus_per_node: 1", "n_gpus_per_node: 8"))).json().fit,
  ).toMatchObject({ verdict: "impossible", per_node: [{ fits: false, why: expect.stringContaining("4 of 4 GPUs free") }] });
  world.look({ head: { kind: "down", error: "x" } });
  expect((await world.call("POST", "/api/v2/tasks:plan", alice, SPEC)).json().fit).toEqual({ verdict: "unknown", per_node: [] });
  expect((await world.call("GET", "/api/v2/tasks", alice)).json().tasks).toEqual([]);
});

test("more waiting tasks than max_queued are refused with the limit and its value", async () => {
  await world.call("PUT", "/api/v2/users/alice/limits", ADMIN_TOKEN, { max_queued: 1 });
  await world.submit(alice);
  const answer = await world.call("POST", "/api/v2/tasks", alice, SPEC);
  expect(answer.json()).toMatchObject({ status: 429, code: "user_limit", detail: expect.stringContaining("max_queued is 1") });
  expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
});
