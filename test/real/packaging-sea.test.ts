import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const work = mkdtempSync(join(tmpdir(), "verlpool-packaging-"));
/** Holds nothing but the executables: no Node, no packages, no sources. */
const bare = join(work, "bare");

beforeAll(() => {
  mkdirSync(bare);
  build("test/packaging/hello.ts", "hello");
  build("src/main/cli.ts", "verlpool");
});

afterAll(() => rmSync(work, { recursive: true }));

function build(entry: string, name: string): void {
  const built = join(work, "built", name);
  execFileSync(process.execPath, [join(root, "scripts", "build-sea.ts"), join(root, entry), built], { stdio: "inherit" });
  renameSync(built, join(bare, name));
}

function run(name: string, ...args: readonly string[]) {
  return spawnSync(join(bare, name), args, { cwd: bare, env: { PATH: "" }, input: "", encoding: "utf8" });
}

test("a single executable carries its packages, its assets and SQLite, and starts itself again, with nothing else on the machine", () => {
  const { stdout, stderr, status } = run("hello", "report");
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
  const { stderr, status } = run("hello", "reprot");
  expect(stderr).toContain("Did you mean report?");
  expect(status).toBe(1);
});

test("the command line as a single executable says its version, prints a TaskSpec, and serves as its own storage helper", () => {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  expect(run("verlpool", "--version")).toMatchObject({ stdout: expect.stringContaining(version), stderr: "", status: 0 });
  expect(run("verlpool", "template", "grpo")).toMatchObject({ stdout: expect.stringMatching(/^workload: grpo$/m), stderr: "", status: 0 });
  expect(run("verlpool", "internal", "storage")).toMatchObject({ stderr: "", status: 0 });
});

test("a single executable stays below 160 MB", () => {
  expect(statSync(join(bare, "verlpool")).size).toBeLessThan(160e6);
});
