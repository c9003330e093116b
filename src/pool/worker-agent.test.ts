/** The agent with a Ray that is a shell script, a storage that a test can hang, and times of a tenth of a second. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { clock, ids } from "../main/clock.ts";
import type { NodeRecord } from "../domain/node-record.ts";
import { NO_WANT } from "../domain/node-record.ts";
import { CLEAN_LIMITS } from "./clean-node.ts";
import { findTagged } from "./tagged-processes.ts";
import { createWorkerAgent } from "./worker-agent.ts";
import type { WorkerOptions, WorkerStorage } from "./worker-options.ts";

const PATIENCE = { timeout: 20_000, interval: 50 };
const SESSION = "session_1";
const NODE_ID = "ab12";
/** Answers the probe as Ray 2.60 does; `start` becomes a process that looks like a raylet. */
const PYTHON = `#!/bin/bash
if [ "$1" = -I ]; then echo '["2.60.0", "3.11.7"]'; else exec -a /ray/raylet bash -c 'read -u 9 9<> <(:)' raylet --node_id=${NODE_ID}; fi
`;

let dir = "";
let stop = new AbortController();
let running: Promise<void> = Promise.resolve();
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "agent-"));
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await running;
  rmSync(dir, { recursive: true, force: true });
});

function start(over: Partial<WorkerOptions> = {}) {
  const python = join(dir, "python");
  writeFileSync(python, PYTHON);
  chmodSync(python, 0o755);
  for (const name of ["state", "temp"]) mkdirSync(join(dir, name));
  const written: NodeRecord[] = [];
  const world = { hangs: false };
  /** As through the storage helper: what hangs is given up. */
  const answer = async <T>(value: T): Promise<T> => {
    if (!world.hangs) return value;
    await clock.sleep(200, new AbortController().signal);
    throw new Error("storage did not answer");
  };
  const head = {
    cluster: "c",
    epoch: 1,
    released: false,
    owner: { host: "h", nonce: "n", process: null },
    address: "127.0.0.1:1",
    rayVersion: "2.60.0",
    pythonVersion: null,
  };
  let seq = 0;
  const storage: WorkerStorage = {
    readHead: () => answer({ kind: "ok", head: { ...head, seq: (seq += 1), session: SESSION, dashboardUrl: "http://127.0.0.1:2" } }),
    beat: (record) => answer({ previous: written.at(-1) ?? null, storageTimeMs: clock.now() }).then((beat) => (written.push(record), beat)),
    readWant: () => answer({ kind: "ok", want: NO_WANT }),
    readAttempt: () => answer(null),
  };
  const tag = ids.hex(6);
  const node = {
    node: "n1",
    rayNodeId: NODE_ID,
    address: null,
    gpusTotal: 1,
    cpusTotal: 1,
    gpusUsed: 0,
    cpusUsed: 0,
    rivals: [],
    closed: null,
  };
  const agent = createWorkerAgent({
    cluster: "c",
    node: "n1",
    agent: { host: "h", nonce: "me", pid: process.pid, startTicks: 1, bootId: "b", pidNamespace: "p" },
    agentVersion: "test",
    stateDir: join(dir, "state"),
    tempDir: join(dir, "temp"),
    tag,
    python: () => Promise.resolve(python),
    address: "127.0.0.9",
    gpus: 1,
    cpus: 1,
    labels: {},
    objectStoreBytes: null,
    containment: "none",
    limits: { ...CLEAN_LIMITS, shmBytes: 0, diskBytes: 0 },
    parentEnv: { PATH: "/usr/bin:/bin" },
    extraEnv: {},
    tokenFile: () => null,
    times: { beatMs: 100, selfFenceMs: 1_500, staleMs: 0, drainMs: 100 },
    storage,
    connect: () => ({
      head: () => Promise.resolve({ kind: "up", session: SESSION, address: "", rayVersion: "2.60.0" }),
      nodes: () => Promise.resolve([node]),
    }),
    clock,
    bootMs: clock.monotonicMs,
    ids,
    random: () => 0,
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
    ...over,
  });
  running = agent.run(stop.signal);
  const state = () => agent.status().record.state;
  const raylets = () => findTagged(tag).length;
  return { agent, world, written, state, raylets };
}

test("a node whose storage hangs kills its raylet by its own clock, and joins again when storage is back", async () => {
  const { agent, world, written, state, raylets } = start();
  await expect.poll(state, PATIENCE).toBe("joined");
  expect(raylets()).toBeGreaterThan(0);
  const { incarnation } = agent.status().record;
  await expect.poll(() => written.at(-1), PATIENCE).toMatchObject({ state: "joined", rayNodeId: NODE_ID, incarnation, session: SESSION });
  world.hangs = true;
  await expect.poll(raylets, PATIENCE).toBe(0);
  expect(state()).toBe("fenced");
  expect(agent.status().unbeatenMs).toBeGreaterThan(1_500);
  world.hangs = false;
  await expect.poll(state, PATIENCE).toBe("joined");
  expect(agent.status().record.deadIncarnations).toEqual([incarnation]);
});

test("a node that has no Ray to start says so, and tries again", async () => {
  const { agent, raylets } = start({ python: () => Promise.reject(new Error("no Python environment")) });
  await expect.poll(() => agent.status().record.why?.text ?? "", PATIENCE).toContain("no Python environment");
  expect(raylets()).toBe(0);
});
