/** What a pass and an event cost in reads and writes, whatever lies in the history. That each read goes by an index: src/store/plans.test.ts. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { makeSchedulerWorld, type SchedulerWorld } from "../../../test/support/scheduler-world.ts";
import { CREATED, moveTo, newTask } from "../../../test/support/task-samples.ts";
import type { Store } from "../ports.ts";

type Counts = { readonly [call: string]: { readonly calls: number; readonly rows: number } };

let world: SchedulerWorld;
beforeEach(async () => {
  world = await makeSchedulerWorld();
});
afterEach(() => world.close());

function rowsIn(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  if (value instanceof Map) return value.size;
  return value !== null && typeof value === "object" && "rows" in value ? rowsIn(value.rows) : 1;
}

/** Counts every call to the store, and the rows that come back, while `work` runs. */
async function counted(work: () => Promise<unknown>): Promise<Counts> {
  const counts: { [call: string]: { calls: number; rows: number } } = {};
  const { store } = world;
  const kept: (() => void)[] = [];
  for (const [room, methods] of Object.entries(store) as [keyof Store, unknown][]) {
    if (typeof methods !== "object" || methods === null) continue;
    const functions = methods as { [name: string]: (...args: unknown[]) => Promise<unknown> };
    for (const [name, method] of Object.entries(functions)) {
      functions[name] = async (...args) => {
        const value = await method(...args);
        const count = (counts[`${room}.${name}`] ??= { calls: 0, rows: 0 });
        count.calls += 1;
        count.rows += rowsIn(value);
        return value;
      };
      kept.push(() => (functions[name] = method));
    }
  }
  await work();
  for (const restore of kept) restore();
  return counts;
}

async function addHistory(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const made = await world.store.tasks.insertTask(newTask(`ended-${i}`), CREATED, null, null, () => "");
    if (made.kind === "created") await world.store.tasks.change(moveTo(made.task, "CANCELED"));
  }
}

/** The life of one task from its submission to its end, beside one that runs. */
async function oneLife(): Promise<void> {
  const { taskId } = await world.submit("sft");
  await world.passUntilState(taskId, "RUNNING");
  world.lastStart().finish();
  await world.passUntilState(taskId, "SUCCEEDED");
}

it("a pass and the whole life of a task cost the same with a thousand ended tasks as with none", async () => {
  const { taskId } = await world.submit("sft");
  await world.passUntilState(taskId, "RUNNING");
  const { launcher } = world.lastStart();
  const quietPass = async (): Promise<Counts> => {
    launcher.beat();
    await world.pass();
    return await counted(world.pass);
  };
  await oneLife();
  const quiet = await quietPass();
  const life = await counted(oneLife);
  await addHistory(1_000);
  expect(await quietPass()).toEqual(quiet);
  expect(await counted(oneLife)).toEqual(life);
  expect(quiet["tasks.listOpen"]).toEqual({ calls: 1, rows: 1 });
  expect(quiet["tasks.change"]).toBeUndefined();
  expect(life["tasks.change"]?.calls).toBeGreaterThan(2);
});
