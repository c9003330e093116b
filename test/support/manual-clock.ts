/** Time that passes only when a test says so. Both clocks move together; `setWall` makes the wall clock jump. */
import type { Clock } from "../../src/control/ports.ts";

export type ManualClock = Clock & {
  readonly advance: (ms: number) => void;
  readonly setWall: (at: number) => void;
  /** How many wait in `sleep`. */
  readonly sleeping: () => number;
};

type Sleeper = { readonly until: number; readonly wake: () => void };

export function manualClock(start: number): ManualClock {
  let wall = start;
  let monotonic = 0;
  const sleepers = new Set<Sleeper>();
  return {
    now: () => wall,
    monotonicMs: () => monotonic,
    sleep: async (ms, signal) => {
      signal.throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        const abort = (): void => {
          sleepers.delete(sleeper);
          reject(signal.reason as Error);
        };
        const sleeper: Sleeper = {
          until: monotonic + ms,
          wake: () => {
            signal.removeEventListener("abort", abort);
            resolve();
          },
        };
        signal.addEventListener("abort", abort, { once: true });
        sleepers.add(sleeper);
      });
    },
    advance: (ms) => {
      wall += ms;
      monotonic += ms;
      for (const sleeper of sleepers) {
        if (sleeper.until > monotonic) continue;
        sleepers.delete(sleeper);
        sleeper.wake();
      }
    },
    setWall: (at) => {
      wall = at;
    },
    sleeping: () => sleepers.size,
  };
}
