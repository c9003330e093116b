import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import type { Clock, Log, RayCluster } from "../control/ports.ts";
import type { HeadOwner } from "../domain/head-record.ts";
import { headTimes } from "../domain/head-watch.ts";
import { headFiles, ownTrust } from "../main/agent/head-files.ts";
import { storageInProcess } from "../storage/storage-client.ts";
import { chooseFreePorts } from "./free-ports.ts";
import { createHeadAgent, type HeadAgent } from "./head-agent.ts";
import type { HeadFiles } from "./head-files.ts";
import { lockPool } from "./pool-lock.ts";
import { findTagged } from "./tagged-processes.ts";

/** Stands in for an interpreter with Ray: says its version, and "starts a head" that lives for as long as `life` says. */
function fakePython(dir: string, life: string): string {
  const path = join(dir, "python3");
  writeFileSync(path, `#!/bin/sh\nif [ "$1" = -I ]; then echo '["2.60.0", "3.11.7"]'; exit; fi\necho "$*" >> ${dir}/starts\n${life}\n`);
  chmodSync(path, 0o755);
  return path;
}

const SPEED = 40;
/** Real time, many times as fast: processes are real here. */
const clock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now() * SPEED,
  sleep: (ms, signal) => sleep(ms / SPEED, undefined, { signal }),
};
/** A loaded machine may take a second of real time for a beat: only the test of the fence may see one. */
const times = { ...headTimes(false), selfFenceMs: 600_000 };
const them: HeadOwner = { host: "them", nonce: "them", process: null };
const POLL = { timeout: 20_000, interval: 20 };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type World = {
  readonly agent: HeadAgent;
  readonly files: HeadFiles;
  readonly tag: string;
  readonly gcsDir: string;
  readonly logged: readonly string[];
  readonly head: () => Record<string, unknown>;
  readonly starts: () => number;
  readonly stop: () => Promise<void>;
  readonly setSession: (session: string | null) => void;
};

type Over = { readonly session?: string | null; readonly selfFenceMs?: number; readonly beat?: (real: HeadFiles) => HeadFiles["beat"] };

async function begin(life = "exec sleep 600", over: Over = {}): Promise<World> {
  const root = mkdtempSync(join(tmpdir(), "head-agent-"));
  cleanups.push(() => rmSync(root, { recursive: true, force: true }));
  const stateDir = join(root, "state");
  const gcsDir = join(root, "gcs");
  const lock = await lockPool(stateDir);
  if (lock === null) throw new Error("the state directory is new");
  cleanups.push(lock.release);
  const real = headFiles(storageInProcess({ sharedRoot: root, allowedSymlinkTargets: [] }).call, "c1", ownTrust(null), clock);
  const files = { ...real, ...(over.beat === undefined ? {} : { beat: over.beat(real) }) };
  let session = over.session === undefined ? "s1" : over.session;
  const cluster: RayCluster = {
    head: async () =>
      session === null ? { kind: "down", error: "refused" } : { kind: "up", session, address: "a:1", rayVersion: "2.60.0" },
    nodes: () => Promise.resolve([]),
  };
  const logged: string[] = [];
  const write = (_: object, msg: string): void => void logged.push(msg);
  const log: Log = { debug: write, info: write, warn: write, error: write };
  const [rayPort = 0, dashboardPort = 0] = await chooseFreePorts(2, process.pid + logged.length);
  const python = fakePython(root, life);
  const agent = createHeadAgent({
    cluster: "c1",
    stateDir,
    tag: lock.id,
    gcsDir,
    gcs: { kind: "auto" },
    tempRoot: "/tmp",
    python: () => Promise.resolve(python),
    tokenFile: () => Promise.resolve(join(root, "token")),
    containment: "none",
    nodeIp: "127.0.0.2",
    dashboardHost: null,
    rayPort,
    dashboardPort,
    objectStoreBytes: 80_000_000,
    parentEnv: { PATH: process.env["PATH"] ?? "" },
    extraEnv: {},
    takeOver: false,
    times: { ...times, selfFenceMs: over.selfFenceMs ?? times.selfFenceMs },
    rayTimes: { startMs: 60_000, hungMs: 20_000 },
    files,
    connect: () => cluster,
    clock,
    ids: { hex: () => "us" },
    random: () => 0.5,
    log,
  });
  const stopping = new AbortController();
  const ended = agent.run(stopping.signal);
  const stop = async (): Promise<void> => {
    stopping.abort();
    await ended;
  };
  cleanups.push(stop);
  return {
    agent,
    files,
    tag: lock.id,
    gcsDir,
    logged,
    head: () => JSON.parse(readFileSync(join(root, "ray/discovery/c1/head.json"), "utf8")) as Record<string, unknown>,
    starts: () => readFileSync(join(root, "starts"), "utf8").trim().split("\n").length,
    stop,
    setSession: (now) => void (session = now),
  };
}

const isHead = (world: World) =>
  expect.poll(() => world.agent.status(), POLL).toMatchObject({ state: "head", isRayUp: true, session: "s1" });

test("an agent becomes head of a new cluster, publishes what answers, and leaves nothing when it is stopped", async () => {
  const world = await begin();
  await isHead(world);
  await expect.poll(world.head, POLL).toMatchObject({ state: "up", epoch: 1, session: "s1", ray_version: "2.60.0", released: false });
  world.setSession("s2");
  await expect.poll(world.head, POLL).toMatchObject({ session: "s2" });
  await world.stop();
  expect(world.head()).toMatchObject({ released: true });
  expect(findTagged(world.tag)).toEqual([]);
  expect(existsSync(`/tmp/vp-${world.tag}`)).toBe(false);
});

test("a head that hangs is killed and started again, with the memory that it had", async () => {
  const world = await begin();
  await isHead(world);
  writeFileSync(join(world.gcsDir, "CURRENT"), "");
  world.setSession(null);
  await expect.poll(world.starts, POLL).toBe(2);
  world.setSession("s1");
  await isHead(world);
  expect(existsSync(join(world.gcsDir, "CURRENT"))).toBe(true);
  expect(world.logged).toContain("Ray's head is back with its memory");
});

test("a Ray that ends as soon as it is started costs the epoch, so that another agent may try", async () => {
  const world = await begin("echo no such flag; exit 2", { session: null });
  await expect.poll(() => world.agent.status(), POLL).toMatchObject({ state: "waiting", why: expect.stringContaining("no such flag") });
  expect(world.head()).toMatchObject({ state: "starting", epoch: 1, released: true });
  await expect.poll(world.head, POLL).toMatchObject({ epoch: 2 });
});

test("a head that was taken over kills its Ray, says so, stands by, and puts its older memory aside when it is head again", async () => {
  const world = await begin();
  await isHead(world);
  writeFileSync(join(world.gcsDir, "CURRENT"), "");
  const { files } = world;
  await files.claim(2, them);
  await files.beat({ cluster: "c1", epoch: 2, seq: 1, released: false, owner: them }, 0);
  await expect.poll(() => world.agent.status(), POLL).toMatchObject({ state: "standing_by", epoch: null, why: "them is about to be head" });
  await expect.poll(() => files.hasEnded(1), POLL).toBe(true);
  expect(findTagged(world.tag)).toEqual([]);
  await files.beat({ cluster: "c1", epoch: 2, seq: 2, released: true, owner: them }, 0);
  await isHead(world);
  expect(world.agent.status()).toMatchObject({ epoch: 3 });
  expect(existsSync(join(world.gcsDir, "CURRENT"))).toBe(false);
});

test("a head that can't beat for as long as its fence kills its Ray, and is head again with its memory when storage is back", async () => {
  const storage = { isAway: false };
  const world = await begin("exec sleep 600", {
    selfFenceMs: 80_000,
    beat: (real) => (record, ms) => (storage.isAway ? Promise.reject(new Error("EIO")) : real.beat(record, ms)),
  });
  await isHead(world);
  mkdirSync(world.gcsDir, { recursive: true });
  writeFileSync(join(world.gcsDir, "CURRENT"), "");
  storage.isAway = true;
  await expect.poll(() => world.logged, POLL).toContain("this agent is head no more");
  storage.isAway = false;
  await expect.poll(() => world.agent.status(), POLL).toMatchObject({ state: "head", epoch: 2, isRayUp: true });
  expect(existsSync(join(world.gcsDir, "CURRENT"))).toBe(true);
});
