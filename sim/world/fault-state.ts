/** Which faults are on now, and whether one of them meets this call. */
import type { FaultKind } from "../faults.ts";
import type { World } from "./model.ts";

/** True when a fault of that kind is on and hits; counted, so that a kind that never hits is noticed. */
export function hits(world: World, kind: FaultKind): boolean {
  const active = world.faults.get(kind);
  if (active === undefined || active.length === 0) return false;
  const probability = Math.max(...active.map((item) => item.probability));
  if (!world.random(`fault ${kind}`).chance(probability)) return false;
  world.trace.saw(`fault ${kind}`);
  return true;
}

/** For faults that hold for all of their time. */
export function isOn(world: World, kind: FaultKind): boolean {
  const active = world.faults.get(kind);
  if (active === undefined || active.length === 0) return false;
  world.trace.saw(`fault ${kind}`);
  return true;
}

/** The end of the last fault of that kind that is on now. */
export function endOf(world: World, kind: FaultKind): number {
  return Math.max(
    world.timeline.now(),
    ...(world.faults.get(kind) ?? []).map((item) => Math.min(item.at + item.lastsMs, world.plan.calmAt)),
  );
}
