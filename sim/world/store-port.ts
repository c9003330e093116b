/** The real store as one server reaches it: each call takes time, may be refused, or be carried out although its caller never hears of it. */
import { AppError } from "../../src/domain/app-error.ts";
import type { Store, TaskChange } from "../../src/control/ports.ts";
import { makeAuditStore } from "../../src/store/audit-store.ts";
import { makeSqliteLead } from "../../src/store/leader-sqlite.ts";
import { makeNodeStore } from "../../src/store/node-store.ts";
import { makeQueueStore } from "../../src/store/queue-store.ts";
import { makeTaskStore } from "../../src/store/task-store.ts";
import { makeRetentionStore } from "../../src/store/retention-store.ts";
import { makeUsageStore } from "../../src/store/usage-store.ts";
import { makeUserStore } from "../../src/store/user-store.ts";
import { makeWriteQueue } from "../../src/store/write-queue.ts";
import { afterChange, afterRead, afterWrite } from "../invariants/registry.ts";
import { hits } from "./fault-state.ts";
import { postgresLead } from "./lead.ts";
import type { Server, World } from "./model.ts";
import { callWorld } from "./server.ts";

type Methods = { readonly [name: string]: (...args: never[]) => Promise<unknown> };

export function storePort(world: World, server: () => Server): Store {
  const { db } = world.database;
  const queue = makeWriteQueue(db, "sqlite");
  const tasks = makeTaskStore(db, queue.write, "sqlite");
  const lead = world.plan.database === "sqlite" ? makeSqliteLead(db, queue.write) : postgresLead(world, server);
  const leader = { lead, ping: async () => Promise.resolve(), databaseId: async () => Promise.resolve("simulated") };
  return {
    tasks: through(world, server, "tasks", tasks),
    users: through(world, server, "users", makeUserStore(db, queue.write, "sqlite")),
    audit: through(world, server, "audit", makeAuditStore(db)),
    queue: through(world, server, "queue", makeQueueStore(db, queue.write)),
    nodes: through(world, server, "nodes", makeNodeStore(db, queue.write, "sqlite")),
    usage: through(world, server, "usage", makeUsageStore(db)),
    retention: through(world, server, "retention", makeRetentionStore(db, queue.write, "sqlite")),
    leader: through(world, server, "leader", leader),
    close: () => queue.close(),
  };
}

function through<T extends Methods>(world: World, server: () => Server, room: string, methods: T): T {
  const wrapped = Object.entries(methods).map(([name, method]) => [
    name,
    (...args: never[]): Promise<unknown> => storeCall(world, server(), `${room}.${name}`, args, () => method(...args)),
  ]);
  return Object.fromEntries(wrapped) as T;
}

function storeCall(world: World, server: Server, name: string, args: readonly unknown[], act: () => Promise<unknown>): Promise<unknown> {
  const random = world.random("database");
  const fails = hits(world, "database.error") ? random.pick(["before", "after"] as const) : null;
  const remote = world.plan.database === "postgres";
  const ms = hits(world, "database.slow") ? random.int(200, 4_000) : random.int(0, remote ? 6 : 1);
  return callWorld(world, server, {
    name: `store.${name}`,
    ms,
    outlives: remote && random.chance(0.5),
    ...(remote && random.chance(0.05) ? { answerMs: random.int(1, 20) } : {}),
    effect: async () => {
      if (fails === "before") throw new AppError("database_unavailable", "the database does not answer");
      const epochBefore = name === "tasks.change" ? world.database.leader().epoch : 0;
      const value = await act();
      if (name === "tasks.change") afterChange(world, server, args[0] as TaskChange, value as { readonly kind: string }, epochBefore);
      if (/insert|change|set|rotate|revoke/.test(name)) afterWrite(world, server);
      else afterRead(world, server, name, args, value);
      if (fails === "after") throw new AppError("database_unavailable", "the connection broke off; whether it was committed is unknown");
      return value;
    },
  });
}
