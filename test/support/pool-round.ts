/** Rounds of random faults against one pool of four hosts: what each did, how long the pool took to be whole again, and what it left behind. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Draw, drawFrom } from "../campaigns/random.ts";
import { clearHead, HOSTILE_HEADS, plantHead, readHeadText } from "./hostile-head.ts";
import { listeningPorts, shmBytes } from "./host-processes.ts";
import { forgetHead, hostOf, killAllOn, signalNamed } from "./pool-faults.ts";
import type { KeptAgent } from "./kept-agent.ts";
import { type PoolEye, watchPool, whole } from "./pool-state.ts";
import { openPoolWorld, type PoolHost, type PoolWorld, type Privilege } from "./pool-world.ts";
import { realClock } from "./real-ray.ts";

const FIRST_MS = 180_000;
const quiet = new AbortController().signal;
const WORKERS = ["worker-1", "worker-2"] as const;
const HEADS = ["head", "spare"] as const;
/** More than Ray opens by chance: its worker processes come and go. */
const SPARE_PORTS = 12;
const SPARE_SHM_BYTES = 200_000_000;
const MOST_TMP_BYTES = 500_000_000;
const MOST_SESSIONS = 8;

type Fault = { readonly what: string; readonly run: (arena: Arena) => Promise<void> };

export type Arena = {
  readonly world: PoolWorld;
  readonly eye: PoolEye;
  /** Of each host when the pool was first whole. */
  readonly ports: Map<string, number>;
  /** A head.json of earlier. */
  stale: string;
};

export type PoolRound = {
  readonly faults: readonly string[];
  readonly seconds: number;
  readonly violations: readonly string[];
};

/** `long`: partitions of 200 s and frozen raylets that nobody thaws are among the faults. */
export type RoundOptions = { readonly seed: number; readonly long: boolean; readonly withinMs: number };

/** A head that works, one that stands by, and two workers. */
export async function openArena(python: string, privilege: Privilege): Promise<Arena> {
  const world = await openPoolWorld(python, privilege);
  const arena: Arena = { world, eye: watchPool(world), ports: new Map(), stale: "" };
  try {
    for (const name of HEADS) world.startAgent(await world.addHost(name), "head");
    for (const name of WORKERS) world.startAgent(await world.addHost(name), "worker");
    await whole(world, arena.eye, FIRST_MS);
    arena.stale = readHeadText(world.discoveryDir);
    return arena;
  } catch (error) {
    const story = world.story();
    await closeArena(arena);
    throw new Error(`${String(error)}\n${story}`, { cause: error });
  }
}

export async function closeArena({ world, eye }: Arena): Promise<void> {
  await eye.close();
  await world.close();
}

export async function poolRound(arena: Arena, { seed, long, withinMs }: RoundOptions): Promise<PoolRound> {
  const draw = drawFrom(seed);
  const faults = Array.from({ length: draw.chance(0.4) ? 2 : 1 }, () => drawFault(draw, long));
  // The second one may find its target gone in the moment of the first.
  const outcomes = await Promise.allSettled(faults.map(({ run }) => run(arena)));
  const healed = performance.now();
  const violations: string[] = [];
  let seconds = 0;
  try {
    seconds = Math.round(((await whole(arena.world, arena.eye, withinMs)) - healed) / 100) / 10;
    violations.push(...leaksOf(arena));
  } catch (error) {
    violations.push(`${String(error)}\n${arena.world.story()}`);
  }
  violations.push(...arena.eye.takeDoubles().map((host) => `two raylets at a time on ${host}`));
  if (draw.chance(0.3)) arena.stale = readHeadText(arena.world.discoveryDir);
  const told = faults.map(({ what }, index) =>
    outcomes[index]?.status === "rejected" ? `${what} (not done: ${String(outcomes[index].reason)})` : what,
  );
  return { faults: told, seconds, violations };
}

function drawFault(draw: Draw, long: boolean): Fault {
  const worker = WORKERS[Math.floor(draw.below(WORKERS.length))] ?? "worker-1";
  const seconds = Math.round(draw.below(40) + 2);
  if (long && draw.chance(0.04)) return lasting(`${worker} cut off`, 200, (arena) => cable(arena, worker));
  const choices: readonly (() => Fault)[] = [
    () => atHead("killed with all it runs", ({ world }, head) => killAllOn(world, head)),
    () => atHead("lost with its memory", ({ world }, head) => forgetHead(world, head)),
    () => atHead("'s agent killed", ({ world }, head) => world.agentOn(head).signal("SIGKILL")),
    () => atHead("'s agent asked to end", ({ world }, head) => world.agentOn(head).signal("SIGTERM")),
    () => atHead("'s GCS killed", ({ world }, head) => signalNamed(world, head, "gcs_server", "SIGKILL")),
    () => atHead("'s machine replaced", async ({ world }, head) => void (await world.replaceHost(head))),
    () => lasting("head cut off", seconds, (arena) => cable(arena, headOf(arena))),
    () => lasting("head's agent frozen", seconds, (arena) => frozen(arena.world.agentOn(headOf(arena)))),
    () => at(worker, "killed with all it runs", ({ world }) => killAllOn(world, worker)),
    () => at(worker, "'s agent killed", ({ world }) => world.agentOn(worker).signal("SIGKILL")),
    () => at(worker, "'s agent asked to end", ({ world }) => world.agentOn(worker).signal("SIGTERM")),
    () => at(worker, "'s raylet killed", ({ world }) => signalNamed(world, worker, "raylet", "SIGKILL")),
    () => at(worker, "'s machine replaced", async ({ world }) => void (await world.replaceHost(worker))),
    () => lasting(`${worker} cut off`, seconds, (arena) => cable(arena, worker)),
    () => lasting(`${worker}'s agent frozen`, seconds, ({ world }) => frozen(world.agentOn(worker))),
    () => frozenRaylet(worker, long && draw.chance(0.1) ? null : seconds),
    () => hostile(draw),
    () => hostile(draw),
    () => hostile(draw),
  ];
  return (choices[Math.floor(draw.below(choices.length))] ?? (() => hostile(draw)))();
}

function at(worker: string, what: string, act: (arena: Arena) => void | Promise<void>): Fault {
  return { what: `${worker}${what.startsWith("'") ? "" : " "}${what}`, run: async (arena) => act(arena) };
}

function atHead(what: string, act: (arena: Arena, head: string) => void | Promise<void>): Fault {
  return { what: `head${what.startsWith("'") ? "" : " "}${what}`, run: async (arena) => act(arena, headOf(arena)) };
}

/** `begin` gives what ends it. */
function lasting(what: string, seconds: number, begin: (arena: Arena) => () => void): Fault {
  return {
    what: `${what} for ${seconds} s`,
    run: async (arena) => {
      const end = begin(arena);
      await realClock.sleep(seconds * 1000, quiet);
      end();
    },
  };
}

function cable({ world }: Arena, name: string): () => void {
  hostOf(world, name).cut();
  // Its machine may have been replaced meanwhile, which has a cable of its own.
  return () => hostOf(world, name).heal();
}

function frozen(agent: KeptAgent): () => void {
  agent.signal("SIGSTOP");
  return () => agent.signal("SIGCONT");
}

/** Null = for good: only its agent can help. */
function frozenRaylet(worker: string, seconds: number | null): Fault {
  if (seconds === null) return at(worker, "'s raylet frozen for good", ({ world }) => signalNamed(world, worker, "raylet", "SIGSTOP"));
  return lasting(`${worker}'s raylet frozen`, seconds, ({ world }) => {
    signalNamed(world, worker, "raylet", "SIGSTOP");
    return () => signalNamed(world, worker, "raylet", "SIGCONT");
  });
}

function hostile(draw: Draw): Fault {
  const kind = HOSTILE_HEADS[Math.floor(draw.below(HOSTILE_HEADS.length))] ?? "torn";
  const share = draw.below(1);
  return lasting(`head.json ${kind}`, Math.round(draw.below(12) + 1), ({ world, stale }) => {
    plantHead(world.discoveryDir, world.uid, kind, share, stale);
    return () => clearHead(world.discoveryDir);
  });
}

function headOf({ eye, world }: Arena): string {
  const address = eye.head()?.address.split(":")[0];
  return (
    world.hosts().find((host) => host.address === address && world.agents().some(({ host: { name } }) => name === host.name))?.name ??
    "head"
  );
}

/** What a whole pool still holds though nothing needs it. */
function leaksOf({ world, ports }: Arena): readonly string[] {
  return world.hosts().flatMap((host) => {
    const open = listeningPorts(host).length;
    const most = Math.max(ports.get(host.name) ?? 0, 20) + SPARE_PORTS;
    if (!ports.has(host.name)) ports.set(host.name, open);
    return [
      ...(open > most ? [`${host.name} listens on ${open} ports, more than ${most}`] : []),
      ...(shmBytes(host) > SPARE_SHM_BYTES ? [`${host.name} holds ${shmBytes(host)} bytes of /dev/shm`] : []),
      ...tmpLeaks(host),
    ];
  });
}

function tmpLeaks(host: PoolHost): readonly string[] {
  const entries = readdirSync(host.tmp, { recursive: true, withFileTypes: true });
  const sessions = entries.filter((entry) => entry.isDirectory() && /^session_\d/.test(entry.name)).length;
  const bytes = entries.filter((entry) => entry.isFile()).reduce((sum, entry) => sum + sizeOf(join(entry.parentPath, entry.name)), 0);
  return [
    ...(sessions > MOST_SESSIONS ? [`${host.name} keeps ${sessions} sessions of Ray in /tmp`] : []),
    ...(bytes > MOST_TMP_BYTES ? [`${host.name} keeps ${bytes} bytes in /tmp`] : []),
  ];
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}
