import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, readdir, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ExecutablePlan, isCurrent, publishExecutable } from "./executable.ts";

let dir = "";
let made = 0;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "verlpool-executable-"));
  made = 0;
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function plan(content: string, version = "2.5.0"): ExecutablePlan {
  return {
    directory: dir,
    version,
    build: createHash("sha256").update(content).digest("hex"),
    make: async (path) => {
      made += 1;
      await writeFile(path, content);
    },
    prove: () => Promise.resolve(),
  };
}

const current = () => readFile(join(dir, "current", "verlpool"), "utf8");

test("a build is published read-only under its version, and current is a relative link to it", async () => {
  const { path, reused } = await publishExecutable(plan("one"));
  expect([path, reused]).toEqual([join(dir, "2.5.0", "verlpool"), false]);
  expect([(await stat(path)).mode & 0o777, await readlink(join(dir, "current")), await current()]).toEqual([0o555, "2.5.0", "one"]);
  expect((await readdir(dir)).toSorted()).toEqual(["2.5.0", "current"]);
});

test("the same build again touches nothing", async () => {
  const { path } = await publishExecutable(plan("one"));
  const before = await stat(path);
  expect(await isCurrent(plan("one"))).toBe(true);
  expect(await publishExecutable(plan("one"))).toEqual({ path, reused: true });
  expect([made, (await stat(path)).ino]).toEqual([1, before.ino]);
});

test("another build of the same version stands beside the first one, whose file its agents go on running", async () => {
  const first = await publishExecutable(plan("one"));
  const before = await stat(first.path);
  expect(await isCurrent(plan("two"))).toBe(false);
  const second = await publishExecutable(plan("two"));
  expect(second.path).toMatch(/\/2\.5\.0\+[0-9a-f]{12}\/verlpool$/);
  expect([await current(), (await stat(first.path)).ino]).toEqual(["two", before.ino]);
});

test("a prepare of an earlier build switches current back without making it again", async () => {
  await publishExecutable(plan("old", "2.4.0"));
  await publishExecutable(plan("new", "2.5.0"));
  expect(await current()).toBe("new");
  expect((await publishExecutable(plan("old", "2.4.0"))).reused).toBe(true);
  expect([await current(), made]).toEqual(["old", 2]);
});

test.each(["cut off", ""])("a damaged file (%j) is made again in its place", async (damage) => {
  const { path } = await publishExecutable(plan("one"));
  await chmod(path, 0o755);
  await writeFile(path, damage);
  expect(await isCurrent(plan("one"))).toBe(false);
  expect(await publishExecutable(plan("one"))).toEqual({ path, reused: false });
  expect(await current()).toBe("one");
});

test("one that does not run is not published, and current stays", async () => {
  await publishExecutable(plan("one"));
  const broken = { ...plan("two"), prove: () => Promise.reject(new Error("cannot execute")) };
  await expect(publishExecutable(broken)).rejects.toThrow("cannot execute");
  expect([await current(), (await readdir(dir)).toSorted()]).toEqual(["one", ["2.5.0", "current"]]);
});

test("what a killed run left is cleared, and does not count as published", async () => {
  await mkdir(join(dir, "2.5.0.making-99999999"));
  await symlink("2.5.0", join(dir, "current.making-99999999"));
  await publishExecutable(plan("one"));
  expect((await readdir(dir)).toSorted()).toEqual(["2.5.0", "current"]);
});

test("what somebody else put there is never replaced", async () => {
  await mkdir(join(dir, "2.5.0"));
  await writeFile(join(dir, "2.5.0", "build.json"), JSON.stringify({ schema: 2, build: "of a later verlpool" }));
  expect((await publishExecutable(plan("one"))).path).toMatch(/\/2\.5\.0\+[0-9a-f]{12}\/verlpool$/);
  await rm(join(dir, "current"));
  await mkdir(join(dir, "current"));
  await expect(publishExecutable(plan("one"))).rejects.toThrow(/current is no link: move it away/);
});
