/** What each fault does to the world when its time comes, and what undoes it. Faults of single calls are only switched on and off here. */
import { type FaultKind, FAULTS } from "../faults.ts";
import type { FaultItem } from "../plan.ts";
import type { FailpointName } from "../../src/control/scheduler/context.ts";
import { killIncarnation, startAgent, stopAgent } from "./agent.ts";
import { allocate, releaseWhere } from "./gpus.ts";
import { freeze, sigkill, sigkillInner, sigterm } from "./launcher.ts";
import { EPOCH_MS, type Launcher, type Machine, type Server, type World } from "./model.ts";
import { failJobsOn, joinHead, losePower, newHead, rayletDies, startJob } from "./ray-head.ts";
import { killServer, resume, startServer } from "./server.ts";
import { writeResult } from "./shared-storage.ts";

const FAILPOINTS: readonly FailpointName[] = [
  "before_claim_commit",
  "after_claim_commit",
  "during_post",
  "after_post_before_record",
  "after_status_before_commit",
];
const HOUR = 3_600_000;
const JUMPS = [5_000, -5_000, HOUR, -HOUR, 87_600 * HOUR, -87_600 * HOUR, -87_600 * HOUR];
/** Ray calls a node dead that it has not heard of for so long. */
const NODE_DEAD_MS = 62_000;

export function applyFault(world: World, item: FaultItem): void {
  const { timeline } = world;
  world.trace.note(timeline.now(), "FAULT", () => `${item.fault} for ${item.lastsMs / 1000} s (${FAULTS[item.fault].what})`);
  const until = Math.min(timeline.now() + item.lastsMs, world.plan.calmAt);
  const later = (act: () => void): void => void timeline.at(until, `end of ${item.fault}`, act);
  const active = world.faults.get(item.fault) ?? [];
  world.faults.set(item.fault, [...active, item]);
  later(() => {
    world.trace.note(timeline.now(), "FAULT ENDS", () => item.fault);
    world.faults.set(
      item.fault,
      (world.faults.get(item.fault) ?? []).filter((each) => each !== item),
    );
  });
  if (ACTS[item.fault]?.(world, item, until, later) === true) world.trace.saw(`fault ${item.fault}`);
}

/** True when it met something. Kinds that are not here are asked about at each call. */
type Act = (world: World, item: FaultItem, until: number, later: (act: () => void) => void) => boolean;

const ACTS: { readonly [kind in FaultKind]?: Act } = {
  "head.empty": (world, _item, until) => loseHead(world, until, true),
  "head.restored": (world, _item, until) => loseHead(world, until, false),
  "ray.split": (world, item, _until, later) => splitBrain(world, item.target, later),
  "node.power": onMachine((world, machine, _until, later) => {
    if (!machine.up) return;
    losePower(world, machine);
    later(() => {
      machine.up = true;
      startAgent(world, machine);
      joinHead(world, machine);
    });
  }),
  "node.leaves": onMachine((world, machine, _until, later) => {
    if (!machine.up) return;
    rayletDies(world, machine);
    later(() => joinHead(world, machine));
  }),
  "node.cut_storage": onMachine((_world, machine, until) => {
    machine.cutFromStorageUntil = Math.max(machine.cutFromStorageUntil, until);
  }),
  "node.cut_head": onMachine(cutFromHead),
  "node.frozen": onMachine((world, machine, until) => {
    machine.frozenUntil = Math.max(machine.frozenUntil, until);
    for (const launcher of running(world)) if (launcher.machine === machine) freeze(world, launcher, until);
  }),
  "agent.killed": onAgent((world, machine, _until, later) => {
    stopAgent(machine);
    later(() => startAgent(world, machine));
  }),
  "agent.frozen": onAgent((_world, machine, until) => {
    if (machine.agent !== null) machine.agent.frozenUntil = Math.max(machine.agent.frozenUntil, until);
  }),
  "incarnation.killed": onAgent((world, machine) => {
    if (machine.agent?.alive === true) killIncarnation(world, machine);
  }),
  "worker.clock": (world, item) => {
    const machine = pick(world.machines, item.target);
    if (machine !== null) machine.clockOffsetMs += jumpOf(item);
    return machine !== null;
  },
  "launcher.frozen": onLauncher(freeze),
  "launcher.killed": onLauncher(sigkill),
  "launcher.inner_killed": onLauncher(sigkillInner),
  "launcher.termed": onLauncher(sigterm),
  "result.forged": onLauncher((world, launcher) => {
    const directory = world.directories.get(launcher.submissionId);
    if (directory === undefined || directory.files.result !== null) return;
    const at = new Date(EPOCH_MS + world.timeline.now()).toISOString();
    const plain = { signal: null, stopWhy: null, oomKill: false, startedAt: at, endedAt: at, error: null };
    writeResult(world, directory, { ...plain, nonce: "forged", outcome: "exited", exitCode: 0 });
  }),
  "gpu.stranger": onMachine((world, machine, _until, later) => {
    allocate(world, { machine, gpus: 1, cpus: 1, owner: "stranger", launcher: null });
    later(() => releaseWhere(world, (part) => part.owner === "stranger"));
  }),
  "gpu.leftover": (world, _item, _until, later) => {
    later(() => releaseWhere(world, (part) => part.owner === "leftover"));
    return false;
  },
  "server.crash": onServer((world, server) => killServer(world, server, "kill -9")),
  "server.crash_at_call": onServer((_world, server, item) => {
    server.crashIn = { calls: 1 + (item.target % 40), afterEffect: item.target % 3 !== 0 };
  }),
  "server.failpoint": onServer((_world, server, item, _until, later) => {
    server.failpoint = FAILPOINTS[item.target % FAILPOINTS.length] ?? null;
    later(() => {
      server.failpoint = null;
    });
  }),
  "server.stops": onServer((world, server) => {
    world.touched = true;
    server.stop.abort(new Error("the server stops"));
  }),
  "server.paused": onServer((world, picked, item, until) => {
    // The leader, more often than not: another one has nothing to go on with.
    const server = item.target % 3 === 0 ? picked : (world.lead.holder ?? picked);
    server.pausedUntil = Math.max(server.pausedUntil, until);
    world.timeline.at(until, "a server goes on", () => resume(world, server));
  }),
  "server.clock": onServer((_world, server, item) => {
    server.wallOffsetMs += jumpOf(item);
  }),
};

function onMachine(act: (world: World, machine: Machine, until: number, later: Parameters<Act>[3]) => void): Act {
  return (world, item, until, later) => {
    const machine = pick(world.machines, item.target);
    if (machine !== null) act(world, machine, until, later);
    return machine !== null;
  };
}

/** A machine that has an agent. */
function onAgent(act: (world: World, machine: Machine, until: number, later: Parameters<Act>[3]) => void): Act {
  return (world, item, until, later) => {
    const agents = world.machines.filter((machine) => machine.agent !== null && machine.up);
    const machine = pick(agents, item.target);
    if (machine !== null) act(world, machine, until, later);
    return machine !== null;
  };
}

function onLauncher(act: (world: World, launcher: Launcher, until: number) => void): Act {
  return (world, item, until) => {
    const launcher = pick(running(world), item.target);
    if (launcher !== null) act(world, launcher, until);
    return launcher !== null;
  };
}

function onServer(act: (world: World, server: Server, item: FaultItem, until: number, later: Parameters<Act>[3]) => void): Act {
  return (world, item, until, later) => {
    const alive = world.servers.filter((each) => each.alive);
    const server = pick(alive, item.target);
    if (server !== null) act(world, server, item, until, later);
    return server !== null;
  };
}

function jumpOf(item: FaultItem): number {
  return JUMPS[item.target % JUMPS.length] ?? 0;
}

/** Supervisors start a server again that has ended. */
export function superviseServers(world: World): void {
  for (let slot = 0; slot < world.plan.servers; slot += 1) {
    if (world.servers.some((server) => server.slot === slot && server.alive)) continue;
    const wait = world.random("restart").int(200, 15_000);
    world.timeline.after(wait, "server is started again", () => {
      if (!world.servers.some((server) => server.slot === slot && server.alive)) startServer(world, slot);
    });
  }
  world.timeline.after(5_000, "supervisor looks", () => superviseServers(world));
}

function pick<T>(from: readonly T[], target: number): T | null {
  return from[target % from.length] ?? null;
}

function running(world: World): readonly Launcher[] {
  return world.launchers.filter((launcher) => launcher.alive);
}

function cutFromHead(world: World, machine: Machine, until: number): void {
  machine.cutFromHeadUntil = Math.max(machine.cutFromHeadUntil, until);
  if (until - world.timeline.now() < NODE_DEAD_MS) return;
  const { head, rayNodeId } = machine;
  world.timeline.after(NODE_DEAD_MS, "ray calls a node dead", () => {
    if (machine.rayNodeId !== rayNodeId || head === null || machine.cutFromHeadUntil <= world.timeline.now()) return;
    failJobsOn(world, head, machine);
    machine.head = null;
    world.timeline.at(machine.cutFromHeadUntil, "a node that was cut off learns it", () => {
      rayletDies(world, machine);
      world.timeline.after(5_000, "and joins anew", () => joinHead(world, machine));
    });
  });
}

function loseHead(world: World, until: number, empty: boolean): boolean {
  const old = world.ray.current;
  if (!old.up) return false;
  old.up = false;
  world.timeline.at(until, "the head is back", () => {
    if (empty) {
      world.ray.previousSession = old.session;
      world.ray.current = newHead(world);
      for (const machine of world.machines) moveTo(world, machine, old);
      return;
    }
    old.up = true;
    for (const job of old.jobs.values()) {
      if (job.status !== "PENDING") continue;
      job.lost = true;
      if (world.random("lost pending").chance(0.5)) continue;
      world.timeline.after(world.random("lost pending").int(1_000, 200_000), "a lost PENDING job starts after all", () => {
        job.lost = false;
        startJob(world, old, job);
      });
    }
  });
  return true;
}

/** A raylet of the old head dies 46–62 s after it lost its head, and its watchdog joins the head that is there then. */
function moveTo(world: World, machine: Machine, old: World["ray"]["current"]): void {
  world.timeline.after(world.random("raylet").int(20_000, 62_000), "a raylet of the old head ends", () => {
    if (machine.head !== old) return;
    rayletDies(world, machine);
    world.timeline.after(world.random("raylet").int(1_000, 10_000), "node joins the new head", () => joinHead(world, machine));
  });
}

function splitBrain(world: World, target: number, later: (act: () => void) => void): boolean {
  if (world.ray.rival !== null || !world.ray.current.up) return false;
  const rival = newHead(world);
  const first = world.ray.current;
  world.ray.rival = rival;
  const defector = pick(world.machines, target);
  if (defector !== null && defector.head === first && world.machines.length > 1) {
    rayletDies(world, defector);
    joinHead(world, defector, rival);
  }
  later(() => {
    world.ray.rival = null;
    const survivor = target % 2 === 0 || !first.up ? world.ray.current : rival;
    const loser = survivor === rival ? world.ray.current : rival;
    if (survivor === rival) world.ray.previousSession = world.ray.current.session;
    world.ray.current = survivor;
    loser.up = false;
    for (const machine of world.machines) moveTo(world, machine, loser);
  });
  return true;
}

/** The end of all faults: what still is broken is mended, as an operator would. */
export function mendAll(world: World): void {
  world.calm = true;
  world.faults.clear();
  world.trace.note(world.timeline.now(), "CALM");
  const server = (each: Server): void => {
    each.pausedUntil = 0;
    each.crashIn = null;
    each.failpoint = null;
    resume(world, each);
  };
  for (const each of world.servers) server(each);
  releaseWhere(world, (part) => part.owner !== "trainer");
}
