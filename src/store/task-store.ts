import type { Kysely } from "kysely";
import type { TaskStore } from "../control/ports.ts";
import type { Dialect } from "./migrations/migration.ts";
import type { Tables } from "./tables.ts";
import { changePlan } from "./task-change.ts";
import { countByState } from "./task-counts.ts";
import { earlierAnswer, insertTaskPlan } from "./task-insert.ts";
import { limitReached } from "./task-limits.ts";
import { attemptsOf, eventsOf, findTasks, getTask, latestAttempts, listOpenTasks, listTasks, taskVersions } from "./task-reads.ts";
import type { WriteQueue } from "./write-queue.ts";

export function makeTaskStore(read: Kysely<Tables>, write: WriteQueue["write"], dialect: Dialect): TaskStore {
  return {
    earlierAnswer: async (userId, idempotency, now) => await earlierAnswer(read, userId, idempotency, now),
    insertTask: async (task, event, idempotency, limits, answer, audit = null) =>
      await write(insertTaskPlan(dialect, task, event, idempotency, limits, answer, audit)),
    limitReached: async (userId, limits, now) => await limitReached(read, userId, limits, now, () => 0),
    change: async (change) => await write(changePlan(dialect, change)),
    get: async (taskId, userId = null) => await getTask(read, taskId, userId),
    find: async (text, userId) => await findTasks(read, text, userId),
    list: async (filter, beforeSeq, limit) => await listTasks(read, dialect, filter, beforeSeq, limit),
    listOpen: async () => await listOpenTasks(read),
    versions: async () => await taskVersions(read),
    countByState: async () => await countByState(read),
    attempts: async (taskId) => await attemptsOf(read, taskId),
    latestAttempts: async (taskIds) => await latestAttempts(read, taskIds),
    events: async (taskId, afterSeq, limit) => await eventsOf(read, taskId, afterSeq, limit),
  };
}
