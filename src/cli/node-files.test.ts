import { chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { nodeFiles } from "./node-files.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "verlpool-cli-"));
});
afterEach(() => rm(dir, { recursive: true }));

test("a private file is 0600 in a 0700 directory, replaced whole, and leaves nothing beside it", async () => {
  const path = join(dir, "a/b/context.json");
  await nodeFiles.writePrivate(path, "one");
  await nodeFiles.writePrivate(path, "two");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(dir, "a/b"))).mode & 0o777).toBe(0o700);
  const read = await nodeFiles.readRecord(path);
  expect([Buffer.from(read?.bytes ?? []).toString(), read?.mode, read?.uid]).toEqual(["two", 0o600, process.getuid?.()]);
  expect(await nodeFiles.list(join(dir, "a/b"))).toEqual(["context.json"]);
});

test("what is not there is null, [] or false", async () => {
  const none = join(dir, "none");
  expect([
    await nodeFiles.readRecord(none),
    await nodeFiles.readInput(none, 10),
    await nodeFiles.list(none),
    await nodeFiles.remove(none),
  ]).toEqual([null, null, [], false]);
  await writeFile(none, "x");
  expect(await nodeFiles.readInput(join(none, "below"), 10)).toBeNull();
  expect(await nodeFiles.remove(none)).toBe(true);
});

test("a record is never read through a symlink, from a directory, or when it is too long; a user's own file is", async () => {
  const file = join(dir, "file");
  await writeFile(file, "x".repeat(70_000));
  await symlink(file, join(dir, "link"));
  await mkdir(join(dir, "folder"));
  await expect(nodeFiles.readRecord(join(dir, "link"))).rejects.toThrow("ELOOP");
  await expect(nodeFiles.readRecord(join(dir, "folder"))).rejects.toThrow("EISDIR");
  await expect(nodeFiles.readRecord(file)).rejects.toThrow("at most 64 KiB");
  expect((await nodeFiles.readInput(join(dir, "link"), 16_384))?.length).toBe(16_385);
  await chmod(file, 0o644);
  expect((await nodeFiles.readInput(file, 70_000))?.length).toBe(70_000);
});
