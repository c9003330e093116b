import { spawn, type ChildProcess } from "node:child_process";
import { EventEmitter } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { storageThroughHelpers, type StorageClient } from "./storage-client.ts";

const HELPER = join(import.meta.dirname, "../../test/support/storage-helper.ts");
const USER = "alice";
const ID = "mvp2-alice-sft-20260101-000000-deadbeef--a01";

let root = "";
let children: ChildProcess[] = [];
let client: StorageClient;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "verlpool-helper-"));
  children = [];
});

afterEach(() => {
  client.close();
  for (const child of children) child.kill("SIGKILL");
  rmSync(root, { recursive: true, force: true });
});

function connect(options: { readonly deadlineMs?: number; readonly helpers?: number; readonly program?: readonly string[] } = {}): void {
  const spawnHelper = () => {
    const child = spawn(process.execPath, options.program ?? [HELPER], { stdio: ["pipe", "pipe", "inherit"] });
    children.push(child);
    return child;
  };
  const config = { sharedRoot: root, allowedSymlinkTargets: [] };
  client = storageThroughHelpers(config, { spawnHelper, deadlineMs: options.deadlineMs ?? 15_000, helpers: options.helpers ?? 1 });
}

const probe = () => client.call("probe", { host: "h" });

describe("storage through helpers", () => {
  it("carries results, any bytes and errors", async () => {
    connect();
    await probe();
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
    mkdirSync(join(root, "users", USER, "jobs", ID, "logs"), { recursive: true });
    writeFileSync(join(root, "users", USER, "jobs", ID, "logs/driver.log"), bytes);
    const range = await client.call("readLog", { userId: USER, submissionId: ID, offset: 1, limit: 1000 });
    expect(range).toEqual({ bytes: new Uint8Array(bytes.subarray(1)), start: 1, end: 256, size: 256 });
    await expect(client.call("look", { userId: USER, submissionId: ID })).rejects.toMatchObject({
      name: "StorageTrouble",
      kind: "error",
      message: expect.stringMatching(/^storage: look: ENOENT/),
    });
    expect(children).toHaveLength(1);
  });

  it("answers many calls at once through few processes", async () => {
    connect({ helpers: 2 });
    await Promise.all(Array.from({ length: 40 }, probe));
    expect(children).toHaveLength(2);
  });

  it("gives up a call that hangs, kills its helper and goes on with a new one", async () => {
    connect({ deadlineMs: 3000 });
    await probe();
    // A stopped process answers as little as one that waits for a hung mount.
    children[0]?.kill("SIGSTOP");
    await expect(probe()).rejects.toMatchObject({ name: "StorageTrouble", kind: "hang" });
    await probe();
    expect(children).toHaveLength(2);
    expect(children[0]?.killed).toBe(true);
  });

  it("lets other calls go on while one hangs", async () => {
    connect({ deadlineMs: 5000, helpers: 2 });
    await Promise.all([probe(), probe()]);
    children[0]?.kill("SIGSTOP");
    const outcomes: string[] = [];
    const hung = probe().catch((error: unknown) => outcomes.push(error instanceof Error && "kind" in error ? String(error.kind) : "other"));
    for (let count = 0; count < 5; count += 1) await probe().then(() => outcomes.push("done"));
    expect(outcomes).toEqual(["done", "done", "done", "done", "done"]);
    await hung;
    expect(outcomes.at(-1)).toBe("hang");
  });

  it("tells the calls of a helper that died, and starts another for the next", async () => {
    connect();
    await probe();
    children[0]?.kill("SIGSTOP");
    const lost = probe();
    children[0]?.kill("SIGKILL");
    await expect(lost).rejects.toMatchObject({ kind: "error", message: expect.stringContaining("SIGKILL") });
    await probe();
  });

  it("outlives a helper that dies in the middle of its answer", async () => {
    connect({
      program: [
        "-e",
        "process.stdin.once('data', () => process.stdout.write('{\"id\":1,\"res', () => process.kill(process.pid, 'SIGKILL')))",
      ],
    });
    await expect(probe()).rejects.toMatchObject({ name: "StorageTrouble", kind: "error", message: expect.stringContaining("SIGKILL") });
  });

  it("outlives a helper that can't be started for want of file descriptors", async () => {
    // What child_process.spawn returns at EMFILE: no pipes, and `error` on the next tick.
    const spawnHelper = () => {
      const child = new EventEmitter() as ChildProcess;
      process.nextTick(() => child.emit("error", new Error("spawn EMFILE")));
      return child;
    };
    client = storageThroughHelpers({ sharedRoot: root, allowedSymlinkTargets: [] }, { spawnHelper, deadlineMs: 15_000, helpers: 1 });
    await expect(probe()).rejects.toMatchObject({ name: "StorageTrouble", kind: "error", message: expect.stringContaining("EMFILE") });
  });

  it("refuses calls after it was closed, and ends those that wait", async () => {
    connect({ program: ["-e", "process.stdin.resume()"] });
    const waiting = [probe(), probe()];
    client.close();
    for (const call of waiting) await expect(call).rejects.toMatchObject({ kind: "error" });
    await expect(probe()).rejects.toThrow("is closed");
  });
});
