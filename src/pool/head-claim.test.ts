import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { Clock, Log } from "../control/ports.ts";
import { claimHead, createHeadPublisher } from "./head-claim.ts";
import { type HeadOwner, readHeadFile, takeEpoch, writeHeadFile, type HeadRecord } from "./head-file.ts";
import { bootId, startTicksOf } from "./process-record.ts";

const dirs: string[] = [];
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});
const quiet = new AbortController().signal;
const log: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const us: HeadOwner = { host: "us", nonce: "n1", pid: process.pid, start_ticks: startTicksOf(process.pid) ?? 0, boot_id: bootId() };
const facts = {
  cluster: "local",
  session: "s1",
  address: "127.0.0.2:6379",
  dashboard_url: "http://127.0.0.1:8265",
  ray_version: "2.60.0",
  python_version: "3.11.7",
};

function makeDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "discovery-"));
  dirs.push(dir);
  return dir;
}

/** Time passes only in `sleep`, and `each` happens then. */
function manualClock(each: (at: number) => void = () => undefined): Clock {
  let now = 0;
  return {
    now: () => Date.UTC(2026, 0, 1) + now,
    monotonicMs: () => now,
    sleep: async (ms, signal) => {
      signal.throwIfAborted();
      now += ms;
      each(now);
    },
  };
}

function publish(dir: string, over: Partial<HeadRecord>): void {
  mkdirSync(dir, { recursive: true });
  const base = {
    schema: 1,
    ...facts,
    epoch: 1,
    seq: 1,
    released: false,
    owner: { ...us, host: "them" },
    published_at: "",
    expires_at: "",
    mac: null,
  } as const;
  writeHeadFile(dir, { ...base, ...over });
}

test("the first head of a cluster takes epoch 1, the next one after a release epoch 2, at once", async () => {
  const dir = join(makeDir(), "local");
  const clock = manualClock();
  const first = await claimHead(dir, us, clock, quiet);
  const publisher = createHeadPublisher(dir, us, first, clock, log);
  publisher.publish(facts);
  publisher.release();
  expect(readHeadFile(dir)).toMatchObject({ epoch: 1, released: true });
  expect(await claimHead(dir, { ...us, host: "them", nonce: "n2" }, clock, quiet)).toBe(2);
  expect(clock.monotonicMs()).toBe(0);
  expect(readdirSync(join(dir, "epochs"))).toEqual(["0000000001", "0000000002"]);
  expect(JSON.parse(readFileSync(join(dir, "epochs/0000000002"), "utf8"))).toMatchObject({ host: "them", nonce: "n2" });
});

test("a head whose seq moves is left alone", async () => {
  const dir = makeDir();
  publish(dir, { seq: 1 });
  const clock = manualClock((at) => publish(dir, { seq: 1 + Math.floor(at / 5_000) }));
  await expect(claimHead(dir, us, clock, quiet)).rejects.toThrow("them is the head of cluster local already");
});

test("a head whose seq stands still for 30 s of our own clock is dead, whatever its dates say", async () => {
  const dir = makeDir();
  publish(dir, { expires_at: "2999-01-01T00:00:00.000Z" });
  const clock = manualClock();
  expect(await claimHead(dir, us, clock, quiet)).toBe(1);
  expect(clock.monotonicMs()).toBeGreaterThanOrEqual(30_000);
});

test.for([
  ["its process is gone", { pid: 2 ** 22 + 1 }],
  ["its pid is another process now", { start_ticks: 1 }],
  ["the machine was started anew", { boot_id: "before" }],
] as const)("a head of this host is dead at once when %s", async ([, over]) => {
  const dir = makeDir();
  publish(dir, { owner: { ...us, ...over } });
  const clock = manualClock();
  expect(await claimHead(dir, us, clock, quiet)).toBe(1);
  expect(clock.monotonicMs()).toBe(0);
});

test("of two that claim at once each gets an epoch of its own", () => {
  const dir = makeDir();
  const epochs = ["a", "b", "c"].map((nonce) => takeEpoch(dir, { ...us, nonce }, ""));
  expect(epochs).toEqual([1, 2, 3]);
  expect(readdirSync(join(dir, "epochs")).filter((name) => name.startsWith("."))).toEqual([]);
});

test("the heartbeat moves seq every 5 s and carries what is true then", async () => {
  const dir = makeDir();
  const stop = new AbortController();
  const seen: [number, number, string][] = [];
  const clock = manualClock((at) => {
    const record = readHeadFile(dir);
    seen.push([at, record?.seq ?? 0, record?.session ?? ""]);
    if (at >= 15_000) stop.abort();
  });
  const epoch = await claimHead(dir, us, clock, quiet);
  const publisher = createHeadPublisher(dir, us, epoch, clock, log);
  expect(await publisher.run(() => ({ ...facts, session: `s${clock.monotonicMs()}` }), stop.signal)).toBe("stopped");
  expect(seen).toEqual([
    [5_000, 1, "s0"],
    [10_000, 2, "s5000"],
    [15_000, 3, "s10000"],
  ]);
  expect(statSync(join(dir, "head.json")).mode & 0o022).toBe(0);
});

test("a head that finds a higher epoch steps down and releases nothing", async () => {
  const dir = makeDir();
  const clock = manualClock(() => void takeEpoch(dir, { ...us, nonce: "n2" }, ""));
  const epoch = await claimHead(dir, us, clock, quiet);
  const publisher = createHeadPublisher(dir, us, epoch, clock, log);
  expect(await publisher.run(() => facts, quiet)).toBe("superseded");
  publisher.release();
  expect(readHeadFile(dir)?.released).toBe(false);
});

test("a head.json that can't be written is logged and tried again", async () => {
  const dir = makeDir();
  const stop = new AbortController();
  const warnings: string[] = [];
  const clock = manualClock((at) => {
    if (at === 5_000) rmSync(join(dir, "head.json"), { recursive: true });
    if (at === 10_000) stop.abort();
  });
  const epoch = await claimHead(dir, us, clock, quiet);
  mkdirSync(join(dir, "head.json"));
  writeFileSync(join(dir, "head.json/full"), "");
  await createHeadPublisher(dir, us, epoch, clock, { ...log, warn: (_, msg) => void warnings.push(msg) }).run(() => facts, stop.signal);
  expect(warnings).toEqual(["head.json could not be refreshed"]);
  expect(readHeadFile(dir)?.session).toBe("s1");
});

test("a head.json of a later schema, or no JSON, is refused with what to do", () => {
  const dir = makeDir();
  writeFileSync(join(dir, "head.json"), '{"schema":2,"seq":1,"owner":{"host":"x"}}');
  expect(() => readHeadFile(dir)).toThrow("no head record of schema 1");
  writeFileSync(join(dir, "head.json"), " ".repeat(70_000));
  expect(() => readHeadFile(dir)).toThrow("longer than");
});
