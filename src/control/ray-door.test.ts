import { afterEach, beforeEach, expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import type { HeadView } from "../domain/types.ts";
import type { Log, RayDoorAnswer } from "./ports.ts";
import { type RayDoorWatch, watchRayDoor } from "./ray-door.ts";

const UP = { kind: "up", session: "s1", address: "127.0.0.2:6379", rayVersion: "2.60.0" } as const;
const MINUTES = 60_000;

let clock = manualClock(0);
let head: HeadView | null = null;
let answer: RayDoorAnswer | Error = { kind: "closed" };
let asked = 0;
let said: string[] = [];
let door: RayDoorWatch;
let stop = new AbortController();
let running = Promise.resolve();

beforeEach(() => {
  [clock, head, answer, asked, said, stop] = [manualClock(0), null, { kind: "closed" }, 0, [], new AbortController()];
  const say = (_: object, msg: string): void => void said.push(msg);
  const log: Log = { debug: () => undefined, info: () => undefined, warn: say, error: say };
  const check = (): Promise<RayDoorAnswer> => {
    asked += 1;
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  door = watchRayDoor({ check, head: () => head, clock, log });
  running = door.run(stop.signal);
});

afterEach(async () => {
  stop.abort();
  await running;
});

/** Lets the watch see what is there now. */
async function passes(ms = 1_000): Promise<void> {
  await expect.poll(() => clock.sleeping()).toBe(1);
  clock.advance(ms);
  await expect.poll(() => clock.sleeping()).toBe(1);
}

test("without a head nothing is asked and nothing is claimed", async () => {
  await passes();
  head = { kind: "down", error: "away" };
  await passes();
  expect([asked, door.view().state, said]).toEqual([0, "unknown", []]);
});

test("a head is asked when it is found, when it changes, when it comes back, and every ten minutes", async () => {
  head = UP;
  await passes();
  expect([asked, door.view().state]).toEqual([1, "closed"]);
  await passes();
  expect(asked).toBe(1);
  head = { ...UP, session: "s2" };
  await passes();
  expect(asked).toBe(2);
  head = { kind: "down", error: "away" };
  await passes();
  expect(door.view().state).toBe("unknown");
  head = { ...UP, session: "s2" };
  await passes();
  expect(asked).toBe(3);
  await passes(9 * MINUTES);
  expect(asked).toBe(3);
  await passes(MINUTES);
  expect(asked).toBe(4);
});

test("an open door is said once, with what to do, and again when it was closed in between", async () => {
  [head, answer] = [UP, { kind: "open" }];
  await passes();
  await passes(10 * MINUTES);
  expect([asked, door.view().state]).toEqual([2, "open"]);
  expect(said).toEqual([expect.stringContaining("RAY_AUTH_MODE=token")]);
  answer = { kind: "closed" };
  await passes(10 * MINUTES);
  answer = { kind: "open" };
  await passes(10 * MINUTES);
  expect(said).toHaveLength(2);
});

test("of a Ray that has no tokens it is said that way", async () => {
  [head, answer] = [{ ...UP, rayVersion: "2.51.1" }, { kind: "open" }];
  await passes();
  expect(said).toEqual([expect.stringContaining("Ray 2.51.1 has no tokens")]);
});

test.each<RayDoorAnswer | Error>([{ kind: "unknown", why: "302" }, new Error("connection reset")])(
  "an unclear answer is neither open nor closed, and is asked for again soon",
  async (unclear) => {
    [head, answer] = [UP, unclear];
    await passes();
    expect([door.view().state, said]).toEqual(["unknown", []]);
    answer = { kind: "open" };
    await passes(10_000);
    expect([asked, door.view().state]).toEqual([2, "open"]);
  },
);
