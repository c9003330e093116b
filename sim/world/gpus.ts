/** Who really holds which GPU, as Ray hands them out: never more than a node has, wherever the scheduler planned them. */
import type { Allocation, Launcher, Machine, World } from "./model.ts";
import { isOn } from "./fault-state.ts";

const KEPT = 64;

function usedOn(world: World, machine: Machine): { gpus: number; cpus: number } {
  const used = { gpus: 0, cpus: 0 };
  for (const part of world.ray.allocations) {
    if (part.machine !== machine) continue;
    used.gpus += part.gpus;
    used.cpus += part.cpus;
  }
  return used;
}

/** Nodes on which Ray can place something now. */
export function reachable(world: World): readonly Machine[] {
  const now = world.timeline.now();
  const { current, rival } = world.ray;
  return world.machines.filter(
    (machine) =>
      machine.up && machine.head !== null && (machine.head === current || machine.head === rival) && machine.cutFromHeadUntil <= now,
  );
}

/** The whole gang or nothing, on the nodes that Ray likes. */
export function acquireGang(world: World, launcher: Launcher): boolean {
  const random = world.random("gang");
  const { head } = launcher.machine;
  const fits = reachable(world).filter((machine) => {
    const used = usedOn(world, machine);
    return machine.head === head && machine.gpus - used.gpus >= launcher.gpusPerNode && machine.cpus - used.cpus >= launcher.cpusPerNode;
  });
  if (fits.length < launcher.nodes) return false;
  const left = [...fits];
  for (let i = 0; i < launcher.nodes; i += 1) {
    const [machine] = left.splice(random.int(0, left.length - 1), 1);
    if (machine === undefined) return false;
    allocate(world, { machine, gpus: launcher.gpusPerNode, cpus: launcher.cpusPerNode, owner: "trainer", launcher });
  }
  return true;
}

/** As verl sums before it asks: all GPUs of the cluster, wherever they are. */
export function freeInAll(world: World, launcher: Launcher): number {
  return reachable(world)
    .filter((machine) => machine.head === launcher.machine.head)
    .reduce((sum, machine) => sum + machine.gpus - usedOn(world, machine).gpus, 0);
}

export function allocate(world: World, part: Allocation): void {
  world.ray.allocations.add(part);
  remember(world);
}

/**
 * Ray takes the GPUs of a driver that ended back; an actor that outlives it keeps its own, and so does one whose node stands still. Returns after
 * how long there is something left to do.
 */
export function releaseOf(world: World, launcher: Launcher): number {
  const leftover = isOn(world, "gpu.leftover");
  let again = 0;
  for (const part of world.ray.allocations) {
    if (part.launcher !== launcher || part.owner !== "trainer") continue;
    const thaw = part.machine.frozenUntil - world.timeline.now();
    if (thaw > 0) {
      again = Math.max(again, thaw + 500);
      continue;
    }
    world.ray.allocations.delete(part);
    if (leftover) world.ray.allocations.add({ ...part, owner: "leftover" });
  }
  remember(world);
  return again;
}

export function releaseWhere(world: World, which: (part: Allocation) => boolean): readonly Allocation[] {
  const gone = [...world.ray.allocations].filter((part) => which(part));
  for (const part of gone) world.ray.allocations.delete(part);
  if (gone.length > 0) remember(world);
  return gone;
}

function remember(world: World): void {
  const used = new Map(world.machines.map((machine) => [machine.name, usedOn(world, machine)]));
  world.ray.usage.push({ at: world.timeline.now(), used });
  if (world.ray.usage.length > KEPT) world.ray.usage.shift();
}

/** What Ray's report of `ageMs` ago says. */
export function reported(world: World, machine: Machine, ageMs: number): { readonly gpus: number; readonly cpus: number } {
  const then = world.timeline.now() - ageMs;
  const report = world.ray.usage.findLast((entry) => entry.at <= then) ?? world.ray.usage[0];
  return report?.used.get(machine.name) ?? { gpus: 0, cpus: 0 };
}
