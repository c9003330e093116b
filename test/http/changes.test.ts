/** The stream of changed tasks: each hears of his own, soon, and nothing of anybody else's. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventParser } from "../../web/src/api/sse.ts";
import { ADMIN_TOKEN, httpWorld, type HttpWorld } from "../support/http-world.ts";

let world: HttpWorld;
let url: string;
const readers: ReadableStreamDefaultReader<string>[] = [];
beforeEach(async () => {
  world = await httpWorld();
  url = await world.app.listen({ host: "127.0.0.1", port: 0 });
});
afterEach(async () => {
  await Promise.all(readers.splice(0).map((reader) => reader.cancel().catch(() => undefined)));
  await world.close();
});

/** Everything that is heard, from the first byte on. */
async function listen(token: string): Promise<{ readonly heard: string[]; readonly ended: Promise<void> }> {
  const answer = await fetch(`${url}/api/v2/stream`, { headers: { authorization: `Bearer ${token}` } });
  expect(answer.headers.get("content-type")).toContain("text/event-stream");
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (reader === undefined) throw new Error("the stream has no body");
  readers.push(reader);
  expect((await reader.read()).value).toBe(": watching\n\n");
  const heard: string[] = [];
  const parse = eventParser();
  const read = async (): Promise<void> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const { event, data } of parse(value)) heard.push(...(event === "tasks" ? (JSON.parse(data).task_ids as string[]) : [event]));
    }
  };
  return { heard, ended: read().catch(() => undefined) };
}

test("each hears of his own tasks as they come and change, the admin of all, and nobody of another's", async () => {
  const [alice, bob] = [await world.user("alice"), await world.user("bob")];
  const old = await world.submit(alice);
  const [hers, his, all] = [await listen(alice), await listen(bob), await listen(ADMIN_TOKEN)];
  const fresh = await world.submit(alice);
  await expect.poll(() => hers.heard, { timeout: 10_000 }).toEqual([fresh]);
  await world.call("POST", `/api/v2/tasks/${old}:hold`, alice);
  await world.call("POST", `/api/v2/tasks/${fresh}:cancel`, alice);
  await expect.poll(() => new Set(hers.heard), { timeout: 10_000 }).toEqual(new Set([fresh, old]));
  const other = await world.submit(bob);
  await expect.poll(() => his.heard, { timeout: 10_000 }).toEqual([other]);
  await expect.poll(() => new Set(all.heard), { timeout: 10_000 }).toEqual(new Set([fresh, old, other]));
  expect(hers.heard).not.toContain(other);
});

test("a stream ends with its token", async () => {
  const alice = await world.user("alice");
  const stream = await listen(alice);
  const { tokens } = (await world.call("GET", "/api/v2/users/alice/tokens", ADMIN_TOKEN)).json();
  await world.call("DELETE", `/api/v2/users/alice/tokens/${tokens[0].token_id}`, ADMIN_TOKEN);
  await stream.ended;
});
