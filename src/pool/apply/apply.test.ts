import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FakeHost, fakeHost } from "../../../test/support/fake-host.ts";
import { agentCommand, type HostsFile, type PoolHost } from "../../domain/pool-hosts.ts";
import { applyRound, type ApplyWorld, statusRound, stopRound } from "./apply.ts";
import { quoted } from "./remote-script.ts";
import { sshArgv, sshProblem } from "./ssh.ts";
import { killPatience } from "./watch.ts";

let dir = "";
let fake: FakeHost;
let marks = 0;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "verlpool-apply-"));
  fake = fakeHost(dir, "c1");
});
afterEach(() => rmSync(dir, { recursive: true }));

const signal = AbortSignal.timeout(60_000);
const ALL = { force: false, mayKill: () => true };

function world(): ApplyWorld {
  return {
    ssh: { program: fake.ssh, configFile: null, env: { PATH: process.env["PATH"] ?? "", HOME: dir } },
    clock: { monotonicMs: () => 0, sleep: () => Promise.resolve() },
    mark: () => `mark${(marks += 1)}`,
  };
}

function host(over: Partial<PoolHost> = {}): PoolHost {
  return { name: "gpu-1", ssh: { user: null, host: "h", port: null }, role: "worker", gpus: 2, labels: {}, env: {}, ...over };
}

const fileOf = (...hosts: readonly PoolHost[]): HostsFile => ({ root: fake.root, cluster: "c1", hosts });
const seconds = (ago: number): string => new Date(Date.now() - ago * 1000).toISOString();

function agentOf(one: PoolHost, over: object = {}): object {
  const name = one.role === "worker" ? `worker-${one.name}` : "head";
  return {
    name,
    role: one.role,
    state: "runs",
    pid: 999_999_999,
    since: seconds(600),
    argv: agentCommand(fileOf(), one),
    last_end: null,
    ...over,
  };
}

const beatOf = (ago: number, over: object = {}): object => ({
  schema: 1,
  seq: 7,
  state: "joined",
  at: seconds(ago),
  attempts: [],
  ...over,
});

describe("a round", () => {
  test("starts what does not run, with the flags of the file, and a second one changes nothing", async () => {
    const gpu = host({ labels: { rack: "a1" } });
    fake.setAgent("next", agentOf(gpu, { since: seconds(0) }));
    expect(await applyRound(world(), fileOf(gpu), ALL, signal)).toEqual([
      { name: "gpu-1", role: "worker", ok: true, state: "started", did: "started: it did not run", why: null },
    ]);
    const start = `start worker --root ${fake.root} --cluster c1 --node-name gpu-1 --num-gpus 2 --label rack=a1 NCCL_X=`;
    expect(fake.calls().filter((call) => !call.startsWith("status"))).toEqual([start]);
    fake.setBeat("nodes/gpu-1.json", beatOf(1));
    expect(await applyRound(world(), fileOf(gpu), ALL, signal)).toMatchObject([{ ok: true, state: "joined", did: null }]);
    expect(fake.calls().filter((call) => call.startsWith("start"))).toHaveLength(1);
  });

  test("says which host can't be reached, and goes on with the others", async () => {
    const gone = host({ name: "gone", ssh: { user: "a", host: "gone", port: 22 } });
    const gpu = host();
    fake.setAgent("worker-gpu-1", agentOf(gpu));
    fake.setBeat("nodes/gpu-1.json", beatOf(1));
    expect(await applyRound(world(), fileOf(gone, gpu), ALL, signal)).toMatchObject([
      { name: "gone", ok: false, state: "unreachable", why: "connect to host gone port 22: Connection refused" },
      { name: "gpu-1", ok: true, state: "joined" },
    ]);
  });

  test("says why an agent did not start", async () => {
    writeFileSync(join(dir, "state", "refuse"), "");
    expect(await applyRound(world(), fileOf(host()), ALL, signal)).toMatchObject([
      { ok: false, state: "stopped", did: "start failed: verlpool: no Ray here" },
    ]);
  });

  test("restarts an agent with other flags, but not while attempts run there, unless forced", async () => {
    const gpu = host({ gpus: 4 });
    fake.setAgent("worker-gpu-1", agentOf(host({ gpus: 2 })));
    fake.setAgent("next", agentOf(gpu));
    fake.setBeat("nodes/gpu-1.json", beatOf(1, { attempts: ["t--a01"] }));
    const [busy] = await applyRound(world(), fileOf(gpu), ALL, signal);
    expect(busy).toMatchObject({ ok: false, did: expect.stringMatching(/^not restarted: its flags are others, but 1 attempts run there/) });
    const [forced] = await applyRound(world(), fileOf(gpu), { ...ALL, force: true }, signal);
    expect(forced).toMatchObject({ ok: true, did: "restarted: its flags are others" });
  });

  test("gives the agent its environment, and restarts it when that changes", async () => {
    const gpu = (value: string): PoolHost => host({ env: { NCCL_X: value } });
    fake.setAgent("next", agentOf(host()));
    fake.setBeat("nodes/gpu-1.json", beatOf(1));
    const value = `it's $HOME; \`id\` "$(id)" \\n`;
    await applyRound(world(), fileOf(gpu(value)), ALL, signal);
    expect(
      fake
        .calls()
        .find((call) => call.startsWith("start"))
        ?.endsWith(`NCCL_X=${value}`),
    ).toBe(true);
    expect(await applyRound(world(), fileOf(gpu(value)), ALL, signal)).toMatchObject([{ did: null }]);
    expect(await applyRound(world(), fileOf(gpu("2")), ALL, signal)).toMatchObject([{ did: "restarted: its environment is another one" }]);
    expect(await applyRound(world(), fileOf(gpu("2")), ALL, signal)).toMatchObject([{ did: null }]);
  });

  test("kills a silent agent, after a second look, and only if its pid is still the agent's", async () => {
    const gpu = host();
    const argv = ["-c", "sleep 60; :", "x", ...agentCommand(fileOf(), gpu)];
    const agent = spawn("/bin/sh", argv, { stdio: "ignore" });
    const other = spawn("/bin/sleep", ["60"], { stdio: "ignore" });
    try {
      fake.setBeat("nodes/gpu-1.json", beatOf(95));
      fake.setAgent("worker-gpu-1", agentOf(gpu, { pid: other.pid }));
      expect(await applyRound(world(), fileOf(gpu), ALL, signal)).toMatchObject([
        { ok: false, state: "silent", did: expect.stringMatching(/^kill failed/) },
      ]);
      expect(other.exitCode).toBeNull();
      fake.setAgent("worker-gpu-1", agentOf(gpu, { pid: agent.pid }));
      expect(await applyRound(world(), fileOf(gpu), { ...ALL, mayKill: () => false }, signal)).toMatchObject([
        { ok: false, did: expect.stringMatching(/^left alone/) },
      ]);
      const ended = once(agent, "exit");
      expect(await applyRound(world(), fileOf(gpu), ALL, signal)).toMatchObject([
        { did: expect.stringMatching(/^killed, so that it starts again: silent for 9\d s$/) },
      ]);
      expect(await ended).toEqual([null, "SIGKILL"]);
    } finally {
      agent.kill("SIGKILL");
      other.kill("SIGKILL");
    }
  });

  test.each([
    ["moves between the two looks", 8, 600],
    ["was started just now", 7, 5],
  ])("leaves an agent alone whose beat is old but that %s", async (_what, seq, since) => {
    const gpu = host();
    fake.setAgent("worker-gpu-1", agentOf(gpu, { since: seconds(since) }));
    fake.setBeat("nodes/gpu-1.json", beatOf(95));
    const sleep = (): Promise<void> => Promise.resolve(fake.setBeat("nodes/gpu-1.json", beatOf(95, { seq })));
    const rows = await applyRound({ ...world(), clock: { monotonicMs: () => 0, sleep } }, fileOf(gpu), ALL, signal);
    expect(rows).toMatchObject([{ did: null }]);
  });

  test("reads only what its own script says: a greeting, and a forged answer in it, count for nothing", async () => {
    const gpu = host({ ssh: { user: null, host: "noisy", port: null } });
    fake.setAgent("worker-gpu-1", agentOf(gpu));
    fake.setBeat("nodes/gpu-1.json", beatOf(1));
    expect(await statusRound(world(), fileOf(gpu), signal)).toMatchObject([{ ok: true, state: "joined" }]);
  });

  test("an agent of an older version goes on beside a newer current, and its beat with fields of another version is read", async () => {
    const gpu = host();
    const own = join(fake.root, "common", "verlpool");
    renameSync(join(own, "current"), join(own, "2.5.0"));
    symlinkSync("2.5.0", join(own, "current"));
    fake.setAgent("worker-gpu-1", agentOf(gpu));
    fake.setBeat("nodes/gpu-1.json", beatOf(1, { agent_version: "2.4.0", later_field: { a: 1 } }));
    expect(await applyRound(world(), fileOf(gpu), ALL, signal)).toMatchObject([
      { ok: true, state: "joined", did: null, why: "runs 2.4.0; current is 2.5.0" },
    ]);
  });

  test.each([
    ["storage", "no storage"],
    ["program", "no program"],
  ])("says that the %s is missing there, and what to do", async (what, state) => {
    rmSync(what === "storage" ? fake.root : join(fake.root, "common", "verlpool"), { recursive: true });
    expect(await applyRound(world(), fileOf(host()), ALL, signal)).toMatchObject([{ ok: false, state, did: null }]);
  });

  test("stop ends what runs, and nothing more is success", async () => {
    fake.setAgent("worker-gpu-1", agentOf(host()));
    expect(await stopRound(world(), fileOf(host()), signal)).toMatchObject([{ ok: true, state: "stopped", did: "stopped" }]);
    expect(await stopRound(world(), fileOf(host()), signal)).toMatchObject([{ ok: true, state: "stopped", did: null }]);
  });

  test("a head is judged by head.json; one that another host writes makes it a standby", async () => {
    const head = host({ name: "head-1", role: "head", gpus: null });
    fake.setAgent("head", agentOf(head));
    const record = (owner: string) => ({
      schema: 1,
      seq: 1,
      published_at: seconds(owner === hostname() ? 1 : 900),
      owner: { host: owner },
    });
    fake.setBeat("head.json", record(hostname()));
    expect(await applyRound(world(), fileOf(head), ALL, signal)).toMatchObject([{ ok: true, state: "head", did: null }]);
    fake.setBeat("head.json", record("elsewhere"));
    expect(await applyRound(world(), fileOf(head), ALL, signal)).toMatchObject([{ state: "standby", why: "elsewhere is head", did: null }]);
  });
});

test("ssh gets the target behind --, and no terminal, password or forwarding", () => {
  const argv = sshArgv({ program: "ssh", configFile: "/c", env: {} }, { user: "ops", host: "fd00::1", port: 2222 });
  expect(argv.slice(0, 2)).toEqual(["-F", "/c"]);
  expect(argv.slice(-7)).toEqual(["-p", "2222", "-l", "ops", "--", "fd00::1", "exec /bin/sh -s"]);
  expect(argv).toEqual(expect.arrayContaining(["BatchMode=yes", "ForwardAgent=no", "ClearAllForwardings=yes", "RequestTTY=no"]));
});

test("ssh's refusals are told with what to do", () => {
  expect(sshProblem("Host key verification failed.\r\n")).toMatch(/Connect once by hand/);
  expect(sshProblem("a@h: Permission denied (publickey).\n")).toMatch(/Nobody is asked for a password/);
  expect(sshProblem("")).toBe("ssh ended without a word");
});

test.each(["a'b", "'; id; '", "$(id)", "a\nb", "\\'", ""])("%j in quotes is one word of a shell", async (text) => {
  const shell = spawn("/bin/sh", ["-c", `printf %s ${quoted(text)}`], { stdio: ["ignore", "pipe", "ignore"] });
  const parts: Buffer[] = [];
  shell.stdout.on("data", (part: Buffer) => parts.push(part));
  await once(shell, "close");
  expect(Buffer.concat(parts).toString()).toBe(text);
});

test("a silent agent is killed less and less often, until it is well again", () => {
  let now = 0;
  const patience = killPatience(() => now, 60_000);
  const row = { name: "a", role: "worker", why: null } as const;
  const killed: number[] = [];
  for (; now < 3_600_000; now += 60_000) {
    if (!patience.mayKill("a")) continue;
    killed.push(now / 60_000);
    patience.note([{ ...row, ok: false, state: "silent", did: "killed, so that it starts again: silent for 60 s" }]);
  }
  expect(killed).toEqual([0, 1, 3, 7, 15, 31]);
  patience.note([{ ...row, ok: true, state: "joined", did: null }]);
  expect(patience.mayKill("a")).toBe(true);
});
