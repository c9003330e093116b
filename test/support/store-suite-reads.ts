/** Finding, listing, counting and paging. */
import { beforeEach, describe, expect, it } from "vitest";
import type { TaskFilter } from "../../src/control/ports.ts";
import { TASK_STATES } from "../../src/domain/task-state.ts";
import type { Task } from "../../src/domain/types.ts";
import type { StoreFixture } from "./store-fixture.ts";
import { moved, moveTo, NOW } from "./task-samples.ts";

const ALL: TaskFilter = { userId: null, states: null, workload: null, labels: {} };

export function readSuite(on: StoreFixture): void {
  describe("finding a task", () => {
    const ids = ["mvp2-alice-ppo-20260101-000000-00ab", "mvp2-alice-ppo-20260102-000000-00cd", "mvp2-bob-sft-20260101-000000-00ab"];

    beforeEach(async () => {
      for (const id of ids) await on.created(id, { userId: id.includes("bob") ? "bob" : "alice" });
    });

    it.each([
      [ids[0], null, [ids[0]]],
      [ids[0], "bob", []],
      ["mvp2-alice", null, [ids[0], ids[1]]],
      ["mvp2", "bob", [ids[2]]],
      ["mvp2-alice-ppo-20260102", "alice", [ids[1]]],
      ["mvp2-alice-ppo", "bob", []],
      ["00cd", null, [ids[1]]],
      ["00ab", null, [ids[0], ids[2]]],
      ["00ab", "alice", [ids[0]]],
      ["0ab", null, []],
      ["%00cd", null, []],
      ["mvp2-alice%", null, []],
      ["mvp2_alice", null, []],
      ["", null, []],
    ])("by %j for %j gives %j", async (text, userId, expected) => {
      expect([...(await on.store.tasks.find(text ?? "", userId))].sort()).toEqual(expected);
    });
  });

  it("of its owner only is given, when an owner is named", async () => {
    const { taskId } = await on.created("mvp2-alice-ppo-20260101-000000-00ab", { userId: "alice" });
    const get = async (owner?: string | null) => (await on.store.tasks.get(taskId, owner))?.taskId;
    expect([await get(), await get(null), await get("alice"), await get("bob"), await get("")]).toEqual([
      taskId,
      taskId,
      taskId,
      undefined,
      undefined,
    ]);
  });

  it("pages through lists newest first, by user, states, workload and label, without gaps or repeats", async () => {
    const tasks: Task[] = [];
    for (let n = 0; n < 24; n += 1) {
      const task = await on.created(`t${n}`, {
        userId: n % 2 === 0 ? "alice" : "bob",
        workload: n % 3 === 0 ? "sft" : "ppo",
        labels: { mod: String(n % 4) },
      });
      tasks.push(n % 5 === 0 ? await on.applied(moveTo(task, n % 10 === 0 ? "CANCELED" : "FAILED")) : task);
    }
    const filters: TaskFilter[] = [
      ALL,
      { ...ALL, userId: "alice" },
      { ...ALL, states: ["CANCELED"] },
      { ...ALL, states: ["CANCELED", "QUEUED", "RUNNING"] },
      { ...ALL, states: [] },
      { userId: "bob", states: ["QUEUED", "FAILED"], workload: "ppo", labels: { mod: "1" } },
      { ...ALL, workload: "sft", labels: { mod: "0" } },
    ];
    for (const filter of filters) {
      const expected = tasks.filter((task) => matches(task, filter)).reverse();
      const paged: Task[] = [];
      for (let more = true, before: number | null = null; more;) {
        const page = await on.store.tasks.list(filter, before, 3);
        paged.push(...page.rows);
        before = page.rows.at(-1)?.seq ?? null;
        more = page.hasMore;
      }
      expect(paged).toEqual(expected);
    }
    expect(await on.store.tasks.listOpen()).toEqual(tasks.filter((task) => task.state === "QUEUED"));
  });

  it("counts tasks by state as moves change them", async () => {
    const empty = Object.fromEntries(TASK_STATES.map((state) => [state, 0]));
    expect(await on.store.tasks.countByState()).toEqual(empty);
    const task = await on.started("t1");
    await on.created("t2", { userId: "bob" });
    expect(await on.store.tasks.countByState()).toEqual({ ...empty, SUBMITTING: 1, QUEUED: 1 });
    await on.applied(moveTo(task, "RUNNING"));
    expect(await on.store.tasks.countByState()).toEqual({ ...empty, RUNNING: 1, QUEUED: 1 });
  });

  it("pages through events after a sequence number", async () => {
    const task = await on.created("t1");
    await on.applied({ taskId: "t1", version: task.version, epoch: null, at: NOW, events: Array.from({ length: 5 }, () => moved("x")) });
    const page = await on.store.tasks.events("t1", 2, 3);
    expect(page.rows.map((event) => event.seq)).toEqual([3, 4, 5]);
    expect(page.hasMore).toBe(true);
    expect(await on.store.tasks.events("t1", 6, 3)).toEqual({ rows: [], hasMore: false });
  });
}

function matches(task: Task, filter: TaskFilter): boolean {
  return (
    (filter.userId === null || task.userId === filter.userId) &&
    (filter.states === null || filter.states.includes(task.state)) &&
    (filter.workload === null || task.workload === filter.workload) &&
    Object.entries(filter.labels).every(([key, value]) => task.labels[key] === value)
  );
}
