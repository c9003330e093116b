/** What a user may do to a task, as guarded writes on a real store. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AUDIT, BY_ADMIN, byUser } from "../../test/support/audit-samples.ts";
import { manualClock } from "../../test/support/manual-clock.ts";
import { CREATED, moveTo, newAttempt, newTask, newUser, NOW } from "../../test/support/task-samples.ts";
import type { Task } from "../domain/types.ts";
import { openStore } from "../store/open-store.ts";
import { cancelTask, type ChangeDeps, holdTask, prioritizeTask, releaseTask } from "./change-task.ts";
import type { Store } from "./ports.ts";

const ID = "mvp2-alice-ppo-20260101-000000-0000abcd";

let store: Store;
let deps: ChangeDeps;

beforeEach(async () => {
  const clock = manualClock(NOW);
  store = await openStore({ url: ":memory:", ids: { hex: (bytes) => "ab".repeat(bytes) }, clock });
  deps = { store, clock };
  await store.users.insertUser(newUser("alice"), AUDIT);
  await store.tasks.insertTask(newTask(ID), CREATED, null, null, () => "");
});
afterEach(() => store.close());

async function task(): Promise<Task> {
  const found = await store.tasks.get(ID);
  if (found === null) throw new Error("no task");
  return found;
}

async function lastEvent(): Promise<unknown> {
  return (await store.tasks.events(ID, 0, 100)).rows.at(-1);
}

describe("hold and release", () => {
  it("are idempotent, and leave an event each with the actor", async () => {
    const held = await holdTask(deps, ID, byUser("alice"));
    expect(held).toMatchObject({ held: true, state: "QUEUED", waiting: { code: "held" } });
    expect(await lastEvent()).toMatchObject({ actor: "user:alice", reason: { code: "held" } });
    expect((await holdTask(deps, ID, byUser("alice"))).version).toBe(held.version);
    const released = await releaseTask(deps, ID, BY_ADMIN);
    expect(released).toMatchObject({ held: false, waiting: null });
    expect((await releaseTask(deps, ID, BY_ADMIN)).version).toBe(released.version);
  });

  it("of a task that does not wait are refused, with its state", async () => {
    await store.tasks.change(moveTo(await task(), "SUBMITTING", { newAttempt: newAttempt(await task(), 1) }));
    await expect(holdTask(deps, ID, BY_ADMIN)).rejects.toMatchObject({
      code: "wrong_state",
      message: expect.stringContaining("SUBMITTING") as string,
    });
    await expect(releaseTask(deps, ID, BY_ADMIN)).rejects.toMatchObject({ code: "wrong_state" });
  });
});

describe("priority", () => {
  it("changes with an event that says from and to", async () => {
    expect((await prioritizeTask(deps, ID, -5, byUser("alice"))).priority).toBe(-5);
    expect(await lastEvent()).toMatchObject({ type: "priority_changed", data: { from: 0, to: -5 } });
    expect((await prioritizeTask(deps, ID, -5, byUser("alice"))).version).toBe((await task()).version);
  });

  it("above the owner's limit is for the admin only", async () => {
    await expect(prioritizeTask(deps, ID, 1, byUser("alice"))).rejects.toMatchObject({ code: "bad_parameter" });
    expect((await prioritizeTask(deps, ID, 1, BY_ADMIN)).priority).toBe(1);
  });
});

describe("every change", () => {
  it("of a task that does not exist is not found", async () => {
    for (const change of [cancelTask, holdTask, releaseTask])
      await expect(change(deps, ID.replace("alice", "bob"), BY_ADMIN)).rejects.toMatchObject({ code: "task_not_found" });
    await expect(prioritizeTask(deps, ID.replace("alice", "bob"), 1, BY_ADMIN)).rejects.toMatchObject({ code: "task_not_found" });
  });

  it("is made again when somebody was first", async () => {
    let raced = 0;
    const tasks = {
      ...store.tasks,
      get: async (taskId: string) => {
        const seen = await store.tasks.get(taskId);
        if (seen !== null && raced < 3) {
          raced += 1;
          await store.tasks.change({ taskId, version: seen.version, epoch: null, at: NOW, patch: { nextRunAt: raced } });
        }
        return seen;
      },
    };
    expect(await cancelTask({ ...deps, store: { ...store, tasks } }, ID, byUser("alice"))).toMatchObject({ state: "CANCELED" });
    expect(raced).toBe(3);
  });

  it("gives up with 'try again' instead of going on for ever", async () => {
    const tasks = { ...store.tasks, change: () => Promise.resolve({ kind: "stale" } as const) };
    await expect(cancelTask({ ...deps, store: { ...store, tasks } }, ID, BY_ADMIN)).rejects.toMatchObject({
      code: "database_unavailable",
      retryAfterS: 1,
    });
  });
});

describe("cancel", () => {
  it("of a live task is a durable intent: who and when, and the state stays", async () => {
    await store.tasks.change(moveTo(await task(), "SUBMITTING", { newAttempt: newAttempt(await task(), 1) }));
    expect(await cancelTask(deps, ID, byUser("alice"))).toMatchObject({
      state: "SUBMITTING",
      cancelRequestedAt: NOW,
      cancelActor: "user:alice",
    });
    expect(await lastEvent()).toMatchObject({ type: "cancel_requested", actor: "user:alice" });
  });

  it("of a waiting task ends it at once", async () => {
    expect(await cancelTask(deps, ID, BY_ADMIN)).toMatchObject({ state: "CANCELED", endedAt: NOW, waiting: null });
  });
});
