/**
 * Hosts on one machine: network, mount, PID and host name namespaces on a switch of their own. Nothing has a name outside: each namespace lives as
 * long as its pid 1, which ends when our end of its stdin closes, so that even a killed test leaves no process, no interface and no mount behind.
 * Needs root, iproute2 and util-linux.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { type HostView, viewScript } from "./host-view.ts";

const START_MS = 20_000;

export type Host = {
  readonly name: string;
  readonly address: string;
  /** Pid 1 of the host, as this machine counts. */
  readonly init: number;
  /** Takes its cable out, or puts it back: nothing passes, nobody is told. */
  readonly cut: () => void;
  readonly heal: () => void;
  /** All processes of the host die at once, as with a container that is removed. */
  readonly remove: () => Promise<void>;
};

export type Network = {
  readonly addHost: (view: HostView) => Promise<Host>;
  readonly close: () => Promise<void>;
};

export async function openNetwork(): Promise<Network> {
  const id = randomBytes(3).toString("hex");
  const subnet = freeSubnet(Number.parseInt(id, 16));
  const middle = await startInit("", ["--net"]);
  const hosts = new Map<string, Host>();
  let addresses = 1;
  let cables = 0;
  try {
    inside(middle, "ip", "link", "add", "switch", "type", "bridge", "forward_delay", "0");
    inside(middle, "ip", "link", "set", "switch", "up");
    ip("link", "add", `vp${id}`, "type", "veth", "peer", "name", "observer", "netns", `${middle.pid}`);
    inside(middle, "ip", "link", "set", "observer", "master", "switch", "up");
    ip("address", "add", `${subnet}.1/24`, "dev", `vp${id}`);
    ip("link", "set", `vp${id}`, "up");
  } catch (error) {
    await middle.end();
    throw error;
  }

  async function addHost(view: HostView): Promise<Host> {
    addresses += 1;
    cables += 1;
    const address = `${subnet}.${addresses}`;
    const cable = `host${cables}`;
    const init = await startInit(viewScript(view, address), [
      "--net",
      "--mount",
      "--propagation",
      "private",
      "--uts",
      "--ipc",
      "--mount-proc",
    ]);
    try {
      inside(middle, "ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", `${init.pid}`);
      inside(middle, "ip", "link", "set", cable, "master", "switch", "up");
      inside(init, "ip", "link", "set", "lo", "up");
      inside(init, "ip", "address", "add", `${address}/24`, "dev", "eth0");
      inside(init, "ip", "link", "set", "eth0", "up");
      inside(init, "ip", "route", "add", "default", "via", `${subnet}.1`);
    } catch (error) {
      await init.end();
      throw error;
    }
    const host: Host = {
      name: view.hostname,
      address,
      init: init.pid,
      cut: () => inside(middle, "ip", "link", "set", cable, "down"),
      heal: () => inside(middle, "ip", "link", "set", cable, "up"),
      remove: async () => {
        hosts.delete(cable);
        await init.end();
      },
    };
    hosts.set(cable, host);
    return host;
  }

  return {
    addHost,
    close: async () => {
      await Promise.all([...hosts.values()].map((host) => host.remove()));
      ip("link", "delete", `vp${id}`);
      await middle.end();
    },
  };
}

export type InHost = {
  readonly argv: readonly string[];
  readonly env: { readonly [name: string]: string };
  /** A file descriptor for what it says. */
  readonly output: number;
  /** Null = root. */
  readonly uid: number | null;
};

/** The program as a direct child of the child that is returned, which ends as it does, and stops with it: to go on, both need SIGCONT. It starts in the host's `/`. */
export function spawnInHost(host: Host, { argv, env, output, uid }: InHost): ChildProcess {
  const enter = ["--target", `${host.init}`, "--net", "--mount", "--uts", "--ipc", "--pid", "--"];
  const args = [...enter, ...(uid === null ? [] : withoutCapabilities(uid)), ...argv];
  return spawn("setpriv", ["--pdeathsig=KILL", "--", "nsenter", ...args], {
    env: { ...env },
    detached: true,
    stdio: ["ignore", output, output],
  });
}

function withoutCapabilities(uid: number): readonly string[] {
  return [
    "setpriv",
    `--reuid=${uid}`,
    `--regid=${uid}`,
    "--clear-groups",
    "--bounding-set=-all",
    "--inh-caps=-all",
    "--no-new-privs",
    "--",
  ];
}

type Init = { readonly pid: number; readonly end: () => Promise<void> };

/** With SIGCHLD ignored, whatever ends there is reaped by the kernel. */
async function startInit(script: string, namespaces: readonly string[]): Promise<Init> {
  const life = [script, "echo ready", "trap '' CHLD", "exec cat"].filter((line) => line !== "").join("\n");
  const args = [...namespaces, "--pid", "--fork", "--kill-child=SIGKILL", "sh", "-c", life];
  const child = spawn("unshare", args, { detached: true, stdio: ["pipe", "pipe", "pipe"] });
  const ended = once(child, "exit");
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const end = async (): Promise<void> => {
    child.stdin.end();
    await ended;
  };
  const outcome = await Promise.race([
    once(createInterface({ input: child.stdout }), "line").then(() => "ready"),
    ended.then(() => "ended"),
    once(AbortSignal.timeout(START_MS), "abort").then(() => "late"),
  ]);
  const [pid] = outcome === "ready" ? childrenOf(child.pid ?? 0) : [];
  if (pid === undefined) {
    child.kill("SIGKILL");
    throw new Error(`a host could not be made (${outcome}): network namespaces need root and iproute2.\n${said}`);
  }
  return { pid, end };
}

export function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ").filter(Boolean).map(Number);
}

function inside(init: Pick<Init, "pid">, ...command: readonly string[]): void {
  execFileSync("nsenter", ["--target", `${init.pid}`, "--net", "--", ...command], { stdio: ["ignore", "ignore", "pipe"] });
}

function ip(...args: readonly string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** A /24 that no route of this machine knows. */
function freeSubnet(seed: number): string {
  const routes = execFileSync("ip", ["-4", "route", "show", "table", "all"], { encoding: "utf8" });
  for (let step = 0; step < 10_000; step += 1) {
    const candidate = `10.${200 + ((seed + step) % 50)}.${(seed * 7 + step) % 256}`;
    if (!routes.includes(`${candidate}.`)) return candidate;
  }
  throw new Error("no network 10.200.0.0 to 10.249.255.0 is free");
}
