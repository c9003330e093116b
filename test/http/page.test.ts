/** The web page as files: who may have it, and what its answers forbid. */
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CONNECTION_LIMITS } from "../../src/http/connection.ts";
import { PAGE_POLICY } from "../../src/http/page-routes.ts";
import { httpWorld, type HttpWorld } from "../support/http-world.ts";

const REQUESTS = { perSecond: 1_000, burst: 10_000, failedLoginsPerMinute: 10_000, streams: 5 };
const FILES = new Map([
  ["index.html", Buffer.from("<!doctype html>")],
  ["assets/app-1.js", Buffer.from("let a = 1;".repeat(100))],
]);

let world: HttpWorld;
beforeEach(async () => void (world = await httpWorld(CONNECTION_LIMITS, REQUESTS, null, FILES)));
afterEach(() => world.close());

test.each(["/", "/tasks", "/tasks/mvp2-alice-sft-20261124-080000-00000000/log?line=3", "/new", "/pool", "/admin", "/admin/users/alice"])(
  "%s is the document, for everybody, under a policy that allows nothing inline and nothing from elsewhere",
  async (path) => {
    const answer = await world.call("GET", path);
    expect([answer.status, answer.text]).toEqual([200, "<!doctype html>"]);
    expect(answer.headers).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": PAGE_POLICY,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
      "cache-control": "no-cache",
    });
    expect(PAGE_POLICY).toContain("default-src 'none'");
    expect(PAGE_POLICY).not.toMatch(/unsafe|\*|https?:/);
  },
);

test("a script is kept for ever by its name, and compressed where that is asked for", async () => {
  const plain = await world.call("GET", "/assets/app-1.js");
  expect(plain.headers["cache-control"]).toContain("immutable");
  const answer = await world.app.inject({ url: "/assets/app-1.js", headers: { "accept-encoding": "br, gzip" } });
  expect(answer.headers["content-encoding"]).toBe("gzip");
  expect(gunzipSync(answer.rawPayload).toString()).toBe(plain.text);
});

test.each(["/assets/app-2.js", "/assets/index.html", "/assets/..%2findex.html", "/assets/", "/index.html", "/tasks.html", "/nothing"])(
  "%s is not found, and not the document either",
  async (path) => {
    const answer = await world.call("GET", path);
    expect(answer.status).toBe(404);
    expect(answer.headers["content-type"]).toContain("application/problem+json");
  },
);

test("a build without the page says so in words and how to make it", async () => {
  const bare = await httpWorld();
  const answer = await bare.call("GET", "/");
  expect(answer.status).toBe(404);
  expect(answer.text).toContain("npm run build:web");
  await bare.close();
});
