/** The one place that reads time and randomness; everything else is given these. */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Clock, Ids } from "../control/ports.ts";

export const clock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, { signal });
  },
};

export const ids: Ids = { hex: (bytes) => randomBytes(bytes).toString("hex") };

/** Uniform in [0, 1): for jitter, never for secrets. */
export const random = (): number => Math.random();
