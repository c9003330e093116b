/** Users, tokens, limits and the audit trail over HTTP, as an admin uses them. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ADMIN_TOKEN, httpWorld, type HttpWorld, SPEC } from "../support/http-world.ts";

let world: HttpWorld;

beforeEach(async () => {
  world = await httpWorld();
});
afterEach(() => world.close());

const admin = async (method: string, path: string, body?: unknown) => await world.call(method, `/api/v2${path}`, ADMIN_TOKEN, body);
const me = async (token: string) => (await world.call("GET", "/api/v2/me", token)).status;

type Wire = { readonly [key: string]: unknown };
const audit = async (query = ""): Promise<readonly Wire[]> => (await admin("GET", `/audit${query}`)).json().audit as readonly Wire[];
const create = async (body: unknown = { name: "ci" }): Promise<{ token: string; token_id: string }> =>
  (await admin("POST", "/users/alice/tokens", body)).json();

describe("rotation", () => {
  beforeEach(() => admin("POST", "/users", { user_id: "alice" }));

  test("gives a token of the same name and scope, and the old one ends at once", async () => {
    const old = await create({ name: "ci", scope: "read" });
    const rotated = await admin("POST", `/users/alice/tokens/${old.token_id}:rotate`, {});
    expect(rotated.status).toBe(201);
    const fresh = rotated.json();
    expect(Object.keys(fresh).toSorted()).toEqual(Object.keys(old).toSorted());
    expect(fresh).toMatchObject({ name: "ci", scope: "read", user_id: "alice", expires_at: null });
    expect(fresh.token).not.toBe(old.token);
    expect([await me(old.token), await me(fresh.token)]).toEqual([401, 200]);
  });

  test("with an overlap both work until it is over, and then only the new one", async () => {
    const old = await create();
    world.clock.advance(1);
    const fresh = (await admin("POST", `/users/alice/tokens/${old.token_id}:rotate`, { overlap_s: 60 })).json();
    world.clock.advance(59_999);
    expect([await me(old.token), await me(fresh.token)]).toEqual([200, 200]);
    world.clock.advance(1);
    expect([await me(old.token), await me(fresh.token)]).toEqual([401, 200]);
    const listed = (await admin("GET", "/users/alice/tokens")).json().tokens as readonly Wire[];
    expect(listed.map((token) => token["replaced_by"])).toEqual([fresh.token_id, null]);
  });

  test("keeps the length of life that the old one was given, from now on; expires_at says another", async () => {
    const now = world.clock.now();
    const at = (ms: number): string => new Date(now + ms).toISOString();
    const old = await create({ name: "ci", expires_at: at(100_000) });
    world.clock.advance(90_000);
    const fresh = (await admin("POST", `/users/alice/tokens/${old.token_id}:rotate`, { overlap_s: 60 })).json();
    expect(fresh.expires_at).toBe(at(190_000));
    const given = (await admin("POST", `/users/alice/tokens/${fresh.token_id}:rotate`, { expires_at: at(95_000) })).json();
    expect(given.expires_at).toBe(at(95_000));
    const never = (await admin("POST", `/users/alice/tokens/${given.token_id}:rotate`, { expires_at: null })).json();
    expect(never.expires_at).toBeNull();
  });

  test("of what is not in force is a 409 that says why; a wrong body is a 400, an unknown token a 404", async () => {
    const old = await create();
    const path = `/users/alice/tokens/${old.token_id}:rotate`;
    const refused = async (body: unknown = {}): Promise<[number, string]> => {
      const { status, detail } = (await admin("POST", path, body)).json();
      return [status, detail];
    };
    for (const body of [
      { overlap_s: -1 },
      { overlap_s: 604_801 },
      { overlap_s: 1.5 },
      { expires_at: "2020-01-01T00:00:00Z" },
      { name: "x" },
    ])
      expect((await refused(body))[0], JSON.stringify(body)).toBe(400);
    await admin("POST", "/users/alice:disable");
    expect(await refused()).toEqual([409, "user alice is disabled; enable it first"]);
    await admin("POST", "/users/alice:enable");
    const fresh = (await admin("POST", path, { overlap_s: 600 })).json();
    expect(await refused()).toEqual([409, `token ${old.token_id} was replaced by ${fresh.token_id}; rotate that one`]);
    await admin("DELETE", `/users/alice/tokens/${old.token_id}`);
    expect(await refused()).toEqual([409, `token ${old.token_id} is revoked, so there is nothing to rotate; create a new one`]);
    await admin("POST", "/users", { user_id: "bob" });
    expect((await admin("POST", `/users/bob/tokens/${fresh.token_id}:rotate`, {})).status).toBe(404);
    expect((await admin("POST", "/users/nobody/tokens/tok_1:rotate", {})).status).toBe(404);
  });
});

describe("an open stream", () => {
  test("ends when its token is rotated away, or its user disabled; one whose token works on stays open", async () => {
    const url = await world.app.listen({ host: "127.0.0.1", port: 0 });
    const follow = async (token: string): Promise<{ readonly isOpen: () => boolean; readonly ended: Promise<void> }> => {
      const taskId = await world.submit(token);
      const answer = await fetch(`${url}/api/v2/tasks/${taskId}/logs?follow=true`, { headers: { authorization: `Bearer ${token}` } });
      expect(answer.status).toBe(200);
      let isOpen = true;
      return { isOpen: () => isOpen, ended: answer.text().then(() => void (isOpen = false)) };
    };
    for (const id of ["alice", "bob"]) await admin("POST", "/users", { user_id: id });
    const [rotated, kept] = [await create(), await create()];
    const [ofRotated, ofKept, ofBob] = [await follow(rotated.token), await follow(kept.token), await follow(await world.user("bob"))];
    expect([ofRotated, ofKept, ofBob].map((stream) => stream.isOpen())).toEqual([true, true, true]);
    await admin("POST", `/users/alice/tokens/${rotated.token_id}:rotate`, {});
    await admin("POST", "/users/bob:disable");
    await Promise.all([ofRotated.ended, ofBob.ended]);
    expect(ofKept.isOpen()).toBe(true);
    await admin("DELETE", `/users/alice/tokens/${kept.token_id}`);
    await ofKept.ended;
  });
});

describe("the audit trail", () => {
  test("tells of each thing the admin did to a user, once, with source and request id, and holds no secret", async () => {
    await admin("POST", "/users", { user_id: "alice", display_name: "Alice" });
    await admin("POST", "/users", { user_id: "alice" });
    const token = await create({ name: "laptop", expires_at: "2027-01-01T00:00:00Z" });
    const rotated = (await admin("POST", `/users/alice/tokens/${token.token_id}:rotate`, { overlap_s: 60 })).json();
    await admin("DELETE", `/users/alice/tokens/${rotated.token_id}`);
    await admin("DELETE", `/users/alice/tokens/${rotated.token_id}`);
    await admin("PUT", "/users/alice/limits", { max_gpus: 4, max_queued: 50 });
    await admin("PUT", "/users/alice/limits", { max_gpus: 4 });
    const taskId = (await world.call("POST", "/api/v2/tasks?user=alice&name=night", ADMIN_TOKEN, SPEC)).json().task_id;
    for (const verb of ["hold", "hold", "release", "release"]) await admin("POST", `/tasks/${taskId}:${verb}`);
    for (const priority of [7, 7]) await admin("POST", `/tasks/${taskId}:prioritize`, { priority });
    await admin("POST", "/users/alice:disable?cancel_tasks=true");
    await admin("POST", "/users/alice:disable");
    await admin("POST", `/tasks/${taskId}:cancel`);
    await admin("POST", "/users/alice:enable");

    const rows = (await audit("?user=alice")).toReversed();
    expect(rows.map((row) => [row["action"], row["target"], row["data"]])).toEqual([
      ["user.create", "alice", {}],
      ["token.create", token.token_id, { user_id: "alice", name: "laptop", scope: "full", expires_at: "2027-01-01T00:00:00.000Z" }],
      ["token.rotate", token.token_id, { user_id: "alice", new_token_id: rotated.token_id, overlap_s: 60 }],
      ["token.revoke", rotated.token_id, { user_id: "alice" }],
      ["user.limits", "alice", { max_gpus: { from: null, to: 4 } }],
      ["task.submit", taskId, { name: "night" }],
      ["task.hold", taskId, {}],
      ["task.release", taskId, {}],
      ["task.prioritize", taskId, { priority: { from: 0, to: 7 } }],
      ["user.disable", "alice", { cancel_tasks: true }],
      ["task.cancel", taskId, {}],
      ["user.enable", "alice", {}],
    ]);
    for (const row of rows)
      expect(row).toMatchObject({
        actor: "admin",
        user_id: "alice",
        from: "127.0.0.1",
        token_id: null,
        request_id: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
      });
    expect(new Set(rows.map((row) => row["request_id"])).size).toBe(rows.length - 1);
    const text = JSON.stringify(rows);
    for (const secret of [ADMIN_TOKEN, token.token, rotated.token]) expect(text).not.toContain(secret);
  });

  test("has nothing of what users do to their own tasks: that is in the events of the tasks", async () => {
    const token = await world.user("alice");
    const taskId = await world.submit(token);
    await world.call("POST", `/api/v2/tasks/${taskId}:hold`, token);
    await world.call("POST", `/api/v2/tasks/${taskId}:cancel`, token);
    expect(await audit("?action=task.cancel")).toEqual([]);
    expect((await audit(`?target=${taskId}`)).length).toBe(0);
  });

  test("comes by page under the same filter, and narrowed by time", async () => {
    for (const id of ["a", "b", "c"]) {
      await admin("POST", "/users", { user_id: id });
      world.clock.advance(1_000);
    }
    const first = (await admin("GET", "/audit?action=user.create&limit=2")).json();
    expect(first.audit.map((row: Wire) => row["target"])).toEqual(["c", "b"]);
    const rest = (await admin("GET", `/audit?action=user.create&limit=2&cursor=${first.next_cursor}`)).json();
    expect([rest.audit.map((row: Wire) => row["target"]), rest.next_cursor]).toEqual([["a"], null]);
    expect((await admin("GET", `/audit?limit=2&cursor=${first.next_cursor}`)).json().code).toBe("bad_cursor");
    const at = first.audit[1].at as string;
    expect((await audit(`?after=${at}`)).map((row) => row["target"])).toEqual(["c", "b"]);
    expect((await audit(`?before=${at}`)).map((row) => row["target"])).toEqual(["a"]);
    for (const query of ["?action=user.delete", "?after=yesterday", `?after=${at}&before=${at}`, "?limit=0", "?who=x"])
      expect((await admin("GET", `/audit${query}`)).status, query).toBe(400);
    expect((await admin("GET", "/audit?user=nobody")).status).toBe(404);
  });
});

describe("refused access", () => {
  const warnings = () => world.logged.filter((line) => (line as { msg?: string }).msg === "access refused");

  test("is one log line with source and request id and without the token, and no row", async () => {
    const token = await world.user("alice");
    const before = await audit();
    const forbidden = await world.call("GET", "/api/v2/users", token);
    const forUser = await world.call("GET", "/api/v2/tasks?user=alice", token);
    const wrong = "mvp_u_000000000000000000000000000000000000";
    const failed = await world.call("GET", "/api/v2/me", wrong);
    await world.call("GET", "/api/v2/me", null);
    const where = { from: "127.0.0.1", method: "GET", msg: "access refused" };
    const who = { actor: "user:alice", token_id: expect.stringMatching(/^tok_/) as string, code: "admin_required" };
    expect(warnings()).toEqual([
      { ...where, ...who, route: "/api/v2/users", request_id: forbidden.headers["x-request-id"] },
      { ...where, ...who, route: "/api/v2/tasks", request_id: forUser.headers["x-request-id"] },
      { ...where, actor: null, token_id: null, code: "invalid_token", route: "/api/v2/me", request_id: failed.headers["x-request-id"] },
    ]);
    for (const secret of [token, wrong, ADMIN_TOKEN]) expect(JSON.stringify(world.logged)).not.toContain(secret);
    expect(await audit()).toEqual(before);
  });
});

describe("limits", () => {
  const submit = async (token: string, query = "") => await world.call("POST", `/api/v2/tasks${query}`, token, SPEC);

  test("a submission beyond submits_per_minute is a 429 with the limit, its value and when to come again", async () => {
    const token = await world.user("alice");
    await admin("PUT", "/users/alice/limits", { submits_per_minute: 2 });
    const answers = await Promise.all(Array.from({ length: 8 }, () => submit(token)));
    expect(answers.map((answer) => answer.status).toSorted((a, b) => a - b)).toEqual([201, 201, 429, 429, 429, 429, 429, 429]);
    world.clock.advance(18_500);
    const refused = await submit(token);
    expect(refused.headers["retry-after"]).toBe("42");
    expect(refused.json()).toMatchObject({
      code: "user_limit",
      detail:
        "alice submitted 2 tasks in the last minute, the limit submits_per_minute is 2; the next may come in 42 s; an admin can raise it",
    });
    expect((await submit(await world.user("bob"))).status).toBe(201);
    world.clock.advance(41_500);
    expect((await submit(token)).status).toBe(201);
  });

  test("the answer to a key that was used is given again, whatever the limit", async () => {
    const token = await world.user("alice");
    await admin("PUT", "/users/alice/limits", { submits_per_minute: 1 });
    const keyed = async () => await world.call("POST", "/api/v2/tasks", token, SPEC, { "idempotency-key": "k" });
    expect([(await keyed()).text]).toEqual([(await keyed()).text]);
    expect((await submit(token)).status).toBe(429);
  });

  test("a plan is no submission: it counts for nothing, and warns of a limit that would refuse one", async () => {
    const token = await world.user("alice");
    const plan = async () => (await world.call("POST", "/api/v2/tasks:plan", token, SPEC)).json();
    await admin("PUT", "/users/alice/limits", { max_queued: 1 });
    for (let n = 0; n < 3; n += 1) expect((await plan()).warnings).toEqual([]);
    await submit(token);
    expect((await plan()).warnings).toEqual([
      {
        code: "user_limit",
        field: null,
        text: "submitted now it would be refused: alice has 1 task waiting, the limit max_queued is 1; cancel one, or an admin can raise it",
      },
    ]);
  });

  test.each(["max_queued", "submits_per_minute"])("%s of 0 lets nothing in, and says so", async (limit) => {
    const token = await world.user("alice");
    await admin("PUT", "/users/alice/limits", { [limit]: 0 });
    const refused = await submit(token);
    expect([refused.status, refused.headers["retry-after"]]).toEqual([429, "3600"]);
    expect(refused.json().detail).toBe(`alice may submit nothing: the limit ${limit} is 0; an admin can raise it`);
  });

  test.each([
    { max_queued: 1_000_001 },
    { max_running: -1 },
    { max_gpus: 1.5 },
    { submits_per_minute: 10_001 },
    { max_priority: 101 },
    { max_priority: null },
    { max_disk: 1 },
  ])("%j is no limit", async (limits) => {
    await world.user("alice");
    expect((await admin("PUT", "/users/alice/limits", limits)).status).toBe(400);
  });
});
