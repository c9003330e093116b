import { afterEach, beforeEach } from "vitest";
import type { Idempotency, InsertTaskOutcome, NewTask, Store, SubmitLimits, TaskChange } from "../../src/control/ports.ts";
import type { Task } from "../../src/domain/types.ts";
import { type FreshDatabase, openTestStore, type TestDatabase } from "./databases.ts";
import { CREATED, moveTo, newAttempt, newTask } from "./task-samples.ts";

/** A fresh database and an open store for each test of the surrounding `describe`. */
export type StoreFixture = {
  readonly database: TestDatabase;
  readonly store: Store;
  /** Where a second store, as another server has it, is opened; only of a shared database. */
  readonly fresh: FreshDatabase;
  /** Opens the store again, after the test closed it; where a database dies with its store, on a new one. */
  readonly reopen: () => Promise<void>;
  readonly insert: (task: NewTask, idempotency?: Idempotency | null, limits?: Partial<SubmitLimits>) => Promise<InsertTaskOutcome>;
  readonly created: (taskId: string, overrides?: Partial<NewTask>) => Promise<Task>;
  readonly applied: (change: TaskChange) => Promise<Task>;
  /** A task whose first attempt is SUBMITTING. */
  readonly started: (taskId: string) => Promise<Task>;
};

export function storeFixture(database: TestDatabase): StoreFixture {
  let fresh: FreshDatabase;
  let store: Store;

  beforeEach(async () => {
    fresh = await database.fresh();
    store = await openTestStore(fresh);
  });

  afterEach(async () => {
    await store.close();
    await fresh.drop();
  });

  const insert: StoreFixture["insert"] = async (task, idempotency = null, limits = {}) =>
    await store.tasks.insertTask(
      task,
      CREATED,
      idempotency,
      { maxQueued: null, submitsPerMinute: null, maxStorageGib: null, ...limits },
      (made) => `answer of ${made.taskId}`,
    );

  const created: StoreFixture["created"] = async (taskId, overrides = {}) => taskOfOutcome(await insert(newTask(taskId, overrides)));

  const applied: StoreFixture["applied"] = async (change) => {
    const outcome = await store.tasks.change(change);
    if (outcome.kind !== "applied") throw new Error(`the change of ${change.taskId} was ${outcome.kind}`);
    return outcome.task;
  };

  const started: StoreFixture["started"] = async (taskId) => {
    const task = await created(taskId);
    return await applied(moveTo(task, "SUBMITTING", { newAttempt: newAttempt(task, 1) }));
  };

  const reopen = async (): Promise<void> => {
    if (!database.shared) fresh = await database.fresh();
    store = await openTestStore(fresh);
  };

  return {
    database,
    get fresh() {
      return fresh;
    },
    get store() {
      return store;
    },
    reopen,
    insert,
    created,
    applied,
    started,
  };
}

export function taskOfOutcome(outcome: InsertTaskOutcome): Task {
  if (outcome.kind !== "created") throw new Error(`the task was not created: ${JSON.stringify(outcome)}`);
  return outcome.task;
}
