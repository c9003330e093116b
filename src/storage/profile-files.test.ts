import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readProfileFiles } from "./profile-files.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "verlpool-profiles-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("the operator's profiles", () => {
  it("are none where there is no directory", () => {
    expect(readProfileFiles(root)).toEqual([]);
  });

  it("are all read though some of them can't be: a link, a directory, one too large", () => {
    const directory = join(root, "common/verlpool/profiles");
    mkdirSync(join(directory, "folder@1.yaml"), { recursive: true });
    writeFileSync(join(directory, "good@1.yaml"), "name: good\n");
    writeFileSync(join(directory, "large@1.yaml"), "x".repeat(65 * 1024));
    writeFileSync(join(directory, "README.md"), "not a profile");
    symlinkSync("/etc/passwd", join(directory, "link@1.yaml"));
    expect(readProfileFiles(root)).toEqual([
      { fileName: "folder@1.yaml", problem: expect.stringContaining("not a regular file") },
      { fileName: "good@1.yaml", text: "name: good\n" },
      { fileName: "large@1.yaml", problem: expect.stringContaining("larger than") },
      { fileName: "link@1.yaml", problem: expect.stringContaining("ELOOP") },
    ]);
  });
});
