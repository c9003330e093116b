/**
 * A pool whose machines are namespaces: a head, workers and a spare, each with its own address, /tmp, /dev/shm and process numbers, and one shared
 * root. The agents are the product's own commands, kept as a compute platform keeps containers.
 */
import { chmodSync, chownSync, globSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { logTail } from "../../src/pool/ray-process.ts";
import { hostFolders, programPlaces } from "./host-view.ts";
import { type KeptAgent, keepAgent } from "./kept-agent.ts";
import { type Host, type Network, openNetwork } from "./netns.ts";

const CHECKOUT = join(import.meta.dirname, "../..");
const CLI = join(CHECKOUT, "src/main/cli.ts");
export const CLUSTER = "three";
const NOBODY = 65_534;

/** root: agents may make namespaces. ordinary: a user without any capability, in a container whose /proc is masked. */
export type Privilege = "root" | "ordinary";

export type Role = "head" | "worker";

export type PoolHost = Host & {
  readonly tmp: string;
  readonly state: string;
};

export type PoolAgent = KeptAgent & { readonly host: PoolHost; readonly role: Role };

export type PoolWorld = {
  readonly privilege: Privilege;
  readonly python: string;
  /** Of agents and all that they start. */
  readonly uid: number;
  readonly root: string;
  /** Ray's, once the head has made it. */
  readonly tokenFile: string;
  readonly discoveryDir: string;
  readonly hosts: () => readonly PoolHost[];
  readonly agents: () => readonly PoolAgent[];
  readonly addHost: (name: string) => Promise<PoolHost>;
  readonly startAgent: (host: PoolHost, role: Role) => KeptAgent;
  readonly agentOn: (name: string) => PoolAgent;
  readonly stopAgent: (name: string, signal: "SIGTERM" | "SIGKILL") => Promise<void>;
  /** The machine dies with all that ran on it and all its own files, and a new one of that name and command takes its place. */
  readonly replaceHost: (name: string) => Promise<PoolHost>;
  /** The last lines of every agent's log and of the Ray nodes', for a failure. */
  readonly story: () => string;
  readonly close: () => Promise<void>;
};

export async function openPoolWorld(python: string, privilege: Privilege): Promise<PoolWorld> {
  const home = mkdtempSync(join(tmpdir(), "vpw-"));
  const uid = privilege === "root" ? null : NOBODY;
  chmodSync(home, 0o755);
  const root = ownFolder(join(home, "shared"));
  const compiled = ownFolder(join(home, "compiled"));
  const discoveryDir = join(root, "ray", "discovery", CLUSTER);
  const network: Network = await openNetwork();
  const hosts = new Map<string, PoolHost>();
  const agents = new Map<string, PoolAgent>();
  let made = 0;

  function ownFolder(path: string): string {
    mkdirSync(path, { recursive: true });
    if (uid !== null) chownSync(path, uid, uid);
    return path;
  }

  async function addHost(name: string): Promise<PoolHost> {
    made += 1;
    const folders = hostFolders(join(home, `${name}-${made}`));
    mkdirSync(folders.tmp, { recursive: true });
    chmodSync(folders.tmp, 0o1777);
    ownFolder(folders.state);
    const places = programPlaces(CHECKOUT, realpathSync(join(CHECKOUT, "node_modules")), process.execPath, python, realpathSync(python));
    const kept = [root, compiled, folders.state, ...places];
    const host = { ...(await network.addHost({ hostname: name, tmp: folders.tmp, masked: uid !== null, kept })), ...folders };
    hosts.set(name, host);
    return host;
  }

  function startAgent(host: PoolHost, role: Role): KeptAgent {
    const command = { argv: agentArgv(role, host, root), env: envOf(host, python, privilege, compiled), uid };
    const agent = keepAgent(host, command, join(home, `${host.name}-${role}.log`));
    agents.set(host.name, { ...agent, host, role });
    return agent;
  }

  function agentOn(name: string): PoolAgent {
    const agent = agents.get(name);
    if (agent === undefined) throw new Error(`no agent is kept on ${name}`);
    return agent;
  }

  async function stopAgent(name: string, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const agent = agentOn(name);
    agents.delete(name);
    await agent.stop(signal);
  }

  async function replaceHost(name: string): Promise<PoolHost> {
    const { role } = agentOn(name);
    const old = hosts.get(name);
    const stopped = stopAgent(name, "SIGKILL");
    await old?.remove();
    await stopped;
    const host = await addHost(name);
    startAgent(host, role);
    return host;
  }

  return {
    privilege,
    python,
    uid: uid ?? 0,
    root,
    tokenFile: join(discoveryDir, "ray-token"),
    discoveryDir,
    hosts: () => [...hosts.values()],
    agents: () => [...agents.values()],
    addHost,
    startAgent,
    agentOn,
    stopAgent,
    replaceHost,
    story: () => storyOf([...agents.values()]),
    close: async () => {
      const stopped = [...agents.keys()].map((name) => stopAgent(name, "SIGKILL"));
      await network.close();
      await Promise.all(stopped);
      rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}

function storyOf(agents: readonly PoolAgent[]): string {
  const logs = agents.flatMap(({ logFile, host }) => [
    logFile,
    ...globSync(join(host.state, "**", "ray-*.log")),
    ...globSync(join(host.tmp, "*", "*", "session_2*", "logs", "raylet.{out,err}")),
  ]);
  return logs.map((file) => `--- ${file}\n${logTail(file, 15)}`).join("\n");
}

function agentArgv(role: Role, host: PoolHost, root: string): readonly string[] {
  const common = ["--root", root, "--cluster", CLUSTER, "--state-dir", host.state];
  const own = role === "worker" ? ["--num-gpus", "4", "--num-cpus", "8", "--object-store-mib", "80"] : [];
  return [process.execPath, "--disable-warning=ExperimentalWarning", CLI, role, ...common, ...own];
}

/** Compiled sources shared by all agents halve what a start of one costs; they would blur coverage, so then there are none. */
function envOf(host: PoolHost, python: string, privilege: Privilege, compiled: string): { readonly [name: string]: string } {
  const coverage = process.env["NODE_V8_COVERAGE"];
  const isMeasured = coverage !== undefined && privilege === "root";
  return {
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    HOME: host.state,
    LANG: "C.UTF-8",
    VERLPOOL_POOL_PYTHON: python,
    // A helper process that has to start on a busy machine is not a hung mount.
    VERLPOOL_STORAGE_DEADLINE_S: "60",
    ...(isMeasured ? { NODE_V8_COVERAGE: coverage } : { NODE_COMPILE_CACHE: compiled }),
  };
}
