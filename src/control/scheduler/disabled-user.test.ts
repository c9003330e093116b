/** What becomes of the tasks of a user who is disabled, and what of them when he is enabled again. */
import { afterEach, expect, it } from "vitest";
import { BY_ADMIN, byUser } from "../../../test/support/audit-samples.ts";
import { makeSchedulerWorld, type SchedulerWorld } from "../../../test/support/scheduler-world.ts";
import { newUser } from "../../../test/support/task-samples.ts";
import { holdTask } from "../change-task.ts";
import { setUserState } from "../users.ts";

let world: SchedulerWorld;
afterEach(() => world.close());

async function setState(state: "ACTIVE" | "DISABLED"): Promise<void> {
  const { store, clock } = world;
  const ids = { hex: () => "00" };
  await setUserState({ users: store.users, clock, ids, defaultLimits: newUser("alice").limits }, "alice", state, BY_ADMIN);
}

it("what waits is held and says why, what runs finishes; enabled again, only what he held himself stays held", async () => {
  world = await makeSchedulerWorld({ script: "hold", settings: { maxRunningTasks: 1 } });
  await world.addUser("bob");
  const running = await world.submit();
  await world.passUntilState(running.taskId, "RUNNING");
  const [waiting, ownHold] = [await world.submit(), await world.submit()];
  const other = await world.submit("sft", { userId: "bob" });
  await holdTask(world, ownHold.taskId, byUser("alice"));

  await setState("DISABLED");
  await world.pass();
  expect(await world.task(waiting.taskId)).toMatchObject({ state: "QUEUED", held: false, waiting: { code: "held" } });
  expect((await world.task(waiting.taskId)).waiting?.text).toContain("user is disabled");
  expect((await world.task(running.taskId)).state).toBe("RUNNING");
  world.lastStart().finish();
  await world.passUntilState(running.taskId, "SUCCEEDED");
  await world.passUntilState(other.taskId, "RUNNING");
  await world.passFor(30_000);
  expect(await world.attempts(waiting.taskId)).toEqual([]);

  await setState("ACTIVE");
  world.lastStart().finish();
  await world.passUntilState(waiting.taskId, "RUNNING");
  expect(await world.task(ownHold.taskId)).toMatchObject({ state: "QUEUED", held: true, waiting: { code: "held" } });
  expect((await world.task(ownHold.taskId)).waiting?.text).toContain("verlpool release");
});
