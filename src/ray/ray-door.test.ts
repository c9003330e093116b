import { afterEach, expect, test } from "vitest";
import { type FakeRayOptions, type Fault, startFakeRay } from "../../test/support/fake-ray.ts";
import { createDoorCheck } from "./ray-door.ts";
import { createRayHttp } from "./ray-http.ts";

const quiet = new AbortController().signal;
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function doorOf(options: FakeRayOptions) {
  const ray = await startFakeRay(options);
  closers.push(ray.close);
  const http = createRayHttp({ baseUrl: () => ray.baseUrl, tokenFile: () => null }, { connectMs: 2_000, totalMs: 500 });
  closers.push(http.close);
  return { ray, check: createDoorCheck(http) };
}

test("a Ray that asks for a token is closed, one that looks for a job for anybody is open", async () => {
  const { check } = await doorOf({ token: "cluster-token" });
  expect(await check(quiet)).toEqual({ kind: "closed" });
  const open = await doorOf({});
  expect(await open.check(quiet)).toEqual({ kind: "open" });
});

const UNCLEAR: readonly (readonly [string, Fault])[] = [
  ["hangs up", { kind: "drop" }],
  ["does not answer in time", { kind: "hang" }],
  ["answers 500", { kind: "answer", status: 500, body: "Traceback" }],
  ["sends to a login page", { kind: "answer", status: 302, body: "", location: "http://127.0.0.1/login" }],
  ["shows a login page", { kind: "answer", status: 200, body: "<html>" }],
  ["has another service's 404", { kind: "answer", status: 404, body: "404: Not Found" }],
];

test.each(UNCLEAR)("a dashboard that %s is neither open nor closed", async (_, fault) => {
  const { ray, check } = await doorOf({});
  ray.inject("any", fault);
  expect(await check(quiet)).toMatchObject({ kind: "unknown" });
});

test("a head that is away is not open", async () => {
  const { ray, check } = await doorOf({});
  await ray.down();
  expect(await check(quiet)).toMatchObject({ kind: "unknown" });
});
