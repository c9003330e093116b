import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const checkout = makeCheckout();
const bin = join(checkout, "bin", "verlpool");

/** Every Node that can start bin/verlpool here: ours, and an older one where the machine has it. */
const NODES = [process.execPath, ...olderNodes()].map((path) => [version(path), path] as const);

afterAll(() => rmSync(checkout, { recursive: true }));

/** A checkout of the two starters, with a command line that says how it was started, and one local package. */
function makeCheckout(): string {
  const folder = mkdtempSync(join(tmpdir(), "verlpool-start-"));
  for (const path of ["bin/verlpool", "scripts/bootstrap.mjs"]) cpSync(join(root, path), join(folder, path));
  for (const path of ["src/main", "local"]) mkdirSync(join(folder, path), { recursive: true });
  const dependencies = { local: "file:local" };
  writeFileSync(join(folder, "local", "package.json"), JSON.stringify({ name: "local", version: "1.0.0" }));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "start", version: "1.0.0", type: "module", dependencies }));
  const packages = {
    "": { name: "start", version: "1.0.0", dependencies },
    local: { version: "1.0.0" },
    "node_modules/local": { resolved: "local", link: true },
  };
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify({ name: "start", version: "1.0.0", lockfileVersion: 3, packages }));
  writeFileSync(
    join(folder, "src", "main", "cli.ts"),
    `import { DatabaseSync } from "node:sqlite";
     const [verb, ...rest]: string[] = process.argv.slice(2);
     const database: DatabaseSync = new DatabaseSync(":memory:");
     database.close();
     if (verb === "exit") process.exitCode = 42;
     if (verb === "wait" || verb === "die") setInterval(() => undefined, 1000);
     if (verb === "wait") for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => process.exit(signal === "SIGINT" ? 130 : 3));
     // Last, since a test takes this line as the sign that signals are handled.
     console.log(JSON.stringify({ major: Number(process.versions.node.split(".")[0]), verb, rest }));`,
  );
  return folder;
}

/** Gives the checkout npm's Node, as `npm ci` would. */
function installNode(): void {
  const place = join(checkout, "node_modules", `node-${process.platform}-${process.arch}`, "bin");
  mkdirSync(place, { recursive: true });
  if (!existsSync(join(place, "node"))) symlinkSync(process.execPath, join(place, "node"));
}

function olderNodes(): readonly string[] {
  const found = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "node"));
  const distinct = new Set(found.filter((path) => existsSync(path)).map((path) => realpathSync(path)));
  return [...distinct].filter((path) => Number(version(path).split(".")[0]) < 24).slice(0, 1);
}

function version(node: string): string {
  return execFileSync(node, ["-p", "process.versions.node"], { encoding: "utf8" }).trim();
}

test.each(NODES)(
  "bin/verlpool started by Node %s runs on Node >= 24 with its arguments, and keeps the exit code and stderr clean",
  (_version, node) => {
    installNode();
    const { stdout, stderr, status } = spawnSync(node, [bin, "exit", "--a", "b c", ""], { encoding: "utf8" });
    expect(JSON.parse(stdout)).toEqual({ major: expect.any(Number), verb: "exit", rest: ["--a", "b c", ""] });
    expect(JSON.parse(stdout).major).toBeGreaterThanOrEqual(24);
    expect({ stderr, status }).toEqual({ stderr: "", status: 42 });
  },
);

test.each(
  NODES.flatMap(([name, node]) => [
    [name, "wait", "SIGTERM", 3, null, node] as const,
    [name, "wait", "SIGINT", 130, null, node] as const,
    [name, "die", "SIGTERM", null, "SIGTERM", node] as const,
  ]),
)(
  "bin/verlpool started by Node %s, doing %s, passes %s on and ends as the program ends",
  async (_version, verb, signal, code, endSignal, node) => {
    installNode();
    const child = spawn(node, [bin, verb], { stdio: ["ignore", "pipe", "pipe"] });
    await once(child.stdout, "data");
    child.kill(signal);
    expect(await once(child, "exit")).toEqual([code, endSignal]);
  },
);

test("a fresh clone installs its packages once, then starts its script with arguments and exit code", () => {
  rmSync(join(checkout, "node_modules"), { recursive: true, force: true });
  const start = () =>
    spawnSync(process.execPath, [join(checkout, "scripts", "bootstrap.mjs"), "src/main/cli.ts", "exit", "x"], { encoding: "utf8" });
  const first = start();
  expect(first.stderr).toMatch(/installing packages[^]*packages installed in/);
  expect(JSON.parse(first.stdout)).toMatchObject({ verb: "exit", rest: ["x"] });
  expect(first.status).toBe(42);
  expect(start()).toMatchObject({ stderr: "", status: 42 });
  // npm alone takes a second on an idle machine, and many on a busy one.
}, 90_000);

test("a start without a script, or with a broken lock file, says what to do", () => {
  const bootstrap = join(checkout, "scripts", "bootstrap.mjs");
  expect(spawnSync(process.execPath, [bootstrap], { encoding: "utf8" })).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("usage:"),
  });
  const bare = join(checkout, "bare");
  cpSync(dirname(bootstrap), join(bare, "scripts"), { recursive: true });
  const { stderr, status } = spawnSync(process.execPath, [join(bare, "scripts", "bootstrap.mjs"), "a.ts"], { encoding: "utf8" });
  expect(status).toBe(1);
  expect(stderr).toContain("restore it from git");
});
