import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { migrate } from "../../src/store/migrate.ts";
import { MIGRATIONS } from "../../src/store/migrations/list.ts";
import { openPostgres } from "../../src/store/postgres.ts";
import type { Store } from "../../src/control/ports.ts";
import { AUDIT } from "../support/audit-samples.ts";
import { manualClock, openTestStore, postgresDatabase } from "../support/databases.ts";
import { type PostgresServer, startPostgres } from "../support/postgres.ts";
import { expectSchemaOneToMigrate } from "../support/schema-one.ts";
import { rounds, runAgainstModel } from "../support/store-model.ts";
import { addHistory, pageQueries, planOf } from "../support/store-plans.ts";
import { storeSuite } from "../support/store-suite.ts";
import { CREATED, moveTo, newTask, newUser, NOW } from "../support/task-samples.ts";

let server: PostgresServer | null = null;

beforeAll(async () => {
  server = await startPostgres({ durable: false });
});

afterAll(async () => {
  await server?.stop();
});

function running(): PostgresServer {
  if (server === null) throw new Error("the Postgres server did not start");
  return server;
}

const database = postgresDatabase(running);

storeSuite(database);

async function withTwoServers(use: (one: Store, two: Store, clock: ReturnType<typeof manualClock>) => Promise<void>): Promise<void> {
  const fresh = await database.fresh();
  const clock = manualClock();
  const [one, two] = await Promise.all([openTestStore(fresh, clock), openTestStore(fresh, clock)]);
  try {
    await use(one, two, clock);
  } finally {
    await one.close();
    await two.close();
    await fresh.drop();
  }
}

describe("two servers on one Postgres", () => {
  it("migrate an empty database once, and both know its id", async () => {
    await withTwoServers(async (one, two) => {
      expect(await one.leader.databaseId()).toBe(await two.leader.databaseId());
      await one.tasks.insertTask(newTask("t1"), CREATED, null, null, () => "");
      expect((await two.tasks.get("t1"))?.state).toBe("QUEUED");
    });
  });

  it("admit one task for an idempotency key that reaches both at once", async () => {
    await withTwoServers(async (one, two) => {
      for (let n = 0; n < 15; n += 1) {
        const key = { key: `k${n}`, bodyHash: "h" };
        const outcomes = await Promise.all(
          [one, two].map(async (each, at) => await each.tasks.insertTask(newTask(`t${n}-${at}`), CREATED, key, null, () => `answer ${at}`)),
        );
        expect(outcomes.map((outcome) => outcome.kind).sort()).toEqual(["created", "replayed"]);
      }
      expect((await one.tasks.countByState()).QUEUED).toBe(15);
    });
  });

  it.each([
    { maxQueued: 5, submitsPerMinute: null, maxStorageGib: null },
    { maxQueued: null, submitsPerMinute: 5, maxStorageGib: null },
  ])("keep a user's limit between them: %o", async (limits) => {
    await withTwoServers(async (one, two) => {
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, async (_, n) =>
          (n % 2 === 0 ? one : two).tasks.insertTask(newTask(`t${n}`), CREATED, null, limits, () => ""),
        ),
      );
      expect(outcomes.filter((outcome) => outcome.kind === "created")).toHaveLength(5);
      expect(await one.tasks.listOpen()).toHaveLength(5);
    });
  });

  it("rotate a token once, though both are asked, and keep both changes of a user's limits", async () => {
    await withTwoServers(async (one, two) => {
      await one.users.insertUser(newUser("alice"), AUDIT);
      const token = {
        tokenId: "tok_1",
        userId: "alice",
        name: "ci",
        scope: "full",
        last4: "abcd",
        createdAt: NOW,
        expiresAt: null,
        revokedAt: null,
        lastUsedAt: null,
        replacedBy: null,
      } as const;
      await one.users.insertToken(token, "hash", AUDIT);
      const rotations = await Promise.all(
        [one, two, one, two].map(async (each, n) => {
          const successor = { tokenId: `tok_new${n}`, hash: `hash ${n}`, last4: "efgh", expiresAt: undefined };
          return await each.users.rotateToken("alice", "tok_1", NOW, NOW, successor, { ...AUDIT, action: "token.rotate" });
        }),
      );
      expect(rotations.map((outcome) => outcome.kind).sort()).toEqual(["refused", "refused", "refused", "rotated"]);
      await Promise.all([
        one.users.setUserLimits("alice", { maxGpus: 8 }, () => AUDIT),
        two.users.setUserLimits("alice", { maxRunning: 2 }, () => AUDIT),
      ]);
      expect((await two.users.getUser("alice"))?.limits).toMatchObject({ maxGpus: 8, maxRunning: 2 });
    });
  });

  it("apply one of two changes of a task, and count what was applied, also where their transactions cross", async () => {
    await withTwoServers(async (one, two) => {
      const ids = Array.from({ length: 12 }, (_, n) => `t${n}`);
      const tasks = await Promise.all(
        ids.map(async (id) => {
          const outcome = await one.tasks.insertTask(newTask(id), CREATED, null, null, () => "");
          if (outcome.kind !== "created") throw new Error(`task ${id} was not created`);
          return outcome.task;
        }),
      );
      const outcomes = await Promise.all([
        ...tasks.map(async (task) => await one.tasks.change(moveTo(task, "CANCELED"))),
        ...tasks.reverse().map(async (task) => await two.tasks.change(moveTo(task, "FAILED"))),
      ]);
      expect(outcomes.filter((outcome) => outcome.kind === "applied")).toHaveLength(12);
      const counts = await two.tasks.countByState();
      expect([counts.QUEUED, counts.CANCELED + counts.FAILED]).toEqual([0, 12]);
      for (const id of ids) expect((await one.tasks.events(id, 0, 9)).rows.map((event) => event.seq)).toEqual([1, 2]);
    });
  });
});

describe("the lead between two servers", () => {
  it("belongs to one; after it closes the other takes it with a higher epoch", async () => {
    await withTwoServers(async (one, two) => {
      const first = await one.leader.lead("one", NOW);
      expect(first).not.toBeNull();
      expect(await two.leader.lead("two", NOW)).toBeNull();
      await one.close();
      expect(await two.leader.lead("two", NOW)).toBe((first ?? Number.NaN) + 1);
    });
  });

  it("is kept by a leader that moves, however long the other one waits", async () => {
    await withTwoServers(async (one, two, clock) => {
      const first = await one.leader.lead("one", NOW);
      for (let n = 0; n < 5; n += 1) {
        expect(await two.leader.lead("two", NOW)).toBeNull();
        clock.advance(4000);
        // The same wall clock each time: a beat must move all the same.
        expect(await one.leader.lead("one", NOW)).toBe(first);
      }
    });
  });

  it("is taken from a leader that stands still; what that one still writes is stale, and it leads no more", async () => {
    await withTwoServers(async (one, two, clock) => {
      const first = await one.leader.lead("one", NOW);
      const made = await one.tasks.insertTask(newTask("t1"), CREATED, null, null, () => "");
      if (made.kind !== "created") throw new Error("the task was not created");
      expect(await two.leader.lead("two", NOW)).toBeNull();
      clock.advance(5999);
      expect(await two.leader.lead("two", NOW)).toBeNull();
      clock.advance(1);
      expect(await two.leader.lead("two", NOW)).toBeNull();
      const second = await untilLeading(two);
      expect(second).toBe((first ?? Number.NaN) + 1);
      expect(await one.tasks.change(moveTo(made.task, "CANCELED", { epoch: first }))).toEqual({ kind: "stale" });
      expect((await two.tasks.change(moveTo(made.task, "CANCELED", { epoch: second }))).kind).toBe("applied");
      expect(await one.leader.lead("one", NOW).catch(() => null)).toBeNull();
      expect(await one.leader.lead("one", NOW)).toBeNull();
    });
  });
});

/** The old leader's backend ends a moment after it is told to. */
async function untilLeading(store: Store): Promise<number> {
  for (let tries = 0; tries < 2000; tries += 1) {
    const epoch = await store.leader.lead("two", NOW);
    if (epoch !== null) return epoch;
  }
  throw new Error("the lock of the terminated leader was never free");
}

it("walks an index to the rows of every page and tick, and past no history for what is open", async () => {
  const fresh = await database.fresh();
  const store = await openTestStore(fresh);
  for (const id of ["t1", "t2", "t3"]) await store.tasks.insertTask(newTask(id), CREATED, null, null, () => "");
  const connections = openPostgres(fresh.url, () => undefined);
  await addHistory(connections.write, "postgres", 20_000);
  for (const { name, query } of pageQueries(connections.read, "postgres")) {
    const plan = await planOf(connections.read, "postgres", query);
    const removed = [...plan.matchAll(/Rows Removed by Filter: (\d+)/g)].reduce((sum, [, rows]) => sum + Number(rows), 0);
    expect(`${name}: ${plan}`).not.toContain("Seq Scan");
    expect(removed, `${name}: ${plan}`).toBeLessThan(100);
    if (name === "list of what is open") expect(plan).toMatch(/tasks_open on tasks \(actual rows=3 /);
  }
  await connections.close();
  await store.close();
  await fresh.drop();
});

it("refuses a database that a newer program has changed too much", async () => {
  const fresh = await database.fresh();
  await (await openTestStore(fresh)).close();
  const connections = openPostgres(fresh.url, () => undefined);
  const newer = { version: 99, minReaderVersion: 99, up: async () => await Promise.resolve() };
  await migrate(connections.write, "postgres", [...MIGRATIONS, newer], () => "x", "here");
  await connections.close();
  await expect(openTestStore(fresh)).rejects.toThrow(/needs a program of schema 99 or later/);
  await fresh.drop();
});

it("rows of schema 1 say whom they concerned, and their tokens go on", async () => {
  const fresh = await database.fresh();
  const connections = openPostgres(fresh.url, () => undefined);
  await expectSchemaOneToMigrate(connections.write, "postgres");
  await connections.close();
  await fresh.drop();
});

it("random calls, alone and at once, give the answers and leave the rows of the model", async () => {
  await fc.assert(
    fc.asyncProperty(rounds, async (plan) => {
      const fresh = await database.fresh();
      const store = await openTestStore(fresh);
      try {
        await runAgainstModel(store, plan, (real, expected) => expect(real).toEqual(expected));
      } finally {
        await store.close();
        await fresh.drop();
      }
    }),
    { numRuns: 12 },
  );
});

it("after the server is killed and starts again, the same store reads and writes", async () => {
  const own = await startPostgres({ durable: false });
  const store = await openTestStore({ url: own.url("postgres") });
  await store.tasks.insertTask(newTask("t1"), CREATED, null, null, () => "");
  expect(await store.leader.lead("me", NOW)).not.toBeNull();
  await own.restart();
  await expect
    .poll(
      async () =>
        await store.leader.ping().then(
          () => "answers",
          () => "away",
        ),
      { timeout: 60_000 },
    )
    .toBe("answers");
  await expect
    .poll(
      async () =>
        await store.tasks
          .insertTask(newTask("t2"), CREATED, null, null, () => "")
          .then(
            (outcome) => outcome.kind,
            () => "away",
          ),
      { timeout: 60_000 },
    )
    .toBe("created");
  await expect.poll(async () => await store.leader.lead("me", NOW).catch(() => null), { timeout: 60_000 }).not.toBeNull();
  expect(await store.tasks.listOpen()).toHaveLength(2);
  await store.close();
  await own.stop();
});
