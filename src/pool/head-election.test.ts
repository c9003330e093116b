import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, test } from "vitest";
import type { Clock, Log } from "../control/ports.ts";
import type { HeadOwner, HeadRecord } from "../domain/head-record.ts";
import { headTimes } from "../domain/head-watch.ts";
import { headFiles } from "../main/agent/head-files.ts";
import { storageInProcess } from "../storage/storage-client.ts";
import { type HeadBeating, startBeating } from "./head-beat.ts";
import { becomeHead, type Elected, type Election } from "./head-election.ts";
import type { HeadFiles } from "./head-files.ts";
import { isProvenGone, readClaims, rememberClaim, thisOwner } from "./head-owner.ts";

const dirs: string[] = [];
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});
const quiet = new AbortController().signal;
const log: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const us = thisOwner("us");
const them: HeadOwner = { host: "them", nonce: "them", process: null };
const times = headTimes(false);
const facts = {
  session: "s1",
  address: "127.0.0.2:6379",
  dashboardUrl: "http://127.0.0.1:8265",
  rayVersion: "2.60.0",
  pythonVersion: "3.11.7",
};
const record = (over: Partial<HeadRecord> = {}): HeadRecord => ({
  cluster: "local",
  epoch: 1,
  seq: 1,
  released: false,
  owner: them,
  ...facts,
  ...over,
});

function makeDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "head-election-"));
  dirs.push(dir);
  return dir;
}

/** Time passes only in `sleep`, and `each` happens then. */
function manualClock(each: (at: number) => unknown = () => undefined): Clock {
  let now = 0;
  return {
    now: () => Date.UTC(2026, 0, 1) + now,
    monotonicMs: () => now,
    sleep: async (ms, signal) => {
      signal.throwIfAborted();
      now += ms;
      await each(now);
    },
  };
}

/** Time that one hand moves for several sleepers, in order. */
function steppedClock() {
  let now = 0;
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>();
  const clock: Clock = {
    now: () => Date.UTC(2026, 0, 1) + now,
    monotonicMs: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = { at: now + ms, wake: resolve };
        const leave = () => (sleepers.delete(sleeper), reject(signal.reason as Error));
        if (signal.aborted) return leave();
        signal.addEventListener("abort", leave, { once: true });
        sleepers.add(sleeper);
      }),
  };
  const settle = async () => {
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  };
  const pass = async (ms: number) => {
    for (const end = now + ms; ;) {
      await settle();
      const next = [...sleepers].filter((one) => one.at <= end).sort((left, right) => left.at - right.at)[0];
      if (next === undefined) return void (now = end);
      now = Math.max(now, next.at);
      sleepers.delete(next);
      next.wake();
    }
  };
  return { clock, pass };
}

const filesIn = (root: string, clock: Clock = manualClock()): HeadFiles =>
  headFiles(
    storageInProcess({ sharedRoot: root, allowedSymlinkTargets: [] }).call,
    "local",
    { uid: process.getuid?.() ?? 0, key: null },
    clock,
  );

const discovery = (root: string) => join(root, "ray/discovery/local");
const headJson = (root: string) => JSON.parse(readFileSync(join(discovery(root), "head.json"), "utf8")) as Record<string, unknown>;

function elect(files: HeadFiles, clock: Clock, over: Partial<Election> = {}, signal = quiet): Promise<Elected> {
  const base = { takeOver: false, isGone: () => false, remember: () => undefined, onStandBy: () => undefined };
  return becomeHead({ files, owner: us, times, clock, log, ...base, ...over }, signal);
}

describe("an agent becomes head", () => {
  it("of a new cluster with epoch 1, and after a release with the next one, both at once", async () => {
    const [root, clock] = [makeDir(), manualClock()];
    const files = filesIn(root);
    expect(await elect(files, clock)).toMatchObject({ epoch: 1, why: "absent", before: null });
    await files.beat(record({ owner: us, released: true }), 0);
    expect(await elect(files, clock, { owner: them })).toMatchObject({ epoch: 2, why: "released", before: { epoch: 1, nonce: "us" } });
    expect(clock.monotonicMs()).toBe(0);
    expect(readdirSync(join(discovery(root), "epochs"))).toEqual(["0000000001", "0000000002"]);
    expect(JSON.parse(readFileSync(join(discovery(root), "epochs/0000000002"), "utf8"))).toMatchObject({ host: "them", nonce: "them" });
  });

  it("never while another one beats, which it is told of each second", async () => {
    const files = filesIn(makeDir());
    const stop = new AbortController();
    let seen = 0;
    const clock = manualClock(async (at) => {
      await files.beat(record({ seq: Math.floor(at / 5_000) }), 0);
      if (at > 40_000) stop.abort(new Error("enough"));
    });
    await files.beat(record(), 0);
    await expect(elect(files, clock, { onStandBy: () => void (seen += 1) }, stop.signal)).rejects.toThrow("enough");
    expect(seen).toBe(42);
  });

  it("after 30 s of silence by its own clock, whatever the dates in the file say", async () => {
    const files = filesIn(makeDir());
    await files.beat(record(), 1e12);
    const clock = manualClock();
    expect(await elect(files, clock)).toMatchObject({ epoch: 2, why: "silent" });
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(30_000);
  });

  it("at once where this machine proves that the last one is gone, and by the operator's word", async () => {
    const files = filesIn(makeDir());
    await files.beat(record(), 0);
    const clock = manualClock();
    expect(await elect(files, clock, { isGone: (owner) => owner.nonce === "them" })).toMatchObject({ epoch: 2, why: "owner_gone" });
    await files.beat(record({ epoch: 2 }), 0);
    expect(await elect(files, clock, { takeOver: true })).toMatchObject({ epoch: 3, why: "take_over" });
    expect(clock.monotonicMs()).toBe(0);
  });

  it("once only, when the answer to its claim was lost", async () => {
    const files = filesIn(makeDir());
    const remembered: unknown[] = [];
    const claim: HeadFiles["claim"] = async (epoch, owner) => {
      await files.claim(epoch, owner);
      throw new Error("storage: claimEpoch did not answer within 10000 ms");
    };
    const remember = (one: unknown) => void remembered.push(one);
    expect(await elect({ ...files, claim }, manualClock(), { remember })).toMatchObject({ epoch: 1 });
    expect(remembered).toEqual([{ epoch: 1, nonce: "us" }]);
  });

  it("not by an epoch that another one took first", async () => {
    const files = filesIn(makeDir());
    let isFirst = true;
    const claim: HeadFiles["claim"] = async (epoch, owner) => {
      if (isFirst) await files.claim(epoch, them);
      if (isFirst) await files.beat(record({ epoch, released: true }), 0);
      isFirst = false;
      return files.claim(epoch, owner);
    };
    expect(await elect({ ...files, claim }, manualClock())).toMatchObject({ epoch: 2, before: { epoch: 1, nonce: "them" } });
  });

  it("with an epoch beyond a record whose epoch files were wiped, but not beyond a nonsense one", async () => {
    const wiped = filesIn(makeDir());
    await wiped.beat(record({ epoch: 41, released: true }), 0);
    expect((await elect(wiped, manualClock())).epoch).toBe(42);
    const planted = filesIn(makeDir());
    await planted.beat(record({ epoch: 2 ** 53 - 1, released: true }), 0);
    expect((await elect(planted, manualClock())).epoch).toBe(1);
  });

  it("not while storage is away, and stands by meanwhile", async () => {
    const files = filesIn(makeDir());
    const waits: string[] = [];
    let looks = 0;
    const look: HeadFiles["look"] = () => ((looks += 1) <= 100 ? Promise.reject(new Error("hung")) : files.look());
    const clock = manualClock();
    expect(await elect({ ...files, look }, clock, { onStandBy: ({ why }) => void waits.push(why) })).toMatchObject({ why: "absent" });
    expect(new Set(waits)).toEqual(new Set(["unknown"]));
    expect(clock.monotonicMs()).toBe(100_000);
  });
});

describe("a head", () => {
  type World = {
    readonly root: string;
    readonly files: HeadFiles;
    readonly pass: (ms: number) => Promise<void>;
    readonly beating: HeadBeating;
  };

  async function beginning(over: Partial<HeadFiles> = {}, logged: Log = log): Promise<World> {
    const root = makeDir();
    const { clock, pass } = steppedClock();
    const files = filesIn(root, clock);
    await files.claim(1, us);
    const beating = startBeating({ files: { ...files, ...over }, cluster: "local", owner: us, epoch: 1, times, clock, log: logged });
    return { root, files, pass, beating };
  }

  it("beats every 5 s, as one that is starting until its Ray answers, then with what is true", async () => {
    const { root, pass, beating } = await beginning();
    await pass(5_000);
    expect(headJson(root)).toMatchObject({ state: "starting", seq: 2, session: "", released: false });
    const told = beating.tell(facts);
    await pass(0);
    await told;
    expect(headJson(root)).toMatchObject({ state: "up", seq: 3, session: "s1", dashboard_url: "http://127.0.0.1:8265", epoch: 1 });
    await pass(10_000);
    expect(headJson(root)).toMatchObject({ seq: 5, expires_at: "2026-01-01T00:00:45.000Z" });
    expect(statSync(join(discovery(root), "head.json")).mode & 0o777).toBe(0o644);
    await beating.stop(true);
    expect(headJson(root)).toMatchObject({ seq: 6, released: true, session: "s1" });
    expect(await beating.ended).toBe("stopped");
  });

  it("steps down for a higher epoch, and neither beats nor releases any more", async () => {
    const { root, files, pass, beating } = await beginning();
    await beating.tell(facts);
    await files.claim(2, them);
    await pass(6_000);
    expect(await beating.ended).toBe("superseded");
    const before = headJson(root);
    await beating.stop(true);
    expect(headJson(root)).toEqual(before);
    expect(before["released"]).toBe(false);
  });

  it("steps down when it could not beat for 30 s, also while one write hangs for ever", async () => {
    const { pass, beating } = await beginning({ beat: () => new Promise(() => undefined) });
    await pass(29_000);
    expect(beating.unbeatenMs()).toBe(29_000);
    await pass(2_000);
    expect(await beating.ended).toBe("fenced");
  });

  it("goes on after trouble, moves a directory in its way aside, and complains of a trouble once", async () => {
    const warnings: string[] = [];
    let isAway = true;
    const holder: { files: HeadFiles | null } = { files: null };
    const beat: HeadFiles["beat"] = (one, ms) =>
      isAway || holder.files === null ? Promise.reject(new Error("ENOSPC")) : holder.files.beat(one, ms);
    const { root, files, pass, beating } = await beginning({ beat }, { ...log, warn: (_, msg) => void warnings.push(msg) });
    holder.files = files;
    await pass(20_000);
    mkdirSync(join(discovery(root), "head.json/full"), { recursive: true });
    writeFileSync(join(discovery(root), "head.json/full/file"), "");
    isAway = false;
    await pass(5_000);
    expect(headJson(root)).toMatchObject({ epoch: 1 });
    expect(beating.unbeatenMs()).toBeLessThan(5_001);
    expect(warnings).toEqual(["head.json could not be refreshed"]);
  });
});

test("claims of the highest epoch stay remembered while later ones fail, and a spoilt file is none", () => {
  const dir = makeDir();
  expect(readClaims(dir)).toEqual([]);
  const claim = (epoch: number, nonce: string) => ({ epoch, nonce });
  rememberClaim(dir, claim(4, "a"), null);
  rememberClaim(dir, claim(5, "b"), claim(4, "a"));
  for (const nonce of ["c", "d", "d"]) rememberClaim(dir, claim(6, nonce), claim(5, "b"));
  expect(readClaims(dir)).toEqual([claim(5, "b"), claim(6, "c"), claim(6, "d")]);
  writeFileSync(join(dir, "head-claims.json"), "{");
  expect(readClaims(dir)).toEqual([]);
});

test("this process is not gone, and a pid that nobody has here is", () => {
  expect(isProvenGone(us, [])).toBe(false);
  if (us.process === null) throw new Error("an owner of this process names it");
  expect(isProvenGone({ ...us, process: { ...us.process, pid: 2 ** 22 + 1 } }, [])).toBe(true);
  expect(isProvenGone({ ...us, process: { ...us.process, startTicks: 1 } }, [])).toBe(true);
});
