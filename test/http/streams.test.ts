/** Open log streams: how many, for whom, and how they end when their reader does not read. */
import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { CONNECTION_LIMITS } from "../../src/http/connection.ts";
import { putAttempt } from "../support/http-attempt.ts";
import { ADMIN_TOKEN, httpWorld, type HttpWorld } from "../support/http-world.ts";

let world: HttpWorld;
let alice: string;
let id: string;
let url: string;
const opened: Socket[] = [];
/** The server's side of each connection. */
let accepted: Socket[];

/** `stalledMs` as it is, unless the test is about it: then nothing else can have ended a stream. */
async function start(stalledMs = CONNECTION_LIMITS.stalledMs): Promise<void> {
  world = await httpWorld({ ...CONNECTION_LIMITS, stalledMs });
  accepted = [];
  world.app.server.on("connection", (socket: Socket) => accepted.push(socket));
  alice = await world.user("alice");
  id = await world.submit(alice);
  url = await world.app.listen({ host: "127.0.0.1", port: 0 });
}
afterEach(async () => {
  for (const socket of opened.splice(0)) socket.destroy();
  await world.close();
});

const path = (): string => `/api/v2/tasks/${id}/logs?follow=true`;

async function openStream(token: string) {
  const answer = await fetch(`${url}${path()}`, { headers: { authorization: `Bearer ${token}` } });
  const reader = answer.body?.getReader();
  await reader?.read();
  return { status: answer.status, close: () => reader?.cancel() };
}

/** More than the sockets between hold, so that a client that does not read stops the server's writing. */
async function bigLog(): Promise<void> {
  const directory = await putAttempt(world, id, 1, "RUNNING", "RUNNING");
  writeFileSync(join(directory, "logs/driver.log"), `${"x".repeat(1_023)}\n`.repeat(40_000));
}

/** Asks for the path and reads nothing of the answer. */
function deafClient(token: string, what: string): Socket {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  opened.push(socket);
  socket.on("error", () => undefined).pause();
  socket.write(`GET ${what} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`);
  return socket;
}

const stuck = (): number => accepted.filter((socket) => !socket.destroyed && socket.writableNeedDrain).length;
const open = (): number => accepted.filter((socket) => !socket.destroyed).length;
const SOON = { timeout: 15_000 };

test("a user may have five at once, whatever token opens them; the next is told so, and one that ended makes room", async () => {
  await start();
  const second = await world.user("alice", "read");
  const streams = [];
  for (let n = 0; n < 5; n += 1) streams.push(await openStream(n % 2 === 0 ? alice : second));
  expect(streams.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  const refused = await world.call("GET", path(), second);
  expect(refused.json()).toMatchObject({
    status: 429,
    code: "rate_limited",
    detail: "5 log streams of yours are open, and the limit is 5; close one",
  });
  expect(refused.headers["retry-after"]).toMatch(/^[1-9]\d*$/);
  const admin = await openStream(ADMIN_TOKEN);
  expect(admin.status).toBe(200);
  expect((await world.call("GET", `/api/v2/tasks/${id}/logs`, alice)).status).toBe(200);
  await streams[0]?.close();
  await expect.poll(async () => (await openStream(alice)).status, { timeout: 10_000 }).toBe(200);
});

test("a stream that nobody reads is closed within a second of its token's revocation", async () => {
  await start();
  await bigLog();
  const issued = (await world.call("POST", "/api/v2/users/alice/tokens", ADMIN_TOKEN, { name: "viewer" })).json();
  deafClient(issued.token, `${path()}&attempt=1`);
  await expect.poll(stuck, SOON).toBe(1);
  await world.call("DELETE", `/api/v2/users/alice/tokens/${issued.token_id}`, ADMIN_TOKEN);
  await expect.poll(open, SOON).toBe(0);
});

test("a stream that nobody reads is closed when it has stalled, and its place is free again", async () => {
  await start(1_000);
  await bigLog();
  for (let n = 0; n < 5; n += 1) deafClient(alice, `${path()}&attempt=1`);
  await expect.poll(() => accepted.length, SOON).toBe(5);
  await expect.poll(open, SOON).toBe(0);
  for (let n = 0; n < 5; n += 1) expect((await openStream(alice)).status).toBe(200);
});

test("so is the answer to large reads that nobody takes", async () => {
  await start(1_000);
  await bigLog();
  const target = `/api/v2/tasks/${id}/logs?offset=0&limit=1048576`;
  const socket = deafClient(alice, target);
  // As many answers as the sockets between can't hold.
  for (let n = 0; n < 40; n += 1) socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${alice}\r\n\r\n`);
  await expect.poll(stuck, SOON).toBe(1);
  await expect.poll(open, SOON).toBe(0);
});
