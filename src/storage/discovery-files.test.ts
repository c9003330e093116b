import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readApiFile, writeApiFile } from "./api-file.ts";
import { discoveryFile } from "./head-file.ts";
import { installLauncher } from "./install-launcher.ts";

let root = "";
let path = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "verlpool-discovery-"));
  path = discoveryFile(root, "c1", "head.json");
  mkdirSync(join(path, ".."), { recursive: true });
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("api.json", () => {
  it("is read as it was written", () => {
    const api = { url: "http://10.0.0.2:8080", caFingerprint: null, at: "2026-01-01T00:00:00.000Z" };
    expect(readApiFile(root, "c1")).toBeNull();
    writeApiFile(root, "c1", { ...api, url: "http://old" }, "t1");
    writeApiFile(root, "c1", api, "t2");
    expect(readApiFile(root, "c1")).toEqual(api);
    writeFileSync(discoveryFile(root, "c1", "api.json"), '{"schema":1,"url":"file:///x","at":"t"}');
    expect(readApiFile(root, "c1")).toBeNull();
  });
});

describe("installLauncher", () => {
  it("writes a file named by its content once, read-only, and repairs a damaged one", () => {
    const canonical = installLauncher(root, "print()", "t");
    expect(canonical).toMatch(/^\/private\/common\/verlpool\/launcher\/[0-9a-f]{12}\/launch\.py$/);
    const file = join(root, canonical.slice("/private".length));
    const first = statSync(file);
    expect(first.mode & 0o777).toBe(0o444);
    installLauncher(root, "print()", "t");
    expect(statSync(file).ino).toBe(first.ino);
    chmodSync(file, 0o600);
    writeFileSync(file, "pri");
    installLauncher(root, "print()", "t");
    expect(readFileSync(file, "utf8")).toBe("print()");
    expect(installLauncher(root, "other", "t")).not.toBe(canonical);
  });
});
