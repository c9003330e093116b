import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const work = mkdtempSync(join(tmpdir(), "verlpool-packaging-"));
/** Holds nothing but the executable: no Node, no packages, no sources. */
const bare = join(work, "bare");
const executable = join(bare, "hello");

beforeAll(() => {
  mkdirSync(bare);
  const built = join(work, "built");
  execFileSync(process.execPath, [join(root, "scripts", "build-sea.ts"), join(root, "test", "packaging", "hello.ts"), built], {
    stdio: "inherit",
  });
  copyFileSync(built, executable);
  chmodSync(executable, 0o755);
});

afterAll(() => rmSync(work, { recursive: true }));

function run(...args: readonly string[]) {
  return spawnSync(executable, args, { cwd: bare, env: { PATH: "" }, encoding: "utf8" });
}

test("a single executable carries its packages, its assets and SQLite, and starts itself again, with nothing else on the machine", () => {
  const { stdout, stderr, status } = run("report");
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  const launcher = readFileSync(join(root, "src", "launcher", "launch.py"));
  expect(JSON.parse(stdout)).toEqual({
    rows: [{ task_id: "t1" }],
    helper: "internal hello",
    launcher: launcher.toString("utf8"),
    launcherBytes: launcher.byteLength,
    launchers: ["launcher/launch.py"],
  });
});

test("a single executable reports a usage error by its exit code", () => {
  const { stderr, status } = run("reprot");
  expect(stderr).toContain("Did you mean report?");
  expect(status).toBe(1);
});

test("a single executable stays below 160 MB", () => {
  expect(statSync(executable).size).toBeLessThan(160e6);
});
