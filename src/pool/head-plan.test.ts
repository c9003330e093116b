import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, test } from "vitest";
import type { Clock, Log } from "../control/ports.ts";
import type { HeadOwner, HeadReading } from "../domain/head-record.ts";
import { headTimes, NOTHING_SEEN, seeHead } from "../domain/head-watch.ts";
import type { HeadFiles } from "./head-files.ts";
import { type GcsChoice, planMemory, prepareMemory, putAsideSpoiltMemory, untilMemoryFree } from "./head-memory.ts";
import { planHead } from "./head-plan.ts";
import { abilities, type RayInstall } from "./ray-install.ts";

const dirs: string[] = [];
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

function makeDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "head-plan-"));
  dirs.push(dir);
  return dir;
}

const ray = (rayVersion: string): RayInstall => ({ rayVersion, pythonVersion: "3.11.7", ...abilities(rayVersion) });
const log: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const AUTO: GcsChoice = { kind: "auto" };
const REDIS: GcsChoice = { kind: "redis", address: "10.0.0.9:6380" };

describe("the memory of a head", () => {
  it.for([
    ["is on this disk where Ray can", "2.60.0", AUTO, null, "own_disk", null],
    ["is none with Ray 2.51, which says so and what to do", "2.51.1", AUTO, null, "none", "redis://HOST:PORT"],
    ["is Redis with Ray 2.51 where one is given", "2.51.1", REDIS, null, "shared", null],
    ["is Redis where one is given, whatever else Ray can", "2.60.0", REDIS, null, "shared", null],
    ["is none where the state directory is on a network file system, which it says", "2.60.0", AUTO, "nfs", "none", "nfs"],
    ["is forced onto a network file system, and then shared", "2.60.0", { kind: "rocksdb" }, "nfs", "shared", "nfs"],
    ["is none where the operator wants none", "2.60.0", { kind: "none" }, null, "none", "as told"],
  ] as const)("%s", ([, version, choice, network, memory, warning]) => {
    const plan = planMemory(choice, ray(version), "/state/gcs/c1", "c1", network);
    expect(plan.memory).toBe(memory);
    if (warning === null) expect(plan.warning).toBeNull();
    else expect(plan.warning).toContain(warning);
  });

  it("can't be RocksDB with Ray 2.51, and the refusal says what can", () => {
    expect(() => planMemory({ kind: "rocksdb" }, ray("2.51.1"), "/gcs", "c1", null)).toThrow("--gcs redis://HOST:PORT, or none");
  });

  it("whose session has no name that can be read is put aside", () => {
    const home = makeDir();
    const plan = planMemory(AUTO, ray("2.60.0"), join(home, "gcs"), "c1", null);
    prepareMemory(plan, [], null, log);
    const name = join(home, "gcs/session_name");
    writeFileSync(name, "session_2026-11-24_19-18-17_334869_1");
    putAsideSpoiltMemory(plan.gcs, home, log);
    expect(existsSync(name)).toBe(true);
    writeFileSync(name, Buffer.from([0x5e, 0xde, 0x85, 0x92]));
    putAsideSpoiltMemory(plan.gcs, home, log);
    expect(existsSync(name)).toBe(false);
  });

  it.for([
    ["Corruption: no log_file_number, next_file_number, last_sequence entry in MANIFEST", true],
    ["IO error: No space left on device: While appending to file", false],
  ] as const)("that Ray could not open for %s is put aside: %s", ([why, isPutAside]) => {
    const home = makeDir();
    const dir = join(home, "gcs/c1");
    const plan = planMemory(AUTO, ray("2.60.0"), dir, "c1", null);
    prepareMemory(plan, [], null, log);
    writeFileSync(join(dir, "CURRENT"), "");
    putAsideSpoiltMemory(plan.gcs, home, log);
    expect(existsSync(join(dir, "CURRENT"))).toBe(true);
    const logs = join(home, "session_latest/logs");
    mkdirSync(logs, { recursive: true });
    writeFileSync(
      join(logs, "gcs_server.1.out"),
      `C 4 4] Check failed: open_status.ok() Failed to open RocksDB at ${dir}/tables: ${why}\n`,
    );
    putAsideSpoiltMemory(plan.gcs, home, log);
    expect(existsSync(join(dir, "CURRENT"))).toBe(!isPutAside);
    expect(existsSync(join(`${dir}.spoilt`, "CURRENT"))).toBe(isPutAside);
    expect(existsSync(dir)).toBe(true);
  });

  it("is kept when nobody else was head since, and put aside otherwise, the one before it gone", () => {
    const dir = join(makeDir(), "gcs/c1");
    const plan = planMemory(AUTO, ray("2.60.0"), dir, "c1", null);
    const ours = { epoch: 3, nonce: "us" };
    mkdirSync(`${dir}.old`, { recursive: true });
    writeFileSync(`${dir}.old/older`, "");
    prepareMemory(plan, [], null, log);
    expect(existsSync(`${dir}.old/older`)).toBe(false);
    writeFileSync(join(dir, "CURRENT"), "");
    prepareMemory(plan, [ours], ours, log);
    expect(existsSync(join(dir, "CURRENT"))).toBe(true);
    prepareMemory(plan, [ours], { epoch: 4, nonce: "them" }, log);
    expect([existsSync(join(dir, "CURRENT")), existsSync(`${dir}.old/CURRENT`)]).toEqual([false, true]);
  });
});

describe("Ray on a shared memory waits", () => {
  const owner: HeadOwner = { host: "them", nonce: "them", process: null };
  const reading: HeadReading = {
    kind: "ok",
    head: {
      cluster: "c1",
      epoch: 3,
      seq: 9,
      released: false,
      owner,
      session: "s",
      rayVersion: null,
      pythonVersion: null,
      // Nobody listens on port 9.
      address: "127.0.0.1:9",
      dashboardUrl: "http://127.0.0.1:9",
    },
  };
  const unused = () => Promise.reject(new Error("not asked"));

  async function waited(memory: "shared" | "own_disk", hasEnded: () => boolean): Promise<{ ms: number; told: string[] }> {
    let now = 0;
    const clock: Clock = { now: () => now, monotonicMs: () => now, sleep: async (ms) => void (now += ms) };
    const files: HeadFiles = { look: unused, claim: unused, beat: unused, end: unused, hasEnded: () => Promise.resolve(hasEnded()) };
    const told: string[] = [];
    const sight = seeHead(NOTHING_SEEN, reading, 0);
    const onWait = (why: string) => void told.push(why);
    const signal = new AbortController().signal;
    await untilMemoryFree({ memory, sight, times: headTimes(false), files, isGone: () => false, onWait, clock }, signal);
    return { ms: now, told };
  }

  it("until the last head must have fenced itself", async () => {
    const { ms, told } = await waited("shared", () => false);
    expect(ms).toBe(80_000);
    expect(told).toHaveLength(1);
  });

  it("no longer than until that head says that its Ray is dead, and not at all for a memory of its own", async () => {
    let asked = 0;
    expect((await waited("shared", () => (asked += 1) > 3)).ms).toBe(3_000);
    expect((await waited("own_disk", () => false)).ms).toBe(0);
  });
});

test("the head is started without CPU and GPU on the ports and addresses it was given, dies with its agent, and hides its token", async () => {
  const [tempDir, logFile] = [makeDir(), "/log"];
  const planning = {
    tag: "0123456789ab",
    python: "/env/bin/python3",
    parentEnv: { PATH: "/usr/bin", MVP_INTERNAL_TOKEN: "secret" },
    extraEnv: {},
    install: ray("2.60.0"),
    containment: "pidns" as const,
    tempDir,
    logFile,
    tokenFile: "/state/ray-token",
    nodeIp: "10.0.0.1",
    rayPort: 6379,
    dashboardPort: 8265,
    objectStoreBytes: 80_000_000,
    dashboardHost: "0.0.0.0",
    gcs: { kind: "redis", address: "10.0.0.9:6380", namespace: "c1" } as const,
  };
  const { planned, address, dashboardUrl } = await planHead(planning);
  expect([address, dashboardUrl]).toEqual(["10.0.0.1:6379", "http://10.0.0.1:8265"]);
  for (const word of [
    "--head",
    "--block",
    "--num-cpus=0",
    "--num-gpus=0",
    "--port=6379",
    "--node-ip-address=10.0.0.1",
    "--dashboard-host=0.0.0.0",
  ])
    expect(planned.spawning.argv).toContain(word);
  expect(planned.spawning).toMatchObject({ diesWithUs: true, containment: "pidns" });
  expect(planned.spawning.env).toMatchObject({
    RAY_REDIS_ADDRESS: "10.0.0.9:6380",
    RAY_external_storage_namespace: "c1",
    RAY_AUTH_TOKEN_PATH: "/state/ray-token",
    VERLPOOL_POOL_NODE: "0123456789ab/head",
  });
  expect(JSON.stringify(planned)).not.toContain("secret");
  const loopback = await planHead({ ...planning, dashboardHost: "127.0.0.1", gcs: { kind: "none" } });
  expect(loopback.dashboardUrl).toBe("http://127.0.0.1:8265");
  expect(Object.keys(loopback.planned.spawning.env)).not.toContain("RAY_REDIS_ADDRESS");
});
