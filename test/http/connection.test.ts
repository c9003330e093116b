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
    ["half a header", () => GET, 408, "request_timeout"],
    ["half a body", () => post("Content-Length: 500\r\n", "workload: ppo\n"), 408, "request_timeout"],
  ])("%s", async (_name, bytes, status, code) => {
    const answer = await exchange(bytes());
    expect(answer.status, answer.text).toBe(status);
    expect(answer.head).toContain("content-type: application/problem+json");
    expect(answer.head).toContain("x-content-type-options: nosniff");
    expect(JSON.parse(answer.body)).toMatchObject({ type: `about:blank#${code}`, status, code });
  });
});

describe("what only another server could read differently is refused", () => {
  test.each<[string, () => string, number, string]>([
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
