/** Every route × every kind of caller, held to test/support/authorization-matrix.ts; and the ways around a token that attackers try. */
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openApiDocument } from "../../src/contract/openapi.ts";
import { type Route, type RouteId, ROUTES } from "../../src/contract/routes.ts";
import { formatSubmissionId } from "../../src/domain/ids.ts";
import { ASSET_PATH, VIEW_PATHS } from "../../src/http/page-routes.ts";
import { newToken } from "../../src/control/tokens.ts";
import { type Caller, CALLERS, expectedStatus, MATRIX, renderMatrix } from "../support/authorization-matrix.ts";
import { savedCheckpoint } from "../support/checkpoints.ts";
import { ADMIN_TOKEN, httpWorld, type HttpWorld, SPEC } from "../support/http-world.ts";
import { bringTo } from "../support/task-in-state.ts";

const routes = Object.entries(ROUTES) as [RouteId, Route][];
const rows = (Object.keys(MATRIX) as RouteId[]).flatMap((id) =>
  CALLERS.map((caller) => [id, caller, expectedStatus(MATRIX[id], caller)] as const),
);

/** `METHOD path` of all that the router knows, from its own drawing of itself: a tree of path parts, four characters a level. */
function registered(app: HttpWorld["app"]): readonly string[] {
  const parts: string[] = [];
  return app
    .printRoutes({ commonPrefix: false })
    .split("\n")
    .flatMap((line) => {
      const match = /^([│ ]*)[├└]── (\S+)(?: \((.+)\))?$/.exec(line);
      if (match === null) return [];
      const [, indent = "", part = "", methods = ""] = match;
      parts.splice(indent.length / 4, Infinity, part);
      const path = parts
        .join("")
        .replaceAll("(^[^:/]+)", "")
        .replaceAll(/(?<=\/):(\w+)/g, "{$1}")
        .replace(/\/?\*$/, "/{path}")
        .replaceAll("::", ":");
      return methods.split(", ").flatMap((method) => (method === "" ? [] : [`${method} ${path}`]));
    });
}

describe("the authorization matrix", () => {
  let world: HttpWorld;
  const tokens: { [caller in Caller]?: string } = {};

  beforeAll(async () => {
    world = await httpWorld();
    tokens.owner = await world.user("alice");
    tokens.other = await world.user("bob");
    tokens["read scope"] = await world.user("alice", "read");
    tokens["metrics scope"] = await world.user("alice", "metrics");
    tokens.admin = ADMIN_TOKEN;
    tokens.malformed = `${tokens.owner.slice(0, -1)}${tokens.owner.endsWith("x") ? "y" : "x"}`;
    tokens.unknown = newToken();
    tokens.disabled = await world.user("dora");
    await world.call("POST", "/api/v2/users/dora:disable", ADMIN_TOKEN);
    const revoked = (await world.call("POST", "/api/v2/users/alice/tokens", ADMIN_TOKEN, { name: "lost" })).json();
    tokens.revoked = revoked.token;
    await world.call("DELETE", `/api/v2/users/alice/tokens/${revoked.token_id}`, ADMIN_TOKEN);
    const old = (await world.call("POST", "/api/v2/users/alice/tokens", ADMIN_TOKEN, { name: "old" })).json();
    tokens.replaced = old.token;
    await world.call("POST", `/api/v2/users/alice/tokens/${old.token_id}:rotate`, ADMIN_TOKEN, { overlap_s: 0 });
    const expires = new Date(world.clock.now() + 1_000).toISOString();
    tokens.expired = (
      await world.call("POST", "/api/v2/users/alice/tokens", ADMIN_TOKEN, { name: "short", expires_at: expires })
    ).json().token;
    world.clock.advance(2_000);
    // So that lists and counts have something that is alice's.
    await world.submit(tokens.owner, SPEC, "?name=quiet-name&label=team=quiet-team");
  });
  afterAll(() => world.close());

  let lastTask = "";
  /** alice's, and such that the call can do what it is for; made anew for each call that needs one. */
  const PARAMETERS: { readonly [name: string]: () => Promise<string> } = {
    user_id: () => Promise.resolve("alice"),
    task_id: async () => (lastTask = await world.submit(tokens.owner ?? "")),
    path: async () => {
      await bringTo(world, lastTask, "SUCCEEDED");
      return "a01/logs/driver.log";
    },
    token_id: async () => (await world.call("POST", "/api/v2/users/alice/tokens", ADMIN_TOKEN, { name: "spare" })).json().token_id,
    node: async () => {
      const wish = { node: "w9", cordon: false, drain: true, actor: "admin", reason: null, gpuUuids: [], at: world.clock.now() };
      await world.store.nodes.changeWishes(() => ({ set: [wish], remove: [], audit: null }), null);
      return wish.node;
    },
    submission_id: async () => {
      const taskId = await world.submit(tokens.owner ?? "");
      await bringTo(world, taskId, "silent");
      return formatSubmissionId(taskId, 1);
    },
  };

  async function urlOf(id: RouteId): Promise<string> {
    let url: string = ROUTES[id].path;
    for (const [place, name = ""] of ROUTES[id].path.matchAll(/\{(\w+)\}/g)) {
      const make = PARAMETERS[name];
      if (make === undefined) throw new Error(`say in PARAMETERS how a ${name} of alice's is made`);
      const made = await make();
      const { ended, saved } = MATRIX[id];
      if (ended === true || saved === true) await bringTo(world, made, "SUCCEEDED");
      if (saved === true)
        savedCheckpoint(join(world.root, "users/alice/jobs", formatSubmissionId(made, 1), "checkpoints"), 3, {
          workload: "grpo",
          ranks: 1,
        });
      url = url.replace(place, made);
    }
    return url;
  }

  /** The beginning of an answer that has no end. */
  async function begin(path: string, token: string | null) {
    const { port } = await listening();
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: `Bearer ${token ?? ""}` } });
    await answer.body?.cancel();
    const headers: { [name: string]: string } = Object.fromEntries(answer.headers);
    return { status: answer.status, headers, text: "", json: (): any => null };
  }

  async function listening(): Promise<AddressInfo> {
    if (!world.app.server.listening) await world.app.listen({ host: "127.0.0.1", port: 0 });
    return world.app.server.address() as AddressInfo;
  }

  test("every route has a row, with a body where it takes one and the status that it promises, and every row a route", () => {
    expect(Object.keys(MATRIX).toSorted()).toEqual(Object.keys(ROUTES).toSorted());
    for (const [id, { body, status }] of routes)
      expect([id, MATRIX[id].body !== undefined, MATRIX[id].ok]).toEqual([id, body !== null, status]);
  });

  test("what the OpenAPI document lists and what the router answers is what has a row", async () => {
    const listed = routes.map(([id, { method, path }]) => `${id}: ${method} ${path}`);
    const paths = openApiDocument("test")["paths"] as { [path: string]: { [method: string]: { operationId: string } } };
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId }]) => `${operationId}: ${method.toUpperCase()} ${path}`),
    );
    expect(new Set(operations)).toEqual(new Set(listed));
    await world.app.ready();
    // The page's files are for everybody: they say nothing of anybody (test/http/page.test.ts).
    const page = [...VIEW_PATHS, ASSET_PATH].map((path) => `GET ${path.replace(":file", "{file}").replace("*", "{path}")}`);
    expect(new Set(registered(world.app))).toEqual(new Set([...routes.map(([, { method, path }]) => `${method} ${path}`), ...page]));
  });

  test("docs/authorization.md shows the matrix as it is; `npm run docs:matrix` writes it", () => {
    expect(readFileSync(join(import.meta.dirname, "../../docs/authorization.md"), "utf8")).toContain(renderMatrix());
  });

  test.each(rows)("%s as %s answers %i", async (id, caller, status) => {
    const route: Route = ROUTES[id];
    const url = await urlOf(id);
    const body = MATRIX[id].body?.(caller);
    const token = caller === "none" ? null : (tokens[caller] ?? "");
    const answer = id === "streamChanges" && status === 200 ? await begin(url, token) : await world.call(route.method, url, token, body);
    expect(answer.status, answer.text).toBe(status);
    if (status === 401) {
      expect(answer.headers["www-authenticate"]).toBe("Bearer");
      const [code, detail] = caller === "none" ? ["missing_token", "missing bearer token"] : ["invalid_token", "invalid token"];
      expect(answer.json()).toEqual({ type: `about:blank#${code}`, title: "Not authenticated", status, detail, code });
    }
    if (caller === "disabled" && status === 403) expect(answer.json().detail).toBe("user disabled");
    if (MATRIX[id].kind === "admin" && status === 403 && caller !== "disabled")
      expect(answer.json()).toMatchObject({ code: "admin_required", detail: "admin required" });
    // Nothing of alice's, and not her name, reaches who is not alice: refusals do not repeat what was asked for.
    if (!["owner", "read scope", "metrics scope", "admin"].includes(caller))
      expect(answer.text + JSON.stringify(answer.headers)).not.toMatch(/alice|quiet-/);
    if (id === "disableUser") await world.call("POST", "/api/v2/users/alice:enable", ADMIN_TOKEN);
  });

  test.each((["createTask", "planTask"] as const).map((id) => [id, MATRIX[id].ok] as const))(
    "%s as admin for a user answers %i, and a user may name nobody, not even himself",
    async (id, status) => {
      const url = `${ROUTES[id].path}?user=alice`;
      expect((await world.call("POST", url, ADMIN_TOKEN, SPEC)).status).toBe(status);
      for (const caller of ["other", "owner"] as const)
        expect((await world.call("POST", url, tokens[caller], SPEC)).json()).toMatchObject({ status: 403, code: "admin_required" });
    },
  );

  test.each([["t"], ["tok"], [`${ADMIN_TOKEN}x`], [ADMIN_TOKEN.slice(0, -1)], ["x".repeat(10_000)], ["mvp_u_"], ["Bearer"]])(
    "the token %s is refused with 401",
    async (token) => {
      expect((await world.call("GET", "/api/v2/me", token)).status).toBe(401);
    },
  );

  test.each([["bearer x"], ["Bearer  x"], ["Basic eDp5"], [`Bearer ${ADMIN_TOKEN} `], [`Bearer ${ADMIN_TOKEN},x`], ["Bearer "]])(
    "the header %j is refused with 401",
    async (authorization) => {
      expect((await world.call("GET", "/api/v2/me", null, undefined, { authorization })).status).toBe(401);
    },
  );

  test.each(["HEAD", "OPTIONS", "PATCH", "PUT", "DELETE"])(
    "%s on a route that lacks it is a 405 that lists what there is",
    async (method) => {
      const answer = await world.call(method, "/api/v2/tasks", tokens.owner);
      expect(answer.status).toBe(405);
      expect(answer.headers["allow"]).toBe("POST, GET");
    },
  );

  test("a path that there is not is a 404 whatever is sent to it, also an id that holds an encoded colon", async () => {
    const body = Buffer.from("a=b");
    const form = { "content-type": "application/x-www-form-urlencoded" };
    expect((await world.call("POST", "/api/v2/nothing", tokens.owner, body, form)).json()).toMatchObject({
      status: 404,
      code: "not_found",
    });
    expect((await world.call("PUT", "/api/v2/tasks", tokens.owner, body, form)).json()).toMatchObject({ status: 405 });
    for (const path of ["/api/v2/tasks/a%3Ab:cancel", "/api/v2/users/a%3Ab:enable"])
      expect((await world.call("POST", path, ADMIN_TOKEN)).json(), path).toMatchObject({ status: 404, code: "not_found" });
  });

  test.each(["/api/v2/tasks/", "//api/v2/tasks", "/API/v2/tasks", "/api/v2/tasks;a=b", "/api/v2/%2e%2e/users", "/api/v1/tasks"])(
    "%s is no way around the table",
    async (path) => {
      expect([400, 404]).toContain((await world.call("GET", path, tokens.owner)).status);
    },
  );

  test("what a method override or a forwarded address says is ignored", async () => {
    const answer = await world.call("GET", "/api/v2/users", tokens.owner, undefined, {
      "x-http-method-override": "POST",
      "x-forwarded-for": "127.0.0.1",
    });
    expect(answer.status).toBe(403);
  });

  test.each([
    [{ user_id: "eve", role: "admin" }, 400],
    [{ user_id: "eve", state: "DISABLED" }, 400],
    [{ user_id: "admin" }, 400],
    [{ user_id: "root" }, 400],
    [{ user_id: "common" }, 400],
    [{ user_id: "a--b" }, 400],
    [{ user_id: "../x" }, 400],
    [{ user_id: "Eve" }, 400],
    [{ user_id: "x".repeat(33) }, 400],
    [{ user_id: "eve", display_name: "" }, 400],
    [{ user_id: "eve", display_name: "a\0b" }, 400],
    [{ user_id: "eve", display_name: "\u001b[2J" }, 400],
    [{ user_id: "eve", display_name: "half a pair \ud800" }, 400],
    [{ user_id: "eva", display_name: "Ева 🌱 O'Neil" }, 201],
    [{ user_id: "alice" }, 409],
  ])("POST /users with %j is a %i", async (body, status) => {
    expect((await world.call("POST", "/api/v2/users", ADMIN_TOKEN, body)).status).toBe(status);
  });

  test("keys that change a prototype are refused at any depth, bad JSON and deep JSON too", async () => {
    for (const text of [
      '{"user_id":"eve","__proto__":{"admin":true}}',
      '{"user_id":"eve","x":{"constructor":1}}',
      "{",
      '"x"',
      "[".repeat(5_000),
      '{"user_id":NaN}',
      "\ufeff{}",
      '{"user_id":"\\ud800"}',
    ]) {
      const answer = await world.call("POST", "/api/v2/users", ADMIN_TOKEN, Buffer.from(text), { "content-type": "application/json" });
      expect(answer.status, text.slice(0, 40)).toBe(400);
    }
  });
});
