/** GPU time that was used: counted by UTC days, and weighed by age for a fair share. */

const DAY_MS = 86_400_000;

export type UsageRow = { readonly userId: string; readonly day: string; readonly gpuMs: number };

/** `YYYY-MM-DD` in UTC. */
export function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

/** No attempt runs for so long: a wall clock was set right in between, by decades where a machine woke up in 1970. */
const LONGEST_MS = 366 * DAY_MS;

/** What `gpus` GPUs held from one instant to another count for each day; nothing for a time that ends before it begins or is longer than a year. */
export function gpuMsByDay(gpus: number, from: number, to: number): readonly { readonly day: string; readonly gpuMs: number }[] {
  const days: { day: string; gpuMs: number }[] = [];
  if (to - from > LONGEST_MS) return days;
  for (let start = from; start < to;) {
    const end = Math.min(to, (Math.floor(start / DAY_MS) + 1) * DAY_MS);
    days.push({ day: dayOf(start), gpuMs: (end - start) * gpus });
    start = end;
  }
  return days;
}

/** By user: what he used, of which a half-life ago counts half. A day counts from its middle; one that lies ahead counts as today. */
export function recentUse(rows: readonly UsageRow[], now: number, halfLifeDays: number): ReadonlyMap<string, number> {
  const shares = new Map<string, number>();
  for (const { userId, day, gpuMs } of rows) {
    const age = Math.max(0, now - (Date.parse(day) + DAY_MS / 2)) / DAY_MS;
    shares.set(userId, (shares.get(userId) ?? 0) + gpuMs * 2 ** (-age / halfLifeDays));
  }
  return shares;
}
