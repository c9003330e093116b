/** GPU time by user: for people by day, and for a fair order of the queue by recency. What runs now counts up to now. */
import type { QueueOrder } from "../domain/queue-order.ts";
import { isLive } from "../domain/task-state.ts";
import type { Attempt, Principal, Task } from "../domain/types.ts";
import { dayOf, gpuMsByDay, recentUse, type UsageRow } from "../domain/usage.ts";
import type { Clock, Store } from "./ports.ts";

type Deps = { readonly store: Store; readonly clock: Clock };

const DAY_MS = 86_400_000;

/** Newest day first; `days` counts today. A user sees his own. */
export async function readUsage(
  { store, clock }: Deps,
  principal: Principal,
  userId: string | null,
  days: number,
): Promise<readonly UsageRow[]> {
  const whose = principal.kind === "admin" ? userId : principal.userId;
  return usageSince(store, clock.now(), days, whose);
}

async function usageSince(store: Store, now: number, days: number, userId: string | null): Promise<readonly UsageRow[]> {
  const from = dayOf(now - (days - 1) * DAY_MS);
  const sums = new Map((await store.usage.since(from, userId)).map((row) => [`${row.day} ${row.userId}`, row]));
  for (const row of await runningUse(store, now)) {
    if (row.day < from || (userId !== null && row.userId !== userId)) continue;
    const key = `${row.day} ${row.userId}`;
    sums.set(key, { ...row, gpuMs: row.gpuMs + (sums.get(key)?.gpuMs ?? 0) });
  }
  return [...sums.values()].toSorted((a, b) => (a.day === b.day ? (a.userId < b.userId ? -1 : 1) : a.day < b.day ? 1 : -1));
}

async function runningUse(store: Store, now: number): Promise<readonly UsageRow[]> {
  const live: readonly Task[] = (await store.tasks.listOpen()).filter((task) => isLive(task.state));
  const attempts: ReadonlyMap<string, Attempt> = await store.tasks.latestAttempts(live.map((task) => task.taskId));
  return [...attempts.values()].flatMap(({ userId, placement, startedAt }) => {
    const gpus = placement.reduce((sum, part) => sum + part.gpus, 0);
    return startedAt === null ? [] : gpuMsByDay(gpus, startedAt, now).map((part) => ({ userId, ...part }));
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
