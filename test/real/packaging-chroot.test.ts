/**
 * The single executable as `prepare` publishes it, on a host that has no Node: a chroot with libc, `sh` and the shared root. The command line and the server
 * run in one that has nothing else; head and worker in one that has Python with Ray, as verl's container images do.
 */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  lstatSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { executableSource } from "../../src/main/local/executable-source.ts";
import { chooseFreePorts } from "../../src/pool/free-ports.ts";
import { publishStep } from "../../src/pool/prepare/executable-step.ts";
import { parseNodeFile } from "../../src/storage/node-file.ts";
import { type BareRoot, makeBareRoot, type Shown } from "../support/bare-root.ts";
import { pythonFrom } from "../support/real-ray.ts";

const PROGRAM = "/private/common/verlpool/current/verlpool";
const TOKEN = "test-admin-token-0123456789";
const dir = mkdtempSync(join(tmpdir(), "vpc-"));
const shared = join(dir, "private");
const executable = join(shared, "common", "verlpool", "current", "verlpool");
let bare: BareRoot;

type Process = ReturnType<BareRoot["start"]>;
const running: { readonly child: Process; readonly said: string[] }[] = [];

beforeAll(async () => {
  mkdirSync(join(shared, "common", "logs"), { recursive: true });
  const step = {
    source: executableSource(process.env),
    directory: join(shared, "common", "verlpool"),
    logFile: join(dir, "build.log"),
    monotonicMs: () => performance.now(),
  };
  await publishStep(step, () => undefined, AbortSignal.timeout(300_000));
  bare = makeBareRoot(join(dir, "bare"), [executable], [{ from: shared, at: "/private" }]);
});

afterEach(async () => {
  for (const { child } of running.splice(0)) {
    child.kill("SIGTERM");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
});

afterAll(() => rmSync(dir, { recursive: true }));

function start(root: BareRoot, argv: readonly string[], env: { readonly [name: string]: string } = {}) {
  const child = root.start(argv, env);
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => said.push(text));
  running.push({ child, said });
  return { child, said };
}

async function run(root: BareRoot, argv: readonly string[], env: { readonly [name: string]: string } = {}) {
  const { child, said } = start(root, argv, env);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, text: said.join("") };
}

test("the host has neither Node nor Python, and the command line runs there without a home", async () => {
  expect(await run(bare, ["/bin/sh", "-c", "command -v node || command -v python3 || echo none"])).toEqual({ code: 0, text: "none\n" });
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"));
  expect(await run(bare, [PROGRAM, "--version"])).toEqual({ code: 0, text: `${version}\n` });
  expect((await run(bare, [PROGRAM, "template", "grpo"])).text).toMatch(/^workload: grpo$/m);
});

test("the server runs there, its helper process too: users, the page, a database, and an end when it is asked", async () => {
  const server = start(bare, [PROGRAM, "server", "--dev", "--root", "/private", "--port", "0"], { MVP_INTERNAL_TOKEN: TOKEN });
  await expect.poll(() => server.said.join(""), { timeout: 60_000 }).toMatch(/listening on http/);
  const url = /listening on (\S+)/.exec(server.said.join(""))?.[1] ?? "";
  await expect.poll(() => storageOf(url), { timeout: 30_000 }).toBe("ok");
  const env = { VERLPOOL_URL: url, VERLPOOL_TOKEN: TOKEN };
  expect(await run(bare, [PROGRAM, "user", "create", "alice"], env)).toMatchObject({ code: 0 });
  expect((await run(bare, [PROGRAM, "user", "list", "--json"], env)).text).toContain('"alice"');
  // Another version becomes current, one that can't even start: this server goes on, and starts its helper from its own file.
  const [helper = 0] = childrenOf(server.child);
  const restore = switchCurrent("9.9.9");
  process.kill(helper, "SIGKILL");
  await expect
    .poll(async () => ({ storage: await storageOf(url), fresh: childrenOf(server.child).some((pid) => pid !== helper) }), {
      timeout: 30_000,
    })
    .toEqual({ storage: "ok", fresh: true });
  restore();
  const page = await fetch(`${url}/`);
  expect([page.status, await page.text()]).toEqual([200, expect.stringMatching(/<!doctype html>/i)]);
  expect(existsSync(join(shared, "common", "db", "mvp.sqlite3"))).toBe(true);
  server.child.kill("SIGTERM");
  expect((await once(server.child, "exit"))[0]).toBe(0);
});

test("head and worker run there on the Ray of its Python, and the worker joins", async () => {
  const shown = [{ from: shared, at: "/private" }, ...pythonPlaces(pythonFrom("VERLPOOL_TEST_PYTHON"))];
  const host = makeBareRoot(join(dir, "ray"), [executable], shown, ["/usr/bin/setpriv", "/usr/bin/unshare"]);
  expect((await run(host, ["/bin/sh", "-c", "command -v node || echo none"])).text).toBe("none\n");
  const [rayPort = 0, dashboardPort = 0] = await chooseFreePorts(2, process.pid);
  // Ray replaces 127.0.0.1.
  const agent = (role: string, nodeIp: string, ...flags: readonly string[]) =>
    start(host, [PROGRAM, role, "--root", "/private", "--cluster", "c1", "--node-ip", nodeIp, "--state-dir", `/state/${role}`, ...flags], {
      HOME: "/state",
      VERLPOOL_POOL_PYTHON: pythonFrom("VERLPOOL_TEST_PYTHON"),
    });
  const head = agent("head", "127.0.0.2", "--ray-port", String(rayPort), "--dashboard-port", String(dashboardPort));
  const worker = agent("worker", "127.0.0.3", "--node-name", "w1", "--num-gpus", "0", "--num-cpus", "1", "--object-store-mib", "80");
  try {
    await Promise.race([joins(), ...[head, worker].map(({ child }) => endsEarly(child))]);
  } catch (error) {
    throw new Error(`the worker did not join:\n${head.said.join("")}\n${worker.said.join("")}`, { cause: error });
  }
}, 400_000);

function childrenOf({ pid }: Process): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .trim()
    .split(" ")
    .filter((text) => text !== "")
    .map(Number);
}

/** Gives what puts the old one back. */
function switchCurrent(version: string): () => void {
  const own = join(shared, "common", "verlpool");
  const before = readlinkSync(join(own, "current"));
  mkdirSync(join(own, version));
  writeFileSync(join(own, version, "verlpool"), "#!/bin/sh\nexit 1\n", { mode: 0o555 });
  const point = (to: string): void => {
    symlinkSync(to, join(own, "fresh"));
    renameSync(join(own, "fresh"), join(own, "current"));
  };
  point(version);
  return () => point(before);
}

async function storageOf(url: string): Promise<string | undefined> {
  const ready = (await (await fetch(`${url}/readyz`)).json()) as { checks: { [name: string]: { status: string } } };
  return ready.checks["storage"]?.status;
}

async function joins(): Promise<void> {
  await expect.poll(() => stateOf("w1"), { timeout: 240_000, interval: 200 }).toBe("joined");
}

async function endsEarly(child: Process): Promise<never> {
  const [code] = (await once(child, "exit")) as [number | null];
  throw new Error(`one ended with ${code}`);
}

function stateOf(node: string): string | null {
  const file = join(shared, "ray", "discovery", "c1", "nodes", `${node}.json`);
  return existsSync(file) ? (parseNodeFile(readFileSync(file))?.state ?? null) : null;
}

/** What a Python needs of this machine: its environment, the installation that was made from, and the system's libraries. */
function pythonPlaces(python: string): readonly Shown[] {
  const ask = "import sys; print(sys.prefix, sys.base_prefix, sep='\\n')";
  const [prefix = "", base = ""] = execFileSync(python, ["-c", ask], { encoding: "utf8" }).trim().split("\n");
  // Those hold this machine's programs too, Node among them.
  const isSystem = ["/usr", "/usr/local"].includes(base);
  const installation = isSystem ? [join(base, "lib"), ...linksOf(python).filter((link) => !link.startsWith(`${prefix}/`))] : [base];
  const places = new Set([prefix, "/usr/lib", "/lib", "/lib64", ...installation]);
  return [...places].filter((place) => existsSync(place)).map((place) => ({ from: place, at: place }));
}

/** The path and everything that it is a link to. */
function linksOf(path: string): readonly string[] {
  if (!lstatSync(path).isSymbolicLink()) return [path];
  return [path, ...linksOf(resolve(dirname(path), readlinkSync(path)))];
}
