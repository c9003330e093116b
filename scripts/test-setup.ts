/** What `npm test` puts on a fresh machine: Debian packages, and Python environments in a cache outside the checkout. Idempotent. */
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { execFileSync } from "node:child_process";
import { root, type Runner } from "./steps.ts";

export type TestWorld = {
  readonly VERLPOOL_TEST_PYTHON: string;
  readonly VERLPOOL_TEST_PYTHON_RAY251: string;
  readonly VERLPOOL_TEST_PYTHON_SCHEMATHESIS: string;
  readonly VERLPOOL_TEST_ROOT: string;
};

const PIP_TRIES = 4;

/** Debian package → how to see that it is there. */
const SYSTEM: readonly (readonly [name: string, isThere: () => boolean])[] = [
  ["postgresql", () => globSync("/usr/lib/postgresql/*/bin/initdb").length > 0 || onPath("initdb")],
  ["python3", () => onPath("python3")],
  ["python3-venv", () => canRun("python3", ["-c", "import ensurepip, venv"])],
  ["util-linux", () => onPath("unshare") && onPath("setpriv")],
  ["iproute2", () => onPath("ip")],
  ["procps", () => onPath("ps")],
  ["chromium", () => onPath("chromium") || onPath("chromium-browser")],
  // For the Chinese faces of the page.
  ["fonts-noto-cjk", () => globSync("/usr/share/fonts/**/NotoSansCJK*").length > 0],
  ["openssh-server", () => existsSync("/usr/sbin/sshd")],
  ["openssh-client", () => onPath("ssh") && onPath("ssh-keygen")],
];

/** Installs what is missing; throws with what to do where that can't be done. */
export async function installSystemPackages(runner: Runner): Promise<void> {
  const missing = SYSTEM.filter(([, isThere]) => !isThere()).map(([name]) => name);
  if (missing.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  if (process.platform !== "linux" || !onPath("apt-get"))
    throw new Error(`these are missing and there is no apt-get: ${missing.join(", ")}. Install them.`);
  if (process.getuid?.() !== 0)
    throw new Error(`these are missing: ${missing.join(", ")}. Run \`sudo ${command}\` and start the tests again.`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await runner.run({ name: "apt-get update", command: "apt-get", args: ["update", "-q"], env });
  const outcome = await runner.run({ name: "apt-get install", command: "sh", args: ["-c", command], env });
  const left = SYSTEM.filter(([, isThere]) => !isThere()).map(([name]) => name);
  if (!outcome.ok || left.length > 0) throw new Error(`\`${command}\` did not bring ${left.join(", ")}; see ${outcome.log}`);
}

/**
 * The Python environments of the real suite: what `verlpool prepare` makes of the shared storage, so that it is tested as users get it, the oldest
 * Ray, and schemathesis. Each that the environment already names is used as it is.
 */
export async function preparePython(runner: Runner): Promise<TestWorld> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "verlpool-test");
  mkdirSync(cache, { recursive: true });
  const testRoot = process.env["VERLPOOL_TEST_ROOT"] ?? join(cache, "root");
  return {
    VERLPOOL_TEST_ROOT: testRoot,
    VERLPOOL_TEST_PYTHON: process.env["VERLPOOL_TEST_PYTHON"] ?? (await preparedPython(runner, testRoot)),
    VERLPOOL_TEST_PYTHON_RAY251: process.env["VERLPOOL_TEST_PYTHON_RAY251"] ?? (await environment(runner, cache, "ray251")),
    VERLPOOL_TEST_PYTHON_SCHEMATHESIS:
      process.env["VERLPOOL_TEST_PYTHON_SCHEMATHESIS"] ?? (await environment(runner, cache, "schemathesis")),
  };
}

async function preparedPython(runner: Runner, testRoot: string): Promise<string> {
  const args = [join(root, "bin", "verlpool"), "prepare", "--no-executable", "--root", testRoot];
  const outcome = await runner.run({ name: "verlpool prepare", command: process.execPath, args, live: true });
  if (!outcome.ok) throw new Error(`\`verlpool prepare --root ${testRoot}\` failed: see ${outcome.log}`);
  const prepared: { readonly pythonPath: string } = JSON.parse(readFileSync(join(testRoot, "common", "verlpool", "prepared.json"), "utf8"));
  return prepared.pythonPath;
}

/** A virtual environment with scripts/python/NAME.txt, made anew whenever that file or the Python changes; gives its interpreter. */
async function environment(runner: Runner, cache: string, name: string): Promise<string> {
  const requirements = join(root, "scripts", "python", `${name}.txt`);
  const version = execFileSync("python3", ["-c", "import sys; print(sys.version)"], { encoding: "utf8" });
  const key = createHash("sha256").update(readFileSync(requirements)).update(version).digest("hex").slice(0, 12);
  const folder = join(cache, `${name}-${key}`);
  const python = join(folder, "bin", "python3");
  if (existsSync(join(folder, ".complete"))) return python;
  rmSync(folder, { recursive: true, force: true });
  const made = await runner.run({ name: `venv ${name}`, command: "python3", args: ["-m", "venv", folder] });
  if (!made.ok) throw new Error(`no Python environment for ${name}: see ${made.log}`);
  await pipInstall(runner, python, name, requirements);
  writeFileSync(join(folder, ".complete"), "");
  return python;
}

/** pip gives up on a time-out in the middle of a download; what it has is kept, so another try goes on from there. */
async function pipInstall(runner: Runner, python: string, name: string, requirements: string): Promise<void> {
  const args = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--timeout", "60", "--retries", "5", "-r", requirements];
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await runner.run({ name: `pip ${name} ${attempt}`, command: python, args });
    if (outcome.ok) return;
    if (attempt === PIP_TRIES) throw new Error(`pip could not install ${requirements} in ${PIP_TRIES} tries: see ${outcome.log}`);
  }
}

function onPath(command: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, command)));
}

function canRun(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
