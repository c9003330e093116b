/** `NodeFiles` over the simulated agents' beats, as one server's mount shows them. Agents of this world obey no wishes: the scheduler's own word is tested. */
import type { NodeFiles } from "../../src/control/node-ports.ts";
import { recordAsOf } from "./agent.ts";
import { hits } from "./fault-state.ts";
import { storageCall } from "./files-port.ts";
import type { Server, World } from "./model.ts";

const PLENTY = 2 ** 50;

export function nodeFilesPort(world: World, server: () => Server): NodeFiles {
  return {
    read: () =>
      storageCall(world, server(), "readNodes", "read", () => {
        const { staleMs } = world.plan.settings;
        const age = staleMs > 0 && hits(world, "storage.stale") ? world.random("stale nodes").int(0, staleMs) : 0;
        const records = world.machines.flatMap((machine) => recordAsOf(world, machine, age) ?? []);
        return { names: records.map(({ node }) => node), records, wants: [] };
      }),
    want: () => Promise.resolve(),
    forget: () => Promise.resolve(),
    freeBytes: () => Promise.resolve(PLENTY),
  };
}
