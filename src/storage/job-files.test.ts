import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JobFiles } from "../control/ports.ts";
import { jobFiles } from "./job-files.ts";
import { storageInProcess } from "./storage-client.ts";

const USER = "alice";
const ID = "mvp2-alice-sft-20260101-000000-deadbeef--a01";
const ATTEMPT = {
  userId: USER,
  submissionId: ID,
  specText: "workload: sft # as sent\n",
  argv: ["python3", "-m", "x"],
  env: { A: "1" },
  profileText: '{"name":"sft"}',
  attemptJson: { schema: 1, argv: ["python3"] },
};

let root = "";
let directory = "";
let files: JobFiles;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "verlpool-storage-"));
  directory = join(root, "users", USER, "jobs", ID);
  let count = 0;
  const ids = { hex: () => `${(count += 1)}` };
  const { call } = storageInProcess({ sharedRoot: root, allowedSymlinkTargets: [] });
  files = jobFiles({ call, clock: { now: () => 0 }, ids, host: "server-1" });
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function mode(path: string): number {
  return statSync(join(directory, path)).mode & 0o777;
}

describe("prepare", () => {
  it("makes directories 0700 and files 0600 with what it was given, and leaves nothing else", async () => {
    await files.prepare(ATTEMPT);
    await files.prepare(ATTEMPT);
    expect(readdirSync(directory, { recursive: true, encoding: "utf8" }).toSorted((left, right) => left.localeCompare(right))).toEqual([
      "checkpoints",
      "config",
      "config/argv.json",
      "config/env.json",
      "config/profile.json",
      "config/spec.yaml",
      "control",
      "control/attempt.json",
      "debug",
      "logs",
    ]);
    expect(["", "config", "control", "logs", "checkpoints", "debug"].map(mode)).toEqual(Array(6).fill(0o700));
    expect(["config/spec.yaml", "control/attempt.json"].map(mode)).toEqual([0o600, 0o600]);
    expect(readFileSync(join(directory, "config/spec.yaml"), "utf8")).toBe(ATTEMPT.specText);
    expect(JSON.parse(readFileSync(join(directory, "control/attempt.json"), "utf8"))).toEqual(ATTEMPT.attemptJson);
  });

  it("changes nothing once the claim exists", async () => {
    await files.prepare(ATTEMPT);
    await files.revoke(USER, ID, "cancel", "n1");
    await files.prepare({ ...ATTEMPT, specText: "other" });
    expect(readFileSync(join(directory, "config/spec.yaml"), "utf8")).toBe(ATTEMPT.specText);
  });

  it("never follows a link that stands in for a directory of ours", async () => {
    mkdirSync(join(root, "elsewhere"));
    mkdirSync(join(root, "users", USER, "jobs"), { recursive: true });
    symlinkSync(join(root, "elsewhere"), directory);
    await expect(files.prepare(ATTEMPT)).rejects.toMatchObject({ name: "StorageTrouble", kind: "error" });
    expect(readdirSync(join(root, "elsewhere"))).toEqual([]);
  });
});

describe("look", () => {
  it("of a fresh attempt sees nothing", async () => {
    await files.prepare(ATTEMPT);
    expect(await files.look(USER, ID)).toEqual({ claim: null, lease: null, stop: null, result: null });
  });

  it("of a directory that is away is trouble, never absence", async () => {
    await expect(files.look(USER, ID)).rejects.toMatchObject({ name: "StorageTrouble", kind: "error" });
    await files.prepare(ATTEMPT);
    renameSync(join(directory, "control"), join(directory, "away"));
    await expect(files.look(USER, ID)).rejects.toMatchObject({ name: "StorageTrouble" });
  });

  it("of a damaged claim is trouble, in any prefix of it", async () => {
    await files.prepare(ATTEMPT);
    await files.revoke(USER, ID, "cancel", "n1");
    const whole = readFileSync(join(directory, "control/claim"));
    for (const length of [0, 1, whole.length / 2, whole.length - 3]) {
      writeFileSync(join(directory, "control/claim"), whole.subarray(0, length));
      await expect(files.look(USER, ID)).rejects.toThrow("can't be read as a claim");
      await expect(files.revoke(USER, ID, "cancel", "n2")).rejects.toThrow("can't be read as a claim");
    }
  });

  it("believes no result without its claim, and none with another nonce", async () => {
    await files.prepare(ATTEMPT);
    const result = { schema: 1, nonce: "n1", outcome: "exited", exit_code: 0, signal: null, started_at: "a", ended_at: "b" };
    writeFileSync(join(directory, "result.json"), JSON.stringify(result));
    expect((await files.look(USER, ID)).result).toBeNull();
    await files.revoke(USER, ID, "cancel", "n1");
    expect((await files.look(USER, ID)).result).toMatchObject({ outcome: "exited", exitCode: 0 });
    writeFileSync(join(directory, "result.json"), JSON.stringify({ ...result, nonce: "n2" }));
    expect((await files.look(USER, ID)).result).toBeNull();
  });
});

describe("revoke and stop", () => {
  it("are idempotent, and their first reason stays", async () => {
    await files.prepare(ATTEMPT);
    expect(await files.revoke(USER, ID, "start_timeout", "n1")).toMatchObject({
      kind: "won",
      claim: { why: "start_timeout", nonce: "n1", host: "server-1" },
    });
    expect(await files.revoke(USER, ID, "cancel", "n2")).toMatchObject({ kind: "won", claim: { why: "start_timeout", nonce: "n1" } });
    await files.stop(USER, ID, "cancel");
    await files.stop(USER, ID, "deadline");
    expect(await files.look(USER, ID)).toMatchObject({ stop: "cancel", claim: { by: "server", at: "1970-01-01T00:00:00.000Z" } });
    expect(readdirSync(join(directory, "control")).toSorted((left, right) => left.localeCompare(right))).toEqual([
      "attempt.json",
      "claim",
      "stop",
    ]);
  });

  it("of an attempt whose directory is away are trouble and win nothing", async () => {
    await expect(files.revoke(USER, ID, "cancel", "n1")).rejects.toMatchObject({ name: "StorageTrouble" });
    await expect(files.stop(USER, ID, "cancel")).rejects.toMatchObject({ name: "StorageTrouble" });
  });

  it("lose to the launcher's claim", async () => {
    await files.prepare(ATTEMPT);
    const claim = {
      schema: 1,
      by: "launcher",
      why: null,
      nonce: "n0",
      host: "w",
      node_id: "x",
      containment: "userns",
      ray_session: null,
      at: "t",
    };
    writeFileSync(join(directory, "control/claim"), JSON.stringify(claim));
    expect(await files.revoke(USER, ID, "cancel", "n1")).toMatchObject({ kind: "lost", claim: { nonce: "n0", nodeId: "x" } });
  });
});

describe("log ranges", () => {
  const text = (range: { readonly bytes: Uint8Array }) => Buffer.from(range.bytes).toString("latin1");

  beforeEach(() => files.prepare(ATTEMPT));

  it("of a log that is not there are empty, and away storage is trouble", async () => {
    expect(await files.readLog(USER, ID, 0, 100)).toMatchObject({ start: 0, end: 0, size: 0 });
    expect(await files.tailLog(USER, ID, 10, 100)).toMatchObject({ start: 0, end: 0, size: 0 });
    rmSync(directory, { recursive: true });
    await expect(files.readLog(USER, ID, 0, 100)).rejects.toMatchObject({ name: "StorageTrouble" });
  });

  it("are exact to the byte, whatever the bytes are", async () => {
    const bytes = Buffer.from([0, 255, 10, 128, 13, 10, 195]);
    writeFileSync(join(directory, "logs/driver.log"), bytes);
    for (let start = 0; start <= bytes.length; start += 1)
      for (let limit = 0; limit <= bytes.length; limit += 1) {
        const range = await files.readLog(USER, ID, start, limit);
        expect(Buffer.from(range.bytes)).toEqual(bytes.subarray(start, start + limit));
        expect(range).toMatchObject({ start, end: Math.min(bytes.length, start + limit), size: bytes.length });
      }
    expect(await files.readLog(USER, ID, 99, 5)).toMatchObject({ start: 7, end: 7, size: 7 });
  });

  it("from the tail give the last lines, finished or not", async () => {
    writeFileSync(join(directory, "logs/driver.log"), "a\nbb\n\nccc");
    expect(text(await files.tailLog(USER, ID, 0, 1000))).toBe("");
    expect(text(await files.tailLog(USER, ID, 1, 1000))).toBe("ccc");
    expect(text(await files.tailLog(USER, ID, 2, 1000))).toBe("\nccc");
    expect(text(await files.tailLog(USER, ID, 3, 1000))).toBe("bb\n\nccc");
    expect(text(await files.tailLog(USER, ID, 99, 1000))).toBe("a\nbb\n\nccc");
    expect(text(await files.tailLog(USER, ID, 99, 2))).toBe("cc");
    writeFileSync(join(directory, "logs/driver.log"), "a\nb\n");
    expect(text(await files.tailLog(USER, ID, 1, 1000))).toBe("b\n");
  });

  it("from the tail of a huge log read little", async () => {
    const line = `${"x".repeat(99)}\n`;
    writeFileSync(join(directory, "logs/driver.log"), line.repeat(50_000));
    const range = await files.tailLog(USER, ID, 2000, 1024 * 1024);
    expect(range).toMatchObject({ start: 4_800_000, end: 5_000_000, size: 5_000_000 });
    const capped = await files.tailLog(USER, ID, 1_000_000, 50_000_000);
    expect(capped.bytes.length).toBe(1024 * 1024);
  });

  it("refuse a log that the job replaced by a link, a directory link, a hard link or a FIFO", async () => {
    writeFileSync(join(root, "secret"), "secret");
    const log = join(directory, "logs/driver.log");
    symlinkSync(join(root, "secret"), log);
    await expect(files.readLog(USER, ID, 0, 10)).rejects.toMatchObject({ name: "StorageTrouble" });
    rmSync(log);
    linkSync(join(root, "secret"), log);
    await expect(files.readLog(USER, ID, 0, 10)).rejects.toThrow("leads out of its job directory");
    rmSync(join(directory, "logs"), { recursive: true });
    mkdirSync(join(root, "other"));
    writeFileSync(join(root, "other/driver.log"), "secret");
    symlinkSync(join(root, "other"), join(directory, "logs"));
    await expect(files.tailLog(USER, ID, 10, 10)).rejects.toThrow("is a link or no directory");
  });

  it("of metrics end after the last complete line and step over a line that is too long", async () => {
    const path = join(directory, "logs/metrics.jsonl");
    writeFileSync(path, '{"step":1}\n{"step":2}\n{"st');
    const first = await files.readMetrics(USER, ID, 0);
    expect(text(first)).toBe('{"step":1}\n{"step":2}\n');
    expect(first.end).toBe(22);
    expect(await files.readMetrics(USER, ID, 22)).toMatchObject({ start: 22, end: 22 });
    writeFileSync(path, `${"x".repeat(1024 * 1024 + 5)}\n{"step":3}\n`);
    const over = await files.readMetrics(USER, ID, 0);
    expect(over).toMatchObject({ end: 1024 * 1024 });
    expect(text(await files.readMetrics(USER, ID, over.end))).toBe('xxxxx\n{"step":3}\n');
  });
});

describe("probe", () => {
  it("writes under the root, and fails when the root is not there", async () => {
    await files.probe();
    await files.probe();
    expect(existsSync(join(root, "users/.probe-server-1"))).toBe(true);
    chmodSync(root, 0o700);
    renameSync(root, `${root}-away`);
    await expect(files.probe()).rejects.toMatchObject({ name: "StorageTrouble", kind: "error" });
    renameSync(`${root}-away`, root);
  });
});
