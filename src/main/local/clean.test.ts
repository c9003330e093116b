import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { OutputStream } from "../../cli/world.ts";
import { isAlive, type ProcessRecord, recordProcess } from "../../pool/process-record.ts";
import { formatHead } from "../../storage/head-file.ts";
import { agentPlacesOf, agentsHome } from "../agent/agent-places.ts";
import { type AgentRecord, writeAgentRecord } from "../agent/agent-record.ts";
import { cleanCommand } from "./clean-command.ts";

const started: ChildProcess[] = [];
let root = "";
let environment: { [name: string]: string } = {};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "verlpool-clean-"));
  environment = { VERLPOOL_STATE_DIR: join(root, "state") };
});
afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
  rmSync(root, { recursive: true });
});

function sleeper(): ProcessRecord {
  const child = spawn("sleep", ["60"]);
  started.push(child);
  const record = recordProcess("sleep", child.pid ?? 0);
  if (record === null) throw new Error("sleep did not start");
  return record;
}

async function clean(dryRun = false): Promise<{ readonly exit: number; readonly lines: readonly string[] }> {
  const lines: string[] = [];
  const stdout: OutputStream = { isTTY: false, write: async (chunk) => void lines.push(...String(chunk).trimEnd().split("\n")) };
  const options = { config: null, root, cluster: null, stateDir: null, dryRun };
  return { exit: await cleanCommand(options, environment, stdout, AbortSignal.timeout(10_000)), lines };
}

function recordAgent(over: Pick<AgentRecord, "supervisor" | "agent">): string {
  const { recordFile } = agentPlacesOf({ name: "server", root, home: agentsHome(root, "default", null, environment) });
  const fixed = { schema: 1, role: "server", name: "server", root, cluster: "default", argv: ["server"], since: "", restarts: 0 } as const;
  writeAgentRecord(recordFile, { ...fixed, argv: [], state: "running", last_end: null, next_start_at: null, log: "", ...over });
  return recordFile;
}

function writeHead(pid: number, startTicks: number, bootId: string, host = hostname()): string {
  const directory = join(root, "ray/discovery/default");
  mkdirSync(directory, { recursive: true });
  const process = { pid, startTicks, bootId, pidNamespace: readlinkSync("/proc/self/ns/pid") };
  const beat = { cluster: "default", epoch: 1, seq: 1, released: false, owner: { host, nonce: "n", process } };
  writeFileSync(join(directory, "head.json"), formatHead(beat, { publishedAt: "", expiresAt: "" }, null), { mode: 0o644 });
  return join(directory, "head.json");
}

test("a root on which nothing ever ran has nothing to clean, twice", async () => {
  expect(await clean()).toEqual({ exit: 0, lines: [`nothing to clean for ${root}`] });
  expect(await clean()).toEqual({ exit: 0, lines: [`nothing to clean for ${root}`] });
});

test("a recorded agent is ended and a process that is not recorded is left alone; --dry-run only says so", async () => {
  const [supervisor, agent, stranger] = [sleeper(), sleeper(), sleeper()];
  const file = recordAgent({ supervisor, agent });
  expect(await clean(true)).toEqual({ exit: 0, lines: [`would end server (pid ${agent.pid}) of ${root}`] });
  expect([supervisor, agent].map(isAlive)).toEqual([true, true]);
  // Without its supervisor, so that both are asked by clean itself.
  recordAgent({ supervisor: { ...supervisor, startTicks: 1 }, agent });
  expect(await clean()).toEqual({ exit: 0, lines: [`done: end server (pid ${agent.pid}) of ${root}`] });
  expect(isAlive(agent)).toBe(false);
  expect(existsSync(file)).toBe(false);
  expect([supervisor, stranger].map(isAlive)).toEqual([true, true]);
});

test("a pid that another process has by now is not signalled, and the record goes", async () => {
  const stranger = sleeper();
  const old = { ...stranger, startTicks: stranger.startTicks - 1 };
  const file = recordAgent({ supervisor: old, agent: old });
  expect((await clean()).lines).toEqual(["done: remove the record of server, whose process is gone"]);
  expect([isAlive(stranger), existsSync(file)]).toEqual([true, false]);
});

test("head.json of a head that is gone is removed; that of a living one, of another host and of an unknown boot's namespace is left", async () => {
  const living = sleeper();
  const file = writeHead(living.pid, living.startTicks, living.bootId);
  expect((await clean()).lines).toEqual([`nothing to clean for ${root}`]);
  writeHead(living.pid, living.startTicks - 1, living.bootId, "another-host");
  expect((await clean()).lines).toEqual([`nothing to clean for ${root}`]);
  writeHead(living.pid, living.startTicks - 1, living.bootId);
  expect((await clean()).lines).toEqual([`done: remove ${file}, whose head is gone`]);
  expect(existsSync(file)).toBe(false);
});

test("api.json stays while something listens there, and goes when nothing does", async () => {
  const directory = join(root, "ray/discovery/default");
  mkdirSync(directory, { recursive: true });
  const server: Server = createServer((socket) => socket.destroy());
  const port = await new Promise<number>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port)),
  );
  const file = join(directory, "api.json");
  writeFileSync(file, JSON.stringify({ schema: 1, url: `http://127.0.0.1:${port}`, ca_fingerprint: null, at: "2026-01-01T00:00:00.000Z" }));
  expect((await clean()).lines).toEqual([`nothing to clean for ${root}`]);
  await new Promise((resolve) => server.close(resolve));
  expect((await clean()).lines).toEqual([`done: remove ${file}: nothing listens at http://127.0.0.1:${port}`]);
  expect(existsSync(file)).toBe(false);
});
