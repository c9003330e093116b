/**
 * A node's agent as `verlpool worker` is: it runs the raylet, kills what an earlier one left before it joins again, and beats what it sees of
 * processes that carry an attempt's tag. A beat is a scan and then a write; the write may come much later.
 */
import type { NodeRecord } from "../../src/domain/node-record.ts";
import { isOn } from "./fault-state.ts";
import { releaseWhere } from "./gpus.ts";
import { killTree } from "./launcher.ts";
import { type Agent, EPOCH_MS, type Machine, newId, type World } from "./model.ts";
import { joinHead, rayletDies } from "./ray-head.ts";

const BEAT_MS = 5_000;
const KEPT_MS = 200_000;

export function startAgent(world: World, machine: Machine): void {
  const { agent } = machine;
  if (agent === null || agent.alive || !machine.up) return;
  agent.alive = true;
  agent.nonce = newId(world, "agent");
  agent.lastBeatAt = world.timeline.now();
  // What ran under the agent before may have gone on without it, and is taken over; or it is killed first.
  if (machine.incarnation !== null && world.random("agent start").chance(0.5)) {
    world.trace.saw("an agent killed what it found");
    rayletDies(world, machine);
    world.timeline.after(3_000, "node joins after its agent", () => joinHead(world, machine));
  }
  step(world, machine, agent, agent.nonce);
}

export function stopAgent(machine: Machine): void {
  if (machine.agent !== null) machine.agent.alive = false;
}

function step(world: World, machine: Machine, agent: Agent, nonce: string): void {
  const later = (ms: number, label: string, act: () => void): void => {
    world.timeline.after(ms, label, () => {
      if (!agent.alive || agent.nonce !== nonce) return;
      const thaw = Math.max(machine.frozenUntil, agent.frozenUntil) - world.timeline.now();
      if (thaw > 0) later(thaw + 1, label, act);
      else act();
    });
  };
  clearOld(world, machine, agent);
  sweep(world, machine);
  const begun = world.timeline.now();
  const seen = attemptsOn(world, machine);
  const write = (): void => {
    const cut = machine.cutFromStorageUntil - world.timeline.now();
    if (cut > 0 || isOn(world, "storage.full")) {
      if (world.timeline.now() - agent.lastBeatAt > world.plan.settings.selfFenceMs) fence(world, machine);
      return later(Math.min(Math.max(cut, 1_000), BEAT_MS), "a beat can't be written", write);
    }
    agent.seq += 1;
    agent.lastBeatAt = begun;
    const at = world.timeline.now();
    agent.written.push({ at, record: recordOf(machine, agent, seen) });
    while (agent.written.length > 2 && (agent.written[1]?.at ?? at) < at - KEPT_MS) agent.written.shift();
    later(Math.max(50, begun + BEAT_MS - at), "an agent beats", () => step(world, machine, agent, nonce));
  };
  // Not frozen as a whole, but stuck between what it saw and what it writes.
  const stuck = isOn(world, "agent.stale") ? world.random("agent stale").int(5_000, 60_000) : 0;
  later(stuck + world.random("agent io").int(1, 60), "a beat is written", write);
}

/** Rule 5: it kills its raylet when it could not beat for so long; it joins again when it can. */
function fence(world: World, machine: Machine): void {
  if (machine.incarnation === null) return;
  world.trace.saw("an agent fenced its node");
  killIncarnation(world, machine);
}

/** The namespace of the raylet ends, and with it all that was started from there. */
export function killIncarnation(world: World, machine: Machine): void {
  if (machine.agent === null || machine.incarnation === null) return;
  rayletDies(world, machine);
  clearOld(world, machine, machine.agent);
  world.timeline.after(world.random("agent join").int(1_000, 8_000), "node joins again", () => joinHead(world, machine));
}

/** What an ended raylet left is killed, and only then called dead. */
function clearOld(world: World, machine: Machine, agent: Agent): void {
  for (const incarnation of agent.old.splice(0)) {
    for (const launcher of world.launchers) {
      if (launcher.machine !== machine || launcher.incarnation !== incarnation) continue;
      launcher.alive = false;
      killTree(world, launcher);
    }
    agent.dead.push(incarnation);
  }
}

/** Rule 5: tagged processes of an attempt that has its result are leftovers. */
function sweep(world: World, machine: Machine): void {
  const swept = releaseWhere(
    world,
    (part) =>
      part.machine === machine &&
      part.owner === "leftover" &&
      part.launcher !== null &&
      world.directories.get(part.launcher.submissionId)?.files.result?.nonce === part.launcher.nonce,
  );
  if (swept.length > 0) world.trace.saw("an agent swept a leftover");
}

/** Every process that carries the tag: a launcher, its tree, and what Ray runs for it there. */
function attemptsOn(world: World, machine: Machine): readonly string[] {
  const found = new Set<string>();
  for (const launcher of world.launchers)
    if (launcher.machine === machine && (launcher.alive || launcher.treeAlive)) found.add(launcher.submissionId);
  for (const part of world.ray.allocations) if (part.machine === machine && part.launcher !== null) found.add(part.launcher.submissionId);
  return [...found];
}

function recordOf(machine: Machine, agent: Agent, attempts: readonly string[]): NodeRecord {
  const isJoined = machine.head !== null;
  return {
    node: machine.name,
    seq: agent.seq,
    state: isJoined ? "joined" : "searching",
    why: null,
    address: null,
    rayNodeId: isJoined ? machine.rayNodeId : null,
    session: machine.head?.session ?? null,
    incarnation: machine.incarnation,
    deadIncarnations: agent.dead.slice(-64),
    attempts,
    gpus: { total: machine.gpus, busyPids: [], uuids: [`GPU-${machine.name}`], usage: [], sampledAt: null },
    cpus: machine.cpus,
    shmFreeBytes: null,
    diskFreeBytes: null,
    clockOffsetMs: null,
    dirt: [],
    labels: {},
    containment: "pidns",
    rayVersion: null,
    pythonVersion: null,
    agentVersion: "simulated",
    agent: { host: machine.name, nonce: agent.nonce, pid: 1, startTicks: 0, bootId: "", pidNamespace: "" },
    at: new Date(EPOCH_MS + machine.clockOffsetMs).toISOString(),
  };
}

/** As a reader sees it whose view is `ageMs` old. */
export function recordAsOf(world: World, machine: Machine, ageMs: number): NodeRecord | null {
  const then = world.timeline.now() - ageMs;
  return machine.agent?.written.findLast((one) => one.at <= then)?.record ?? null;
}
