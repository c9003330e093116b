/** The loop around the passes: waking, stopping, leading, and silence while nothing changes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { makeSchedulerWorld, type SchedulerWorld } from "../../../test/support/scheduler-world.ts";
import { openStore } from "../../store/open-store.ts";
import { schedulerLoop } from "./loop.ts";

let world: SchedulerWorld;
afterEach(() => world.close());

const never = new AbortController().signal;

describe("a quiet queue", () => {
  it("writes nothing: 20 passes leave every version as it was", async () => {
    world = await makeSchedulerWorld({ settings: { maxRunningTasks: 2, backoffMs: 600_000 } });
    const running = await world.submit();
    const stuck = await world.submit("sft", { needs: { nodes: 9, gpusPerNode: 1, cpusPerNode: 1 } });
    const cooling = await world.submit();
    await world.passUntilState(running.taskId, "RUNNING");
    await world.passUntilState(cooling.taskId, "RUNNING");
    world.lastStart().finish({ outcome: "self_fenced", exit_code: null });
    await world.passUntilState(cooling.taskId, "QUEUED");
    const behind = [await world.submit(), await world.submit(), await world.submit()];
    for (let i = 0; i < 5; i += 1) await world.pass();
    const ids = [running, stuck, cooling, ...behind].map((task) => task.taskId);
    const versions = async () => Promise.all(ids.map(async (id) => (await world.task(id)).version));
    const before = await versions();
    for (let i = 0; i < 20; i += 1) {
      world.clock.advance(1_000);
      await world.pass();
    }
    expect(await versions()).toEqual(before);
  });
});

describe("the loop", () => {
  it("sleeps a tick between passes, is woken by a submission, and ends when told to", async () => {
    world = await makeSchedulerWorld({ script: "run" });
    const stop = new AbortController();
    const done = world.loop.run(stop.signal);
    await expect.poll(() => world.clock.sleeping(), { timeout: 10_000 }).toBe(1);
    const { taskId } = await world.submit();
    world.loop.wake();
    await expect.poll(async () => (await world.task(taskId)).state !== "QUEUED", { timeout: 10_000 }).toBe(true);
    await expect
      .poll(
        async () => {
          world.clock.advance(1_000);
          return (await world.task(taskId)).state;
        },
        { timeout: 10_000 },
      )
      .toBe("SUCCEEDED");
    stop.abort();
    await done;
    expect(world.clock.sleeping()).toBe(0);
    expect(world.loop.view()).toMatchObject({ leads: true, lastError: null, head: { kind: "up" } });
  });

  it("a wake during a pass that saw nothing to do is not lost", async () => {
    world = await makeSchedulerWorld({ script: "run" });
    const submitted: string[] = [];
    const tasks = {
      ...world.store.tasks,
      // The submission comes right after the pass has read what is open.
      listOpen: async () => {
        const open = await world.store.tasks.listOpen();
        if (submitted.length === 0) {
          submitted.push((await world.submit()).taskId);
          loop.wake();
        }
        return open;
      },
    };
    const loop = schedulerLoop({ ...world.deps, store: { ...world.store, tasks } }, "test");
    const stop = new AbortController();
    const done = loop.run(stop.signal);
    await expect
      .poll(async () => (submitted[0] === undefined ? "QUEUED" : (await world.task(submitted[0])).state), { timeout: 10_000 })
      .not.toBe("QUEUED");
    stop.abort();
    await done;
  });

  it("goes on after a pass that failed, and says what failed", async () => {
    world = await makeSchedulerWorld({ script: "run" });
    const { taskId } = await world.submit();
    let failures = 0;
    const tasks = {
      ...world.store.tasks,
      listOpen: () => {
        failures += 1;
        return failures === 1 ? Promise.reject(new Error("database away")) : world.store.tasks.listOpen();
      },
    };
    const loop = schedulerLoop({ ...world.deps, store: { ...world.store, tasks } }, "test");
    const stop = new AbortController();
    const done = loop.run(stop.signal);
    await expect.poll(() => loop.view().lastError, { timeout: 10_000 }).toBe("database away");
    await expect
      .poll(
        async () => {
          world.clock.advance(1_000);
          return (await world.task(taskId)).state;
        },
        { timeout: 10_000 },
      )
      .toBe("SUCCEEDED");
    expect(loop.view().lastError).toBeNull();
    stop.abort();
    await done;
  });

  it("told to stop in the middle of a POST it ends at once, and the next one goes on with the same attempt", async () => {
    world = await makeSchedulerWorld({ script: "run" });
    world.ray.inject("submit", { kind: "hang" });
    const { taskId } = await world.submit();
    const stop = new AbortController();
    const done = world.loop.run(stop.signal);
    await expect.poll(() => world.ray.requests.filter((line) => line === "POST /api/jobs/").length, { timeout: 10_000 }).toBe(1);
    stop.abort();
    await done;
    expect(await world.task(taskId)).toMatchObject({ state: "SUBMITTING", attempts: 1 });
    world.restart();
    await world.passUntilState(taskId, "SUCCEEDED");
    expect(world.ray.cluster.ledger.starts).toEqual([`${taskId}--a01`]);
  });
});

describe("a pass that lasts", () => {
  /** A head whose machine is frozen takes each call's whole deadline. */
  function slowHead(): SchedulerWorld["deps"]["cluster"] {
    return {
      ...world.deps.cluster,
      head: async (signal) => {
        await world.clock.sleep(12_000, signal);
        return { kind: "down", error: "no answer within 10000 ms" };
      },
    };
  }

  it("keeps the lead alive: others see it move every few seconds", async () => {
    world = await makeSchedulerWorld();
    const beats: number[] = [];
    const lead: typeof world.store.leader.lead = (owner, at) => {
      beats.push(world.clock.monotonicMs());
      return world.store.leader.lead(owner, at);
    };
    const store = { ...world.store, leader: { ...world.store.leader, lead } };
    const loop = schedulerLoop({ ...world.deps, store, cluster: slowHead() }, "test");
    const stop = new AbortController();
    const done = loop.run(stop.signal);
    for (let second = 0; second < 12; second += 1) {
      await expect.poll(() => world.clock.sleeping(), { timeout: 10_000 }).toBe(3);
      world.clock.advance(1_000);
    }
    stop.abort();
    await done;
    expect(beats.slice(0, 6)).toEqual([0, 2_000, 4_000, 6_000, 8_000, 10_000]);
  });

  it("does not make a dead launcher immortal: silence counts also while the head hangs", async () => {
    world = await makeSchedulerWorld();
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "RUNNING");
    const loop = schedulerLoop({ ...world.deps, cluster: slowHead() }, "test");
    const stop = new AbortController();
    const done = loop.run(stop.signal);
    await expect
      .poll(
        async () => {
          world.clock.advance(1_000);
          return (await world.attempts(taskId))[0]?.state;
        },
        { timeout: 20_000, interval: 5 },
      )
      .toBe("LOST");
    stop.abort();
    await done;
  });

  it("and a rest that lasts: the beat goes on, and the silence of a launcher counts", async () => {
    world = await makeSchedulerWorld({ settings: { tickMs: 30_000 } });
    const { taskId } = await world.submit();
    await world.passUntilState(taskId, "RUNNING");
    const beats: number[] = [];
    const lead: typeof world.store.leader.lead = (owner, at) => {
      beats.push(world.clock.monotonicMs());
      return world.store.leader.lead(owner, at);
    };
    const store = { ...world.store, leader: { ...world.store.leader, lead } };
    const stop = new AbortController();
    const done = schedulerLoop({ ...world.deps, store }, "test").run(stop.signal);
    await expect
      .poll(
        async () => {
          if (world.clock.sleeping() === 3) world.clock.advance(1_000);
          return (await world.attempts(taskId))[0]?.state;
        },
        { timeout: 20_000, interval: 5 },
      )
      .toBe("LOST");
    stop.abort();
    await done;
    const gaps = beats.slice(1).map((at, index) => at - (beats[index] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(3_000);
  });

  it("gives up its beat when the lead is lost, and goes on; a beat that fails ends nothing", async () => {
    for (const answer of [() => Promise.resolve(null), () => Promise.reject(new Error("database away"))]) {
      world = await makeSchedulerWorld();
      let calls = 0;
      const lead: typeof world.store.leader.lead = (owner, at) => {
        calls += 1;
        return calls === 1 ? world.store.leader.lead(owner, at) : answer();
      };
      const store = { ...world.store, leader: { ...world.store.leader, lead } };
      const loop = schedulerLoop({ ...world.deps, store, cluster: slowHead() }, "test");
      const passed = loop.once(never);
      for (let second = 0; second < 12; second += 1) {
        await expect.poll(() => world.clock.sleeping(), { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
        world.clock.advance(1_000);
      }
      await passed;
      expect(calls).toBe(2);
      await world.close();
    }
  });
});

describe("two schedulers on one database", () => {
  it("the newer one leads; the older one makes no pass, and a decision it had made is dropped", async () => {
    const directory = mkdtempSync(join(tmpdir(), "verlpool-lead-"));
    world = await makeSchedulerWorld({ databaseUrl: join(directory, "db.sqlite3") });
    const second = await openStore({ url: join(directory, "db.sqlite3"), ids: world.deps.ids, clock: world.clock, lock: false });
    try {
      const newer = schedulerLoop({ ...world.deps, store: second }, "newer");
      const { taskId } = await world.submit();
      let tookOver = false;
      world.onFailpoint((name) => {
        if (name === "before_claim_commit" && !tookOver) tookOver = true;
      });
      const older = schedulerLoop(
        {
          ...world.deps,
          files: {
            ...world.files,
            // Between the older one's decision and its commit the newer one takes the lead.
            prepare: async (attempt) => {
              await world.files.prepare(attempt);
              if (!tookOver) await second.leader.lead("newer", world.clock.now());
            },
          },
        },
        "older",
      );
      await older.once(never);
      expect(tookOver).toBe(true);
      expect(await world.task(taskId)).toMatchObject({ state: "QUEUED", attempts: 0 });
      expect(world.ray.cluster.ledger.accepted).toEqual([]);
      expect(await older.once(never)).toBe(false);
      expect(older.view().leads).toBe(false);
      await newer.once(never);
      expect(newer.view().leads).toBe(true);
      expect((await world.attempts(taskId)).map((attempt) => attempt.attempt)).toEqual([1]);
    } finally {
      await second.close();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
