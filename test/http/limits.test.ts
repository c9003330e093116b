/** How much one caller may ask: each limit says its value and when to come back, and takes nothing from anybody else. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { newToken } from "../../src/control/tokens.ts";
import { CONNECTION_LIMITS } from "../../src/http/connection.ts";
import { ADMIN_TOKEN, httpWorld, type HttpWorld } from "../support/http-world.ts";

// So slow that a busy machine gets no further request in the middle of a test.
const FEW = { perSecond: 0.01, burst: 3, failedLoginsPerMinute: 2, streams: 2 };

let world: HttpWorld;
let alice: string;
let bob: string;

beforeEach(async () => {
  world = await httpWorld(CONNECTION_LIMITS, FEW);
  alice = await world.user("alice");
  bob = await world.user("bob");
});
afterEach(() => world.close());

async function statuses(count: number, token: string | null, path = "/api/v2/me"): Promise<number[]> {
  const all: number[] = [];
  for (let n = 0; n < count; n += 1) all.push((await world.call("GET", path, token)).status);
  return all;
}

describe("requests of a token", () => {
  test("over its burst it gets 429 with the limit and the seconds to wait; another token is not touched", async () => {
    expect(await statuses(3, alice)).toEqual([200, 200, 200]);
    const refused = await world.call("GET", "/api/v2/me", alice);
    expect(refused.status).toBe(429);
    expect(refused.headers["retry-after"]).toMatch(/^[1-9]\d*$/);
    expect(refused.headers["content-type"]).toContain("application/problem+json");
    expect(refused.json()).toMatchObject({ code: "rate_limited", detail: "this token has had its 0.01 requests a second, 3 at once" });
    expect(await statuses(3, bob)).toEqual([200, 200, 200]);
    world.clock.advance(Number(refused.headers["retry-after"]) * 1000);
    expect(await statuses(1, alice)).toEqual([200]);
  });

  test("a refused call is not read: neither its body nor its type matters, and nothing happens", async () => {
    await statuses(3, alice);
    const form = { "content-type": "application/x-www-form-urlencoded" };
    expect((await world.call("POST", "/api/v2/tasks", alice, Buffer.alloc(20_000), form)).status).toBe(429);
    expect((await world.call("POST", "/api/v2/users", alice, { user_id: "eve" })).status).toBe(429);
  });

  test("what the token may not do counts as well", async () => {
    expect(await statuses(4, alice, "/api/v2/users")).toEqual([403, 403, 403, 429]);
  });

  test("the admin has ten times as much, the open routes of one address too, each for itself", async () => {
    expect(new Set(await statuses(20, ADMIN_TOKEN))).toEqual(new Set([200]));
    expect(await statuses(31, null, "/healthz")).toEqual([...Array<number>(30).fill(200), 429]);
    expect((await world.call("GET", "/healthz")).json().detail).toBe("this address has had its 0.1 requests a second, 30 at once");
    expect(await statuses(1, alice)).toEqual([200]);
  });
});

describe("failed logins", () => {
  test("of one token they are answered 429 after the limit, while a valid token of the same address passes", async () => {
    const unknown = newToken();
    expect(await statuses(3, unknown)).toEqual([401, 401, 429]);
    const refused = await world.call("GET", "/api/v2/me", unknown);
    expect(refused.json()).toMatchObject({
      code: "rate_limited",
      detail: "too many failed logins; the limit is 2 a minute with one token, 20 from one address",
    });
    expect(Number(refused.headers["retry-after"])).toBeGreaterThanOrEqual(1);
    expect(Number(refused.headers["retry-after"])).toBeLessThanOrEqual(30);
    expect(await statuses(3, alice)).toEqual([200, 200, 200]);
    world.clock.advance(30_000);
    expect(await statuses(2, unknown)).toEqual([401, 429]);
  });

  test("a new token for each try is bounded by the address", async () => {
    const all: number[] = [];
    for (let n = 0; n < 25; n += 1) all.push(...(await statuses(1, newToken())));
    expect(all).toEqual([...Array<number>(20).fill(401), ...Array<number>(5).fill(429)]);
    expect(await statuses(1, bob)).toEqual([200]);
  });

  test("nothing in the answer tells an unknown token from a revoked one, an expired one, or that of a disabled user", async () => {
    const revoked = (await world.call("POST", "/api/v2/users/bob/tokens", ADMIN_TOKEN, { name: "lost" })).json();
    await world.call("DELETE", `/api/v2/users/bob/tokens/${revoked.token_id}`, ADMIN_TOKEN);
    const disabled = await world.user("dora");
    await world.call("POST", "/api/v2/users/dora:disable", ADMIN_TOKEN);
    const answers = [];
    for (const token of [newToken(), revoked.token, disabled]) {
      await statuses(2, token);
      const { status, headers, text } = await world.call("GET", "/api/v2/me", token);
      answers.push([status, text, Object.keys(headers).sort()]);
    }
    expect(answers[0]?.[0]).toBe(429);
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  test("no token at all is no failed login, and X-Forwarded-For makes no other address", async () => {
    expect(new Set(await statuses(30, null))).toEqual(new Set([401]));
    const unknown = newToken();
    const all: number[] = [];
    for (let n = 0; n < 3; n += 1)
      all.push((await world.call("GET", "/api/v2/me", unknown, undefined, { "x-forwarded-for": `10.0.0.${n}` })).status);
    expect(all).toEqual([401, 401, 429]);
  });
});
