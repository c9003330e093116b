import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CommonFiles } from "../control/file-ports.ts";
import { commonFiles } from "./common-files.ts";
import { storageInProcess } from "./storage-client.ts";
import { storageTrouble } from "./trouble.ts";

let root = "";
let outside = "";
let files: CommonFiles;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "verlpool-common-"));
  outside = mkdtempSync(join(tmpdir(), "verlpool-outside-"));
  for (const path of ["common/datasets", "common/code/tree/verl/version", "users/bob"]) mkdirSync(join(root, path), { recursive: true });
  for (const path of ["allowed", "allowed2"]) mkdirSync(join(outside, path));
  files = commonFiles(storageInProcess({ sharedRoot: root, allowedSymlinkTargets: [join(outside, "allowed")] }).call);
});

afterEach(() => {
  for (const path of [root, outside]) rmSync(path, { recursive: true, force: true });
});

function put(path: string, text = "x"): string {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
  return path;
}

describe("check", () => {
  const check = (name: string, expected: "file" | "directory" = "file") => files.check(`/private/common/datasets/${name}`, expected);
  const link = (target: string, name: string) => symlinkSync(target, join(root, "common/datasets", name));

  it("accepts what is there with the right type", async () => {
    put(join(root, "common/datasets/a"));
    expect(await check("a")).toEqual({ kind: "ok" });
    expect(await check("a", "directory")).toEqual({ kind: "wrong_type", found: "file" });
    expect(await check("")).toEqual({ kind: "wrong_type", found: "directory" });
    expect(await check("b")).toEqual({ kind: "missing" });
    expect(await check("a/b")).toEqual({ kind: "missing" });
  });

  it("follows links that stay under common or lead to an allowed place", async () => {
    put(join(root, "common/models/m"));
    link(join(root, "common/models/m"), "inside");
    expect(await check("inside")).toEqual({ kind: "ok" });
    link(put(join(outside, "allowed/data")), "allowed");
    expect(await check("allowed")).toEqual({ kind: "ok" });
  });

  it("refuses links that lead elsewhere, directly, through a directory, or by a like name", async () => {
    link(put(join(root, "users/bob/data")), "direct");
    expect(await check("direct")).toEqual({ kind: "outside", target: join(root, "users/bob/data") });
    link(join(root, "users"), "users");
    expect(await check("users/bob/data")).toMatchObject({ kind: "outside" });
    link(put(join(outside, "allowed2/data")), "like");
    expect(await check("like")).toMatchObject({ kind: "outside" });
    link(join(root, "common"), "self");
    expect(await check("self", "directory")).toMatchObject({ kind: "outside" });
  });

  it("takes dangling and looping links as missing, and a FIFO as a FIFO without waiting for it", async () => {
    link("/nowhere/at/all", "dangling");
    link(join(root, "common/datasets/loop"), "loop");
    expect(await check("dangling")).toEqual({ kind: "missing" });
    expect(await check("loop")).toEqual({ kind: "missing" });
    spawnSync("mkfifo", [join(root, "common/datasets/pipe")]);
    expect(await check("pipe")).toEqual({ kind: "wrong_type", found: "fifo" });
  });

  it("is unknown when storage does not answer", async () => {
    const hung = commonFiles(() => Promise.reject(storageTrouble("hang", "no answer in 2000 ms")));
    expect(await hung.check("/private/common/a", "file")).toEqual({ kind: "unknown", error: "no answer in 2000 ms" });
    const broken = commonFiles(() => Promise.reject(new TypeError("a bug")));
    await expect(broken.check("/private/common/a", "file")).rejects.toThrow("a bug");
  });
});

describe("verlVersion", () => {
  it("is the trimmed text of the version file, or null", async () => {
    const path = join(root, "common/code/tree/verl/version/version");
    expect(await files.verlVersion("/private/common/code/tree")).toBeNull();
    put(path, "0.9.1\n");
    expect(await files.verlVersion("/private/common/code/tree")).toBe("0.9.1");
    put(path, "x".repeat(300));
    expect(await files.verlVersion("/private/common/code/tree")).toBeNull();
    rmSync(path);
    symlinkSync(put(join(root, "users/bob/version"), "6.6.6"), path);
    expect(await files.verlVersion("/private/common/code/tree")).toBeNull();
  });
});

describe("hasModel", () => {
  it("looks for a snapshot with a config in the offline cache", async () => {
    expect(await files.hasModel("Qwen/Qwen2.5-0.5B-Instruct")).toBe("missing");
    const snapshot = join(root, "common/hf/hub/models--Qwen--Qwen2.5-0.5B-Instruct/snapshots/abc");
    mkdirSync(snapshot, { recursive: true });
    expect(await files.hasModel("Qwen/Qwen2.5-0.5B-Instruct")).toBe("missing");
    // As huggingface_hub lays it out: a link to a blob.
    put(join(root, "common/hf/hub/models--Qwen--Qwen2.5-0.5B-Instruct/blobs/b"), "{}");
    symlinkSync("../../blobs/b", join(snapshot, "config.json"));
    expect(await files.hasModel("Qwen/Qwen2.5-0.5B-Instruct")).toBe("there");
    put(join(root, "common/hf/models--o--n/snapshots/s/config.json"));
    expect(await files.hasModel("o/n")).toBe("there");
    expect(await files.hasModel("../x")).toBe("missing");
  });
});
