/** When things run, as shares of one line of time. */
import type { EstimateWire } from "../../../src/contract/resources.ts";

export type Bar = {
  /** From when it surely runs, until when it may; shares from 0 to 1. Null = nothing is known. */
  readonly start: number;
  readonly sure: number;
  readonly end: number;
};

const HOUR_MS = 3_600_000;
/** Lengths whose half can be read without thinking. */
const LENGTHS_MS = [0.25, 0.5, 1, 2, 4, 8, 12, 24].map((hours) => hours * HOUR_MS);
const LONGEST_MS = 48 * HOUR_MS;

/** How far the line reaches: past the last end that is known, two days at most. */
export function horizonMs(estimates: readonly (EstimateWire | null)[], now: number): number {
  const ends = estimates.flatMap((one) =>
    [one?.end_at_high, one?.end_at_low, one?.start_at_high, one?.start_at_low].flatMap((at) => (at == null ? [] : [Date.parse(at) - now])),
  );
  const last = Math.max(0, ...ends);
  return LENGTHS_MS.find((length) => length >= last) ?? LONGEST_MS;
}

export function barOf(estimate: EstimateWire | null, isRunning: boolean, now: number, horizon: number): Bar | null {
  const share = (at: string | null | undefined): number | null =>
    at == null ? null : Math.min(1, Math.max(0, (Date.parse(at) - now) / horizon));
  const start = isRunning ? 0 : share(estimate?.start_at_low);
  if (start === null) return null;
  const end = share(estimate?.end_at_high) ?? 1;
  const sure = share(estimate?.end_at_low) ?? start;
  return { start, sure: Math.max(start, sure), end: Math.max(start, end) };
}
