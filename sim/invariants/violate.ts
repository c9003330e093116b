import type { World } from "../world/model.ts";

/** The first violation of a world counts; what follows from it does not. */
export function violate(world: World, invariant: string, text: string, broken: string): void {
  world.violation ??= { invariant, text, broken, at: world.timeline.now() };
}
