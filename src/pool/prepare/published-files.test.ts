import { mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { installModules, makeDirectories, modulesHash, publishProfiles } from "./published-files.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "verlpool-published-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const MODULES = [
  { name: "b.py", text: "B = 1\n" },
  { name: "a.py", text: "A = 1\n" },
];

describe("modules", () => {
  test("the directory's name follows from names and texts, not from their order", () => {
    expect(modulesHash(MODULES)).toBe(modulesHash(MODULES.toReversed()));
    expect(modulesHash(MODULES)).toMatch(/^[0-9a-f]{12}$/);
    expect(modulesHash([{ name: "a.py", text: "A = 2\n" }])).not.toBe(modulesHash([{ name: "a.py", text: "A = 1\n" }]));
  });

  test("they are installed read-only, whole, and a second time changes nothing", async () => {
    const path = await installModules(dir, MODULES);
    expect(await readFile(join(path, "a.py"), "utf8")).toBe("A = 1\n");
    expect((await stat(join(path, "a.py"))).mode & 0o222).toBe(0);
    const before = await stat(join(path, "a.py"));
    expect(await installModules(dir, MODULES)).toBe(path);
    expect((await stat(join(path, "a.py"))).ino).toBe(before.ino);
  });

  test("another version stands beside the first, which running jobs still import", async () => {
    await installModules(dir, MODULES);
    await installModules(dir, [{ name: "a.py", text: "A = 2\n" }]);
    expect(await readdir(dir)).toHaveLength(2);
  });
});

describe("profiles", () => {
  const profile = (text: string) => [{ name: "demo-sft@1.yaml", text }];
  const text = () => readFile(join(dir, "demo-sft@1.yaml"), "utf8");

  test("a missing one is written", async () => {
    expect(await publishProfiles(dir, profile("v1"))).toEqual([]);
    expect(await text()).toBe("v1");
  });

  test("one that prepare wrote and nobody touched is brought up to date", async () => {
    await publishProfiles(dir, profile("v1"));
    expect(await publishProfiles(dir, profile("v2"))).toEqual([]);
    expect(await text()).toBe("v2");
  });

  test("one that somebody edited is kept and named", async () => {
    await publishProfiles(dir, profile("v1"));
    await writeFile(join(dir, "demo-sft@1.yaml"), "edited");
    expect(await publishProfiles(dir, profile("v2"))).toEqual(["demo-sft@1.yaml"]);
    expect(await text()).toBe("edited");
  });

  test("one that prepare never wrote is kept and named, also with an unreadable record", async () => {
    await writeFile(join(dir, "demo-sft@1.yaml"), "an operator's");
    await writeFile(join(dir, ".prepared.json"), "{");
    expect(await publishProfiles(dir, profile("v1"))).toEqual(["demo-sft@1.yaml"]);
  });
});

test("the directories of the contract exist, the database's for the owner only", async () => {
  await makeDirectories(dir);
  expect((await readdir(join(dir, "common"))).toSorted()).toEqual(["code", "datasets", "db", "hf", "logs", "models", "verlpool"]);
  expect((await stat(join(dir, "common", "db"))).mode & 0o777).toBe(0o700);
  await makeDirectories(dir);
});
