import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { takePrepareLock } from "./prepare-lock.ts";

let dir = "";
let path = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "verlpool-lock-"));
  path = join(dir, "prepare.lock");
});
afterEach(() => rm(dir, { recursive: true, force: true }));

test("a free lock is taken, and is free again after its release", async () => {
  const lock = await takePrepareLock(path);
  expect(existsSync(path)).toBe(true);
  await lock.release();
  expect(existsSync(path)).toBe(false);
});

test("the lock of a living process is refused and its holder named", async () => {
  const holder = { host: hostname(), pid: process.ppid };
  await writeFile(path, JSON.stringify(holder));
  await expect(takePrepareLock(path)).rejects.toThrow(`process ${process.ppid} on ${hostname()}`);
});

test("the lock of a process that died on this machine is taken over", async () => {
  const { pid } = spawnSync("true");
  await writeFile(path, JSON.stringify({ host: hostname(), pid }));
  await (await takePrepareLock(path)).release();
});

test("the lock of another machine, and one that can't be read, are left to a person", async () => {
  await writeFile(path, JSON.stringify({ host: "another-host", pid: 1 }));
  await expect(takePrepareLock(path)).rejects.toThrow(`delete ${path}`);
  await writeFile(path, "");
  await expect(takePrepareLock(path)).rejects.toThrow("an unknown process");
});
