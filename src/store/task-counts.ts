/** Counters of tasks by user and state. A batch collects its changes and writes them once, right before its commit. */
import { type Kysely, sql } from "kysely";
import { TASK_STATES } from "../domain/task-state.ts";
import type { TaskState } from "../domain/types.ts";
import type { Tables } from "./tables.ts";

export type CountChanges = {
  readonly add: (userId: string, state: TaskState, by: number) => void;
  /** The change not yet written, of this plan and of those before it in the transaction. */
  readonly pending: (userId: string, state: TaskState) => number;
  readonly mergeInto: (other: CountChanges) => void;
  readonly entries: () => readonly { readonly user_id: string; readonly state: TaskState; readonly n: number }[];
};

export function makeCountChanges(before?: CountChanges): CountChanges {
  const byUser = new Map<string, Map<TaskState, number>>();
  const add = (userId: string, state: TaskState, by: number): void => {
    const states = byUser.get(userId) ?? new Map<TaskState, number>();
    byUser.set(userId, states.set(state, (states.get(state) ?? 0) + by));
  };
  const pending = (userId: string, state: TaskState): number =>
    (byUser.get(userId)?.get(state) ?? 0) + (before?.pending(userId, state) ?? 0);
  const entries = (): { user_id: string; state: TaskState; n: number }[] =>
    [...byUser].flatMap(([user_id, states]) => [...states].filter(([, n]) => n !== 0).map(([state, n]) => ({ user_id, state, n })));
  const mergeInto = (other: CountChanges): void => {
    for (const { user_id, state, n } of entries()) other.add(user_id, state, n);
  };
  return { add, pending, mergeInto, entries };
}

/** In the order of the keys, and as the last statement before the commit, so that two servers on one Postgres cannot deadlock here. */
export async function applyCounts(db: Kysely<Tables>, changes: CountChanges): Promise<void> {
  const rows = [...changes.entries()].sort((a, b) => (a.user_id + a.state < b.user_id + b.state ? -1 : 1));
  if (rows.length === 0) return;
  await db
    .insertInto("task_counts")
    .values(rows)
    .onConflict((conflict) => conflict.columns(["user_id", "state"]).doUpdateSet({ n: sql`task_counts.n + excluded.n` }))
    .execute();
}

export async function countByState(db: Kysely<Tables>): Promise<{ readonly [state in TaskState]: number }> {
  const rows = await db
    .selectFrom("task_counts")
    .select(["state", (of) => of.fn.sum<number | string>("n").as("n")])
    .groupBy("state")
    .execute();
  const counted = new Map(rows.map((row) => [row.state, Number(row.n)]));
  return Object.fromEntries(TASK_STATES.map((state) => [state, counted.get(state) ?? 0])) as { [state in TaskState]: number };
}
