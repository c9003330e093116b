/** `verlpool pool apply` over a real sshd on loopback, with real agents: started, left alone, started again, stopped. No Ray runs, so the worker searches. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { HostRow } from "../../src/pool/apply/apply.ts";
import { isAlive, recordProcess } from "../../src/pool/process-record.ts";
import { pythonFrom } from "../support/real-ray.ts";
import { type Sshd, startSshd } from "../support/sshd.ts";

const CLI = join(import.meta.dirname, "../../src/main/cli.ts");
const NODE = [process.execPath, "--disable-warning=ExperimentalWarning"];
const COVERAGE = process.env["NODE_V8_COVERAGE"];
/** Compiled sources shared by all starts halve what a start costs; they would blur coverage, so then there are none. */
const COMPILED =
  COVERAGE === undefined
    ? { NODE_COMPILE_CACHE: join(tmpdir(), `verlpool-test-compiled-${process.getuid?.() ?? 0}`) }
    : { NODE_V8_COVERAGE: COVERAGE };
const dir = mkdtempSync(join(tmpdir(), "verlpool-ssh-"));
const root = join(dir, "root");
const hostsFile = join(dir, "hosts.yaml");
let sshd: Sshd;

beforeAll(async () => {
  sshd = await startSshd(dir);
  const program = join(root, "common", "verlpool", "current");
  mkdirSync(program, { recursive: true });
  // As the single executable would lie there; test/real/packaging-chroot.test.ts runs that one.
  writeFileSync(join(program, "verlpool"), `#!/bin/sh\nexec ${NODE.join(" ")} ${CLI} "$@"\n`);
  chmodSync(join(program, "verlpool"), 0o755);
  writeHosts(`ssh: ${sshd.user}@127.0.0.1:${sshd.port}`);
});

afterAll(async () => {
  await pool("stop", "--host", "gpu-1");
  await sshd.stop();
  rmSync(dir, { recursive: true });
});

function writeHosts(reached: string): void {
  writeFileSync(
    hostsFile,
    `root: ${root}
cluster: c1
hosts:
  - name: gone
    ssh: ${sshd.user}@127.0.0.1:1
    role: worker
  - name: gpu-1
    ${reached}
    role: worker
    gpus: 0
    labels: {rack: a1}
    env:
      VERLPOOL_STATE_DIR: ${join(dir, "state")}
      VERLPOOL_POOL_PYTHON: ${pythonFrom("VERLPOOL_TEST_PYTHON")}
      ${Object.entries(COMPILED).flat().join(": ")}
`,
  );
}

type Said = { readonly code: number | null; readonly rows: readonly HostRow[]; readonly stderr: string };

async function pool(verb: string, ...flags: readonly string[]): Promise<Said> {
  const child = startPool(verb, ...flags);
  const [out, err]: [string[], string[]] = [[], []];
  child.stdout.setEncoding("utf8").on("data", (text: string) => out.push(text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => err.push(text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, rows: out.length === 0 ? [] : (JSON.parse(out.join("")) as { hosts: HostRow[] }).hosts, stderr: err.join("") };
}

function startPool(verb: string, ...flags: readonly string[]) {
  const argv = [...NODE.slice(1), CLI, "pool", verb, hostsFile, "--json", "--ssh-config", sshd.configFile, ...flags];
  return spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...COMPILED } });
}

type Agent = { readonly state: string; readonly pid: number; readonly supervisor_pid: number; readonly restarts: number };

/** As the host itself says it, without SSH. */
function agent(): Agent {
  const argv = [...NODE.slice(1), CLI, "status", "worker", "--root", root, "--cluster", "c1", "--node-name", "gpu-1", "--json"];
  const env = { ...process.env, ...COMPILED, VERLPOOL_STATE_DIR: join(dir, "state") };
  const { stdout } = spawnSync(process.execPath, argv, { encoding: "utf8", env });
  return (JSON.parse(stdout) as { agents: Agent[] }).agents[0] ?? { state: "none", pid: 0, supervisor_pid: 0, restarts: 0 };
}

function rewrite(path: string, from: RegExp, to: string): void {
  const text = readFileSync(path, "utf8");
  expect(text).toMatch(from);
  writeFileSync(path, text.replace(from, to));
}

test("apply starts an agent over SSH, says which host is gone, changes nothing the second time, and starts what was killed", async () => {
  const first = await pool("apply");
  expect(first.rows).toMatchObject([
    { name: "gone", ok: false, state: "unreachable", did: null, why: expect.stringContaining("Connection refused") },
    { name: "gpu-1", ok: true, did: "started: it did not run" },
  ]);
  expect(first.code).toBe(1);
  const started = agent();
  expect(started.state).toBe("runs");

  const again = await pool("apply", "--host", "gpu-1");
  expect(again).toMatchObject({ code: 0, rows: [{ ok: true, state: "searching", did: null }] });
  expect(agent().pid).toBe(started.pid);

  // The supervisor is gone with its agent, as after a reboot.
  for (const pid of [agent().supervisor_pid, started.pid]) process.kill(pid, "SIGKILL");
  expect(await pool("apply", "--host", "gpu-1")).toMatchObject({ code: 0, rows: [{ ok: true, did: "started: it was gone" }] });
  expect(agent()).toMatchObject({ state: "runs" });
}, 120_000);

test("--watch finds an agent that stands still, kills it, and its supervisor starts another one", async () => {
  const before = agent();
  const stopped = recordProcess("agent", before.pid);
  if (stopped === null) throw new Error("the agent is gone");
  process.kill(before.pid, "SIGSTOP");
  const longAgo = new Date(Date.now() - 95_000).toISOString();
  // Both long ago, by the host's clock: the wait for 30 s of silence is `decide`'s, and tested there.
  rewrite(join(root, "ray", "discovery", "c1", "nodes", "gpu-1.json"), /"at":"[^"]*"/, `"at":"${longAgo}"`);
  const [record = ""] = globSync("state/agents/*/worker-gpu-1/record.json", { cwd: dir });
  rewrite(join(dir, record), /"since": "[^"]*"/, `"since": "${longAgo}"`);
  const watch = startPool("apply", "--host", "gpu-1", "--watch", "--every", "2s");
  const lines: string[] = [];
  watch.stdout.setEncoding("utf8").on("data", (text: string) => lines.push(text));
  await expect.poll(() => lines.join(""), { timeout: 60_000 }).toMatch(/killed, so that it starts again: silent for \d+ s/);
  expect(isAlive(stopped)).toBe(false);
  await expect.poll(() => agent(), { timeout: 30_000 }).toMatchObject({ state: "runs", restarts: 1 });
  watch.kill("SIGINT");
  expect((await once(watch, "exit"))[0]).toBe(130);
}, 120_000);

test("a host whose key is another one is refused, and nothing runs there", async () => {
  const known = join(dir, "known_hosts");
  const right = readFileSync(known, "utf8");
  writeFileSync(known, readFileSync(join(dir, "user_key.pub"), "utf8").replace(/^/, `[127.0.0.1]:${sshd.port} `));
  try {
    expect(await pool("status", "--host", "gpu-1")).toMatchObject({
      code: 1,
      rows: [{ state: "unreachable", why: expect.stringMatching(/key/) }],
    });
  } finally {
    writeFileSync(known, right);
  }
});

test.each(["-oProxyCommand=touch /tmp/verlpool-pwned", "a;id", "$(id)@127.0.0.1"])(
  "the target %j is refused with its line, before any ssh",
  async (target) => {
    const good = readFileSync(hostsFile, "utf8");
    writeHosts(`ssh: '${target}'`);
    try {
      const { code, stderr } = await pool("apply");
      expect([code, stderr]).toEqual([2, expect.stringMatching(/hosts\.yaml:8:10: hosts\[1\]\.ssh: is not allowed/)]);
    } finally {
      writeFileSync(hostsFile, good);
    }
  },
);

test("stop ends the agent over SSH, and a second stop finds nothing to do", async () => {
  const { pid } = agent();
  expect(await pool("stop", "--host", "gpu-1")).toMatchObject({ code: 0, rows: [{ state: "stopped", did: "stopped" }] });
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  expect(await pool("stop", "--host", "gpu-1")).toMatchObject({ code: 0, rows: [{ state: "stopped", did: null }] });
}, 120_000);
