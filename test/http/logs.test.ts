import { symlinkSync, unlinkSync, writeFileSync, appendFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AttemptState, TaskState } from "../../src/domain/types.ts";
import { putAttempt } from "../support/http-attempt.ts";
import { ADMIN_TOKEN, httpWorld, type HttpWorld } from "../support/http-world.ts";

let world: HttpWorld;
let alice: string;
let id: string;

beforeEach(async () => {
  world = await httpWorld();
  alice = await world.user("alice");
  id = await world.submit(alice);
});
afterEach(() => world.close());

const attempt = (n: number, to: TaskState, state: AttemptState): Promise<string> => putAttempt(world, id, n, to, state);

test("a task that has not started has an empty log and no curves", async () => {
  const answer = await world.call("GET", `/api/v2/tasks/${id}/logs`, alice);
  expect(answer).toMatchObject({ status: 200, text: "" });
  expect(answer.headers["x-log-attempt"]).toBe("0");
  expect((await world.call("GET", `/api/v2/tasks/${id}/curves`, alice)).json()).toMatchObject({
    attempts: [],
    next_after_step: null,
  });
});

test("tail gives the last lines, offset the exact bytes, both with their place", async () => {
  const directory = await attempt(1, "RUNNING", "RUNNING");
  writeFileSync(join(directory, "logs/driver.log"), "one\ntwo\nthree\n");
  const tail = await world.call("GET", `/api/v2/tasks/${id}/logs?tail=2`, alice);
  expect(tail.text).toBe("two\nthree\n");
  expect([tail.headers["x-log-attempt"], tail.headers["x-log-start"], tail.headers["x-log-end"]]).toEqual(["1", "4", "14"]);
  expect((await world.call("GET", `/api/v2/tasks/${id}/logs?offset=4&limit=3`, alice)).text).toBe("two");
  expect((await world.call("GET", `/api/v2/tasks/${id}/logs?offset=400`, alice)).text).toBe("");
  expect((await world.call("GET", `/api/v2/tasks/${id}/logs?attempt=2`, alice)).status).toBe(404);
  for (const query of ["tail=10001", "tail=-1", "offset=1&tail=1", "limit=2000000&offset=0", "attempt=0", "attempt=all&offset=0"]) {
    expect((await world.call("GET", `/api/v2/tasks/${id}/logs?${query}`, alice)).status, query).toBe(400);
  }
});

test("all attempts come in order with a marker between", async () => {
  for (const n of [1, 2]) {
    const directory = await attempt(n, n === 1 ? "QUEUED" : "RUNNING", n === 1 ? "LOST" : "RUNNING");
    writeFileSync(join(directory, "logs/driver.log"), `log of ${n}\n`);
  }
  const { text } = await world.call("GET", `/api/v2/tasks/${id}/logs?attempt=all`, alice);
  expect(text).toMatch(/attempt 1 .*\nlog of 1\n\n.*attempt 2 .*\nlog of 2\n$/s);
  expect((await world.call("GET", `/api/v2/tasks/${id}/logs?attempt=1`, alice)).text).toBe("log of 1\n");
});

test("a log that is a link to somebody else's file is not read", async () => {
  const directory = await attempt(1, "RUNNING", "RUNNING");
  writeFileSync(join(world.root, "secret"), "hash of bob");
  symlinkSync(join(world.root, "secret"), join(directory, "logs/driver.log"));
  const answer = await world.call("GET", `/api/v2/tasks/${id}/logs`, alice);
  expect(answer.status).toBe(503);
  expect(answer.text).not.toContain("hash of bob");
  unlinkSync(join(directory, "logs/driver.log"));
});

function events(text: string): { event: string; id: string | null; data: any }[] {
  return text
    .split("\n\n")
    .filter((block) => block.includes("event: "))
    .map((block) => ({
      event: /event: (.*)/.exec(block)?.[1] ?? "",
      id: /id: (.*)/.exec(block)?.[1] ?? null,
      data: JSON.parse(/data: (.*)/.exec(block)?.[1] ?? "null"),
    }));
}

test("follow of an ended task gives every byte once, stitched over attempts, and the end", async () => {
  const first = await attempt(1, "QUEUED", "LOST");
  writeFileSync(join(first, "logs/driver.log"), "a\nhalf");
  const second = await attempt(2, "SUCCEEDED", "SUCCEEDED");
  writeFileSync(join(second, "logs/driver.log"), Buffer.from([0xff, 0xfe, 10, 98]));
  const all = events((await world.call("GET", `/api/v2/tasks/${id}/logs?follow=true&attempt=all`, alice)).text);
  expect(all).toEqual([
    { event: "log", id: "1:6", data: { attempt: 1, offset: 0, text: "a\nhalf" } },
    { event: "attempt", id: null, data: { attempt: 2 } },
    { event: "log", id: "2:4", data: { attempt: 2, offset: 0, base64: "//4KYg==" } },
    { event: "end", id: null, data: { state: "SUCCEEDED" } },
  ]);
  const rest = events((await world.call("GET", `/api/v2/tasks/${id}/logs?follow=true`, alice, undefined, { "last-event-id": "1:2" })).text);
  expect(rest[0]).toEqual({ event: "log", id: "1:6", data: { attempt: 1, offset: 2, text: "half" } });
  expect((await world.call("GET", `/api/v2/tasks/${id}/logs?follow=true`, alice, undefined, { "last-event-id": "x" })).status).toBe(400);
});

test("a follower sees lines as they are written, and is closed within a second of its token's revocation", async () => {
  const directory = await attempt(1, "RUNNING", "RUNNING");
  writeFileSync(join(directory, "logs/driver.log"), "one\n");
  const issued = (await world.call("POST", "/api/v2/users/alice/tokens", ADMIN_TOKEN, { name: "viewer" })).json();
  const url = await world.app.listen({ host: "127.0.0.1", port: 0 });
  const answer = await fetch(`${url}/api/v2/tasks/${id}/logs?follow=true`, { headers: { authorization: `Bearer ${issued.token}` } });
  expect(answer.headers.get("content-type")).toContain("text/event-stream");
  let text = "";
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  const readUntil = async (word: string): Promise<void> => {
    while (!text.includes(word)) {
      const part = await reader?.read();
      if (part === undefined || part.done) throw new Error(`the stream ended without ${word}: ${text}`);
      text += part.value;
    }
  };
  await readUntil("one");
  appendFileSync(join(directory, "logs/driver.log"), "two\nhal");
  await readUntil("two");
  await readUntil('"hal"');
  appendFileSync(join(directory, "logs/driver.log"), "f\n");
  await readUntil('"f\\n"');
  await world.call("DELETE", `/api/v2/users/alice/tokens/${issued.token_id}`, ADMIN_TOKEN);
  await expect(readUntil("never written")).rejects.toThrow("the stream ended");
});

test("curves give each step once, null where a value is no number, and can go on after a step", async () => {
  const directory = await attempt(1, "RUNNING", "RUNNING");
  const lines = [
    '{"step": 1, "data": {"critic/rewards/mean": 0.25, "actor/grad_norm": NaN}}',
    '{"step": 1, "data": {"val/x": 1}}',
    '{"step": 2, "data": {"critic/rewards/mean": 0.5}}',
    '{"step": 3, "da',
  ];
  writeFileSync(join(directory, "logs/metrics.jsonl"), lines.join("\n"));
  expect((await world.call("GET", `/api/v2/tasks/${id}/curves`, alice)).json()).toEqual({
    keys: ["actor/grad_norm", "critic/rewards/mean", "val/x"],
    line: null,
    every: 1,
    complete: true,
    attempts: [
      { attempt: 1, steps: [1, 2], series: { "actor/grad_norm": [null, null], "critic/rewards/mean": [0.25, 0.5], "val/x": [1, null] } },
    ],
    next_after_step: 2,
  });
  const part = (await world.call("GET", `/api/v2/tasks/${id}/curves?key=critic/rewards/mean&after_step=1`, alice)).json();
  expect(part.attempts).toEqual([{ attempt: 1, steps: [2], series: { "critic/rewards/mean": [0.5] } }]);
  const line = (await world.call("GET", `/api/v2/tasks/${id}/curves?view=line&key=val/x`, alice)).json();
  expect([line.attempts, line.line.steps, line.line.series]).toEqual([[], [1, 2], { "val/x": [1, null] }]);
  expect(line.line.segments).toEqual([{ submission_id: `${id}--a01`, task_id: id, attempt: 1, from_step: 1, to_step: 2, source: "file" }]);
});

test("grep and since narrow a log; a pattern that can't be used is a 400 that says why", async () => {
  const directory = await attempt(1, "RUNNING", "RUNNING");
  writeFileSync(join(directory, "logs/driver.log"), "error one\nfine\nerror two\n");
  const found = await world.call("GET", `/api/v2/tasks/${id}/logs?grep=error%20%5Cw`, alice);
  expect([found.text, found.headers["x-log-end"], found.headers["x-log-size"]]).toEqual(["error one\nerror two\n", "25", "25"]);
  expect((await world.call("GET", `/api/v2/tasks/${id}/logs?grep=error&tail=1`, alice)).text).toBe("error two\n");
  expect((await world.call("GET", `/api/v2/tasks/${id}/logs?since=2020-01-01T00:00:00Z`, alice)).text).toMatch(/^error one/);
  const bad = await world.call("GET", `/api/v2/tasks/${id}/logs?grep=(&follow=true`, alice);
  expect([bad.status, bad.json().detail]).toEqual([400, expect.stringContaining("( without its )")]);
  for (const query of ["since=2020-01-01T00:00:00Z&tail=1", "since=yesterday", "attempt=all&since=2020-01-01T00:00:00Z", "grep="])
    expect((await world.call("GET", `/api/v2/tasks/${id}/logs?${query}`, alice)).status, query).toBe(400);
});
