import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dayOf, gpuMsByDay, recentUse } from "./usage.ts";

const HOUR = 3_600_000;
const at = (text: string): number => Date.parse(text);

describe("GPU time by day", () => {
  it("is cut at midnight UTC", () => {
    expect(gpuMsByDay(4, at("2026-11-23T23:00:00Z"), at("2026-11-25T02:00:00Z"))).toEqual([
      { day: "2026-11-23", gpuMs: 4 * HOUR },
      { day: "2026-11-24", gpuMs: 96 * HOUR },
      { day: "2026-11-25", gpuMs: 8 * HOUR },
    ]);
  });

  it("is nothing for a time that ends before it begins", () => {
    expect(gpuMsByDay(4, at("2026-11-24T01:00:00Z"), at("2026-11-24T00:00:00Z"))).toEqual([]);
  });

  it("is nothing for decades: a clock was set right while the attempt ran", () => {
    expect(gpuMsByDay(4, at("1970-01-01T00:00:00Z"), at("2026-11-24T00:00:00Z"))).toEqual([]);
    expect(gpuMsByDay(1, at("2025-11-24T00:00:00Z"), at("2026-11-24T00:00:00Z"))).toHaveLength(365);
  });

  it("sums to the GPUs times the duration, whatever the days", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2e12 }),
        fc.integer({ min: 0, max: 40 * 24 * HOUR }),
        fc.integer({ min: 1, max: 64 }),
        (from, ms, gpus) => {
          const days = gpuMsByDay(gpus, from, from + ms);
          expect(days.reduce((sum, { gpuMs }) => sum + gpuMs, 0)).toBe(ms * gpus);
          expect(new Set(days.map(({ day }) => day)).size).toBe(days.length);
        },
      ),
    );
  });
});

describe("recent use", () => {
  const now = at("2026-11-24T12:00:00Z");
  const row = (userId: string, daysAgo: number, gpuMs: number) => ({ userId, day: dayOf(now - daysAgo * 24 * HOUR), gpuMs });

  it("counts half for what is a half-life ago", () => {
    const used = recentUse([row("alice", 0, 100), row("alice", 7, 100), row("bob", 14, 100)], now, 7);
    expect(used.get("alice")).toBe(150);
    expect(used.get("bob")).toBe(25);
    expect(used.has("carol")).toBe(false);
  });

  it("counts a day that lies ahead as today: the clock was set back", () => {
    expect(recentUse([row("alice", -3, 100)], now, 7).get("alice")).toBe(100);
  });
});
