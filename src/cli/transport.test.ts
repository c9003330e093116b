import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { httpTransport, type HttpRequest, Unreachable } from "./transport.ts";

const open: Server[] = [];

afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
});

async function serve(answer: (body: string, response: ServerResponse, url: string) => void): Promise<string> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => answer(Buffer.concat(parts).toString(), response, request.url ?? ""));
  });
  open.push(server);
  await new Promise<void>((done) => {
    server.listen(0, "127.0.0.1", done);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const request = (url: string, changes: Partial<HttpRequest> = {}): HttpRequest => ({
  method: "GET",
  url,
  headers: {},
  body: null,
  timeoutMs: 10_000,
  idleMs: 10_000,
  signal: new AbortController().signal,
  ...changes,
});

async function text(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts).toString();
}

test("method, body, status, headers and body go through", async () => {
  const url = await serve((body, response) => response.writeHead(201, { "x-a": "b" }).end(`got ${body}`));
  const answer = await httpTransport()(request(url, { method: "POST", body: Buffer.from("é") }));
  expect([answer.status, answer.header("X-A"), answer.header("x-none"), await text(answer.body)]).toEqual([201, "b", null, "got é"]);
});

test("an answer without a body has none", async () => {
  const url = await serve((_, response) => response.writeHead(204).end());
  expect(await text((await httpTransport()(request(url, { method: "DELETE" }))).body)).toBe("");
});

test("a redirect is an answer, and is not followed", async () => {
  const seen: string[] = [];
  const url = await serve((_, response, path) => {
    seen.push(path);
    response.writeHead(302, { location: "/other" }).end();
  });
  expect((await httpTransport()(request(`${url}/first`))).status).toBe(302);
  expect(seen).toEqual(["/first"]);
});

test("a closed port, a silent server and a body that stops are Unreachable, with the reason", async () => {
  const silent = await serve(() => {});
  await expect(httpTransport()(request(silent, { timeoutMs: 50 }))).rejects.toMatchObject({ name: "Unreachable", reason: "TIMEOUT" });
  const stalls = await serve((_, response) => void response.write("a"));
  const answer = await httpTransport()(request(stalls, { idleMs: 50 }));
  await expect(text(answer.body)).rejects.toMatchObject({ name: "Unreachable", reason: "TIMEOUT" });
  const breaks = await serve((_, response) => void response.write("a", () => response.destroy()));
  await expect(httpTransport()(request(breaks)).then(({ body }) => text(body))).rejects.toBeInstanceOf(Unreachable);
  const closed = await serve(() => {});
  await new Promise((done) => open.at(-1)?.close(done));
  await expect(httpTransport()(request(closed))).rejects.toMatchObject({ name: "Unreachable", reason: "ECONNREFUSED" });
});

test("the caller's abort gives the caller's reason: before, while waiting for the head, while reading", async () => {
  const silent = await serve(() => {});
  const reason = new Error("Ctrl-C");
  await expect(httpTransport()(request(silent, { signal: AbortSignal.abort(reason) }))).rejects.toBe(reason);
  const waiting = new AbortController();
  const pending = httpTransport()(request(silent, { signal: waiting.signal }));
  waiting.abort(reason);
  await expect(pending).rejects.toBe(reason);
  const reading = new AbortController();
  const streams = await serve((_, response) => void response.write("a"));
  const { body } = await httpTransport()(request(streams, { signal: reading.signal }));
  const first = async (): Promise<void> => {
    for await (const _ of body) reading.abort(reason);
  };
  await expect(first()).rejects.toBe(reason);
});

test("leaving a stream early frees its connection", async () => {
  const gone = Promise.withResolvers<void>();
  const url = await serve((_, response) => {
    response.on("close", () => gone.resolve());
    response.write("a");
  });
  const { body } = await httpTransport()(request(url));
  for await (const _ of body) break;
  await gone.promise;
});
