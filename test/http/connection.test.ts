/** Bytes on a socket, not requests of a client library: what no route ever sees must still be answered by the contract, and never by a 500. */
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CONNECTION_LIMITS } from "../../src/http/connection.ts";
import { httpWorld, type HttpWorld } from "../support/http-world.ts";

let world: HttpWorld;
let alice: string;
let port: number;

beforeAll(async () => {
  world = await httpWorld({ ...CONNECTION_LIMITS, headersMs: 1_000, requestMs: 1_200, checkEveryMs: 50 });
  alice = await world.user("alice");
  port = Number(new URL(await world.app.listen({ host: "127.0.0.1", port: 0 })).port);
});
afterAll(() => world.close());

type Raw = { readonly status: number; readonly head: string; readonly body: string; readonly text: string };

/** Sends the bytes and resolves with everything that came until the server ended the connection. */
function exchange(...parts: readonly (string | Buffer)[]): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(port, "127.0.0.1");
    const got: Buffer[] = [];
    const done = (): void => {
      const text = Buffer.concat(got).toString();
      const [head = "", ...body] = text.split("\r\n\r\n");
      resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), head: head.toLowerCase(), body: body.join("\r\n\r\n"), text });
    };
    socket.on("data", (bytes: Buffer) => got.push(bytes));
    socket.on("close", done);
    socket.on("error", (error: Error & { code?: string }) =>
      error.code === "ECONNRESET" || error.code === "EPIPE" ? done() : reject(error),
    );
    for (const part of parts) socket.write(part);
  });
}

const GET = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
const post = (headers: string, body = ""): string =>
  `POST /api/v2/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${alice}\r\nContent-Type: application/yaml\r\n${headers}\r\n${body}`;

describe("what is no HTTP request is a problem document and the end of the connection", () => {
  test.each<[string, () => string | Buffer, number, string]>([
    [
      "Content-Length and Transfer-Encoding",
      () => post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
      400,
      "bad_request",
    ],
    ["two Content-Lengths", () => post("Content-Length: 5\r\nContent-Length: 6\r\n", "abcde"), 400, "bad_request"],
    ["chunked before identity", () => post("Transfer-Encoding: chunked , identity\r\n", "0\r\n\r\n"), 400, "bad_request"],
    ["a bad chunk", () => post("Transfer-Encoding: chunked\r\n", "zz\r\n"), 400, "bad_request"],
    ["a negative length", () => post("Content-Length: -5\r\n"), 400, "bad_request"],
    ["a bare line feed", () => "GET /healthz HTTP/1.1\nHost: x\n\n", 400, "bad_request"],
    ["a folded header", () => `${GET}X-A: a\r\n b\r\n\r\n`, 400, "bad_request"],
    ["a blank before the colon", () => `${GET}X-A : a\r\n\r\n`, 400, "bad_request"],
    ["NUL in a header", () => `${GET}X-A: a\0b\r\n\r\n`, 400, "bad_request"],
    ["a bare CR in a header", () => `${GET}X-A: a\rb\r\n\r\n`, 400, "bad_request"],
    ["an unknown method", () => "BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"],
    ["raw bytes in the path", () => Buffer.from("GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", "latin1"), 400, "bad_request"],
    ["a TLS hello", () => Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]), 400, "bad_request"],
    ["64 KiB of header", () => `${GET}X-A: ${"a".repeat(65_536)}\r\n\r\n`, 431, "headers_too_large"],
    ["10 000 headers", () => `${GET}${"A: b\r\n".repeat(10_000)}\r\n`, 431, "headers_too_large"],
    ["a 20 KiB path", () => `GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431, "headers_too_large"],
    ["HTTP/2 without TLS", () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad_request"],
    ["nothing at all", () => "", 408, "request_timeout"],
    ["half a header", () => GET, 408, "request_timeout"],
    ["half a body", () => post("Content-Length: 500\r\n", "workload: ppo\n"), 408, "request_timeout"],
  ])("%s", async (_name, bytes, status, code) => {
    const answer = await exchange(bytes());
    expect(answer.status, answer.text).toBe(status);
    expect(answer.head).toContain("content-type: application/problem+json");
    expect(answer.head).toContain("x-content-type-options: nosniff");
    expect(answer.head).toMatch(/^x-request-id: [0-9a-f]{16}$/m);
    expect(JSON.parse(answer.body)).toMatchObject({ type: `about:blank#${code}`, status, code });
  });
});

describe("what only another server could read differently is refused", () => {
  test.each<[string, () => string, number, string]>([
    ["HTTP/0.9", () => "GET /healthz\r\n\r\n", 400, "bad_parameter"],
    ["no Host", () => "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", 400, "bad_parameter"],
    [
      "a second Host behind 2 100 short headers",
      () => `${GET}${"A:\r\n".repeat(2_100)}Host: y\r\nConnection: close\r\n\r\n`,
      400,
      "bad_parameter",
    ],
    ["two Hosts", () => `${GET}Host: y\r\nConnection: close\r\n\r\n`, 400, "bad_parameter"],
    [
      "two Content-Types",
      () => post("Content-Type: application/json\r\nConnection: close\r\nContent-Length: 2\r\n", "{}"),
      400,
      "bad_parameter",
    ],
    [
      "a compressed body",
      () => post("Content-Encoding: gzip\r\nConnection: close\r\nContent-Length: 2\r\n", "{}"),
      415,
      "unsupported_media_type",
    ],
    ["more body than a TaskSpec has", () => post("Content-Length: 16385\r\n", "a".repeat(16_385)), 413, "too_large"],
  ])("%s", async (_name, bytes, status, code) => {
    const answer = await exchange(bytes());
    expect(answer.status, answer.text).toBe(status);
    expect(JSON.parse(answer.body)).toMatchObject({ status, code });
    expect(answer.head).toMatch(/^x-request-id: [0-9a-f]{16}$/m);
  });

  test("two Authorization headers are a bad token", async () => {
    const auth = `Authorization: Bearer ${alice}\r\n`;
    const answer = await exchange(`GET /api/v2/me HTTP/1.1\r\nHost: x\r\n${auth}${auth}Connection: close\r\n\r\n`);
    expect(answer.status).toBe(401);
    expect(JSON.parse(answer.body).code).toBe("invalid_token");
  });
});

test("a path that can't be decoded has the headers of every answer", async () => {
  const answer = await world.call("GET", "/api/v2/tasks/%ff", alice);
  expect(answer.status).toBe(400);
  expect(answer.headers).toMatchObject({ "x-content-type-options": "nosniff", "cache-control": "no-store" });
  expect(answer.headers["x-request-id"]).toMatch(/^[0-9a-f]{16}$/);
});

test("an id of any length is a task that is not there, and only for who has a token", async () => {
  const path = `/api/v2/tasks/${"a".repeat(5_000)}`;
  for (const part of ["", "/logs", "/spec"]) {
    expect((await world.call("GET", path + part)).status).toBe(401);
    expect((await world.call("GET", path + part, alice)).json()).toMatchObject({ status: 404, code: "task_not_found" });
  }
});

test("a call without a body takes the type that curl -d '' names for nothing", async () => {
  const id = await world.submit(alice);
  const form = "content-type: application/x-www-form-urlencoded\r\ncontent-length: ";
  const head = `POST /api/v2/tasks/${id}:cancel HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${alice}\r\nConnection: close\r\n`;
  const answer = await exchange(`${head}${form}0\r\n\r\n`);
  expect(answer.status, answer.text).toBe(200);
  expect(JSON.parse(answer.body)).toEqual({ task_id: id, state: "CANCELED", cancel_requested: true });
  expect((await exchange(`${head}${form}3\r\n\r\na=b`)).status).toBe(415);
});

/** The answers on one connection, in order: status and body of each. */
function answersOf(text: string): { status: number; body: string }[] {
  const all: { status: number; body: string }[] = [];
  for (let rest = text; rest !== "";) {
    const end = rest.indexOf("\r\n\r\n") + 4;
    const head = rest.slice(0, end);
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    all.push({ status: Number(head.slice(9, 12)), body: rest.slice(end, end + length) });
    rest = rest.slice(end + length);
  }
  return all;
}

const authorized = (): string => `Authorization: Bearer ${alice}\r\n`;

test("without a token a call is refused before its body comes, and a body without an end ends the connection", async () => {
  const lines = ["POST /api/v2/tasks", "POST /api/v2/tasks:plan", "POST /api/v2/users", "PUT /api/v2/users/alice/limits"];
  const asked = lines.flatMap((line) => {
    const head = `${line} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
    const endless = exchange(`${head}Transfer-Encoding: chunked\r\n\r\n`, "10\r\n0123456789abcdef\r\n".repeat(5_000));
    return [exchange(`${head}Content-Length: 1000000\r\n\r\n`), endless];
  });
  for (const answer of await Promise.all(asked)) expect(answer.text).toMatch(/^HTTP\/1\.1 401 /);
});

test("a body is asked for only when its sender may send one", async () => {
  const expecting = "Content-Type: application/yaml\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n";
  const refused = await exchange(`POST /api/v2/tasks HTTP/1.1\r\nHost: x\r\n${expecting}`);
  expect(refused.text).toMatch(/^HTTP\/1\.1 401 /);
  const asked = await exchange(`POST /api/v2/tasks HTTP/1.1\r\nHost: x\r\n${authorized()}${expecting}{}`);
  expect(asked.text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 400 /);
  expect((await exchange(`${GET}Expect: wonders\r\nConnection: close\r\n\r\n`)).status).toBe(200);
});

test("the absolute form means the same route, whatever host it names", async () => {
  const answer = await exchange("GET http://evil.example/healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
  expect(answer.status).toBe(200);
  const mine = await exchange(`GET http://evil.example/api/v2/users HTTP/1.1\r\nHost: x\r\n${authorized()}Connection: close\r\n\r\n`);
  expect(mine.status).toBe(403);
});

test.each(["OPTIONS *", "TRACE /healthz", "HEAD /healthz", "GET /healthz?a=1&a=2", "GET /%00", "GET /healthz%0d%0aX-A:b"])(
  "%s is a 4xx with the headers of every answer",
  async (line) => {
    const answer = await exchange(`${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(answer.head).toContain("content-type: application/problem+json");
    expect(answer.head).toMatch(/^x-request-id: [0-9a-f]{16}$/m);
    expect(answer.head).not.toMatch(/^x-a:/m);
  },
);

test("CONNECT ends the connection", async () => {
  expect((await exchange("CONNECT evil.example:80 HTTP/1.1\r\nHost: x\r\n\r\n")).text).not.toMatch(/^HTTP\/1\.1 2/);
});

test("a query key that is given twice is refused where one is meant", async () => {
  const answer = await world.call("GET", "/api/v2/tasks?limit=1&limit=2", alice);
  expect(answer.json()).toMatchObject({ status: 400, code: "bad_parameter" });
});

test("no answer repeats what Host or a forwarding header claims", async () => {
  const id = await world.submit(alice);
  const spoofed =
    "Host: evil.example\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-For: evil.example\r\nForwarded: host=evil.example\r\n";
  const answer = await exchange(`GET /api/v2/tasks/${id} HTTP/1.1\r\n${spoofed}${authorized()}Connection: close\r\n\r\n`);
  expect(answer.status).toBe(200);
  expect(answer.text).not.toContain("evil.example");
});

test("1 000 requests at once on a connection come back in order, each whole", async () => {
  const calls = Array.from({ length: 1_000 }, (_, n) => (n % 2 === 0 ? `${GET}\r\n` : "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"));
  const answers = answersOf((await exchange(...calls, `${GET}Connection: close\r\n\r\n`)).text);
  expect(answers.map(({ status }) => status)).toEqual([...calls.map((_, n) => (n % 2 === 0 ? 200 : 404)), 200]);
  expect(answers.every(({ body }) => JSON.parse(body) !== null)).toBe(true);
});

test("a log line is one line whatever was sent, and holds no token", async () => {
  const token = "mvp_u_forged0forged0forged0forged0forged";
  await exchange(
    `GET /api/v2/tasks/a%0d%0a%7b%22msg%22%3a%22forged%22%7d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
  );
  await exchange(`GET /nowhere%0aforged HTTP/1.1\r\nHost: x\r\nUser-Agent: a\tb\r\n${authorized()}Connection: close\r\n\r\n`);
  const lines = world.logged.map((line) => JSON.stringify(line));
  expect(lines.filter((line) => line.includes("\n") || line.includes(token) || line.includes(alice))).toEqual([]);
  expect(world.logged.filter((line) => (line as { msg: string }).msg === "forged")).toEqual([]);
});

describe("connections that bring no request", () => {
  test("make room: the one that waited longest goes, and who asks is served", async () => {
    const small = await httpWorld({ ...CONNECTION_LIMITS, waitingOfOneAddress: 5 });
    const at = Number(new URL(await small.app.listen({ host: "127.0.0.1", port: 0 })).port);
    const closed: number[] = [];
    const held = Array.from({ length: 8 }, (_, n) => {
      const socket = connect(at, "127.0.0.1");
      socket.on("close", () => closed.push(n)).on("error", () => undefined);
      socket.write(n % 2 === 0 ? GET : "");
      return socket;
    });
    await expect.poll(() => closed.length, { timeout: 10_000 }).toBe(3);
    expect(new Set(closed)).toEqual(new Set([0, 1, 2]));
    for (let n = 0; n < 3; n += 1) expect((await fetch(`http://127.0.0.1:${at}/healthz`)).status).toBe(200);
    expect(await small.call("GET", "/metrics", await small.user("bob"))).toMatchObject({
      text: expect.stringMatching(/verlpool_http_connections_closed_total [1-9]/),
    });
    for (const socket of held) socket.destroy();
    await small.close();
  });

  test("the total is bounded too, and a connection that is at work is not the one to go", async () => {
    const small = await httpWorld({ ...CONNECTION_LIMITS, connections: 4 });
    const at = Number(new URL(await small.app.listen({ host: "127.0.0.1", port: 0 })).port);
    const token = await small.user("bob");
    const stream = await fetch(`http://127.0.0.1:${at}/api/v2/tasks/${await small.submit(token)}/logs?follow=true`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const reader = stream.body?.getReader();
    await reader?.read();
    let closed = 0;
    const held = Array.from({ length: 10 }, () => {
      const socket = connect(at, "127.0.0.1");
      return socket.on("close", () => (closed += 1)).on("error", () => undefined);
    });
    await expect.poll(() => closed, { timeout: 10_000 }).toBe(7);
    const next = reader?.read();
    expect(await Promise.race([next, new Promise((resolve) => setTimeout(resolve, 100, "still open"))])).toBe("still open");
    for (const socket of held) socket.destroy();
    await reader?.cancel();
    await small.close();
  });
});
