/**
 * Token buckets, as the generic cell rate algorithm: one number for each key. The packages for it count in fixed windows (twice the rate at a
 * window's edge), take no clock, and hold a timer for each key or no bound on keys.
 */
import type { Clock } from "../control/ports.ts";

export type Rate = { readonly perSecond: number; readonly burst: number };

export type RateLimiter = {
  /** Takes one of the key's bucket: 0, or, with nothing taken, the milliseconds until there is one. */
  readonly take: (key: string) => number;
  /** The same answer, and nothing is taken. A key that was never taken from is not kept. */
  readonly waitMs: (key: string) => number;
};

/** The keys used longest ago are forgotten first, as full buckets: no variety of keys costs more memory than this. */
const MOST_KEYS = 10_000;
/** Of adding up fractions of a millisecond. */
const ROUNDING_MS = 1e-3;

export function rateLimiter({ perSecond, burst }: Rate, clock: Pick<Clock, "monotonicMs">, mostKeys = MOST_KEYS): RateLimiter {
  const spacing = 1000 / perSecond;
  const slack = spacing * (burst - 1) + ROUNDING_MS;
  /** When each bucket is full again; the key used last stands last. */
  const fullAt = new Map<string, number>();
  const dueAt = (key: string, now: number): number => Math.max(now, fullAt.get(key) ?? now);
  return {
    take: (key) => {
      const now = clock.monotonicMs();
      const due = dueAt(key, now);
      const wait = due - now - slack;
      fullAt.delete(key);
      fullAt.set(key, wait > 0 ? due : due + spacing);
      const [oldest] = fullAt.keys();
      if (fullAt.size > mostKeys && oldest !== undefined) fullAt.delete(oldest);
      return Math.max(0, wait);
    },
    waitMs: (key) => {
      const now = clock.monotonicMs();
      return Math.max(0, dueAt(key, now) - now - slack);
    },
  };
}
