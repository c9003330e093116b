/** The lead as `store/leader-postgres.ts` takes it, on a lock of the simulated world: several servers, one of which may stand still (rule 10). */
import type { LeaderStore } from "../../src/control/ports.ts";
import type { Server, World } from "./model.ts";

const FROZEN_MS = 6_000;

export function postgresLead(world: World, server: () => Server): LeaderStore["lead"] {
  return async (owner, at) => Promise.resolve(lead(world, server(), owner, at));
}

function lead(world: World, server: Server, owner: string, at: number): number | null {
  const { database } = world;
  if (server.heldEpoch !== null) {
    if (world.lead.holder === server && database.beatLeader(server.heldEpoch, at)) return server.heldEpoch;
    world.trace.saw("a leader found that it no longer leads");
    if (world.lead.holder === server) world.lead.holder = null;
    server.heldEpoch = null;
    return null;
  }
  if (world.lead.holder !== null) {
    watch(world, server);
    return null;
  }
  world.lead.holder = server;
  server.heldEpoch = database.takeLead(owner, at);
  return server.heldEpoch;
}

/** A leader whose row stands still for 6 s by our own clock loses its connection, and with it the lock. */
function watch(world: World, server: Server): void {
  const now = world.timeline.now();
  const row = world.database.leader();
  if (server.watched === null || server.watched.epoch !== row.epoch || server.watched.at !== row.at)
    server.watched = { epoch: row.epoch, at: row.at, since: now };
  if (now - server.watched.since < FROZEN_MS) return;
  server.watched = null;
  world.lead.holder = null;
  world.trace.saw("a frozen leader lost its lock");
}
