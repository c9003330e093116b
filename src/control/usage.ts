/** GPU time: for people by what it went into, and for a fair order of the queue by recency. What runs now counts up to now. */
import { addUse, NO_USE, partsOf, totalUse, type UseKey, type UseSplit, type UseSum } from "../domain/held-time.ts";
import type { QueueOrder } from "../domain/queue-order.ts";
import { isLive } from "../domain/task-state.ts";
import type { Attempt, Principal, Task } from "../domain/types.ts";
import { dayOf, recentUse, type UsageRow } from "../domain/usage.ts";
import type { Clock, Store } from "./ports.ts";

type Deps = { readonly store: Store; readonly clock: Clock };

const DAY_MS = 86_400_000;

export type UsageQuery = {
  readonly userId: string | null;
  /** The first instant that counts, or so many days, today included. Whole UTC days either way. */
  readonly from: { readonly since: number } | { readonly days: number };
  readonly by: UseKey | null;
};

export type UsageReport = {
  /** By day and user, the newest day first. */
  readonly rows: readonly UseSum[];
  /** By what was asked for; null = nothing was. By day as above, else the most first. */
  readonly groups: readonly UseSum[] | null;
  readonly total: UseSplit;
};

/** A user sees his own. What runs counts up to now, as it would if it ended now. */
export async function readUsage({ store, clock }: Deps, principal: Principal, query: UsageQuery): Promise<UsageReport> {
  const whose = principal.kind === "admin" ? query.userId : principal.userId;
  const now = clock.now();
  const from = dayOf("since" in query.from ? query.from.since : now - (query.from.days - 1) * DAY_MS);
  const running = (await runningUse(store, now)).filter((row) => row.day >= from && (whose === null || row.userId === whose));
  const sums = async (by: readonly UseKey[]): Promise<readonly UseSum[]> =>
    together([...(await store.usage.split(from, whose, by)), ...running], by);
  const rows = (await sums(["day", "user"])).toSorted(newestFirst);
  const { by } = query;
  const groups = by === null ? null : (await sums([by])).toSorted(by === "day" ? newestFirst : mostFirst);
  return { rows, groups, total: rows.reduce((sum, row) => addUse(sum, row.split), NO_USE) };
}

function newestFirst(a: UseSum, b: UseSum): number {
  return compare(b.day, a.day) || compare(a.userId, b.userId);
}

function mostFirst(a: UseSum, b: UseSum): number {
  return totalUse(b.split) - totalUse(a.split) || compare(a.userId ?? a.workload ?? a.node, b.userId ?? b.workload ?? b.node);
}

function compare(a: string | null, b: string | null): number {
  return (a ?? "") < (b ?? "") ? -1 : a === b ? 0 : 1;
}

function together(parts: readonly UseSum[], by: readonly UseKey[]): readonly UseSum[] {
  const sums = new Map<string, UseSum>();
  for (const part of parts) {
    const row: UseSum = {
      day: by.includes("day") ? part.day : null,
      userId: by.includes("user") ? part.userId : null,
      workload: by.includes("workload") ? part.workload : null,
      node: by.includes("node") ? part.node : null,
      split: part.split,
    };
    const key = JSON.stringify([row.day, row.userId, row.workload, row.node]);
    sums.set(key, { ...row, split: addUse(row.split, sums.get(key)?.split ?? NO_USE) });
  }
  return [...sums.values()];
}

async function usageSince(store: Store, now: number, days: number, userId: string | null): Promise<readonly UsageRow[]> {
  const from = dayOf(now - (days - 1) * DAY_MS);
  const sums = new Map((await store.usage.since(from, userId)).map((row) => [`${row.day} ${row.userId}`, row]));
  for (const { day, userId: user, split } of await runningUse(store, now)) {
    if (day < from || (userId !== null && user !== userId)) continue;
    const key = `${day} ${user}`;
    sums.set(key, { day, userId: user, gpuMs: totalUse(split) + (sums.get(key)?.gpuMs ?? 0) });
  }
  return [...sums.values()].toSorted((a, b) => (a.day === b.day ? (a.userId < b.userId ? -1 : 1) : a.day < b.day ? 1 : -1));
}

type RunningUse = UseSum & { readonly day: string; readonly userId: string };

async function runningUse(store: Store, now: number): Promise<readonly RunningUse[]> {
  const live: readonly Task[] = (await store.tasks.listOpen()).filter((task) => isLive(task.state));
  const attempts: ReadonlyMap<string, Attempt> = await store.tasks.latestAttempts(live.map((task) => task.taskId));
  return live.flatMap(({ taskId, userId, workload }) => {
    const { startedAt = null, endedAt = null, useMarks = null, placement = [] } = attempts.get(taskId) ?? {};
    if (startedAt === null || endedAt !== null) return [];
    return partsOf(useMarks, placement, startedAt, now).map(({ day, node, kind, gpuMs }): RunningUse => {
      return { day, userId, workload, node, split: { ...NO_USE, [kind]: gpuMs } };
    });
  });
}

export type OrderSettings = { readonly order: QueueOrder["by"]; readonly fairHalfLifeDays: number };

/** Use older than this many half-lives counts less than 2 %. */
const HALF_LIVES = 6;
/** The sums of days move slowly. */
const FRESH_MS = 10_000;

/** The order of the queue as it is configured; the use is read anew every 10 s, and only where it matters. */
export function queueOrder({ store, clock }: Deps, settings: OrderSettings): () => Promise<QueueOrder> {
  let last: { readonly at: number; readonly order: QueueOrder } | null = null;
  return async () => {
    if (settings.order !== "fair") return { by: settings.order, used: new Map() };
    const at = clock.monotonicMs();
    if (last !== null && at - last.at < FRESH_MS) return last.order;
    const now = clock.now();
    const rows = await usageSince(store, now, Math.ceil(settings.fairHalfLifeDays * HALF_LIVES), null);
    last = { at, order: { by: "fair", used: recentUse(rows, now, settings.fairHalfLifeDays) } };
    return last.order;
  };
}
