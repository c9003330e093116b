import fc from "fast-check";
import { expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { rateLimiter } from "./rate-limit.ts";

test("a burst passes at once, then one each tenth of a second, and the wait named is the wait needed", () => {
  const clock = manualClock(0);
  const limiter = rateLimiter({ perSecond: 10, burst: 5 }, clock);
  expect(Array.from({ length: 5 }, () => limiter.take("a"))).toEqual([0, 0, 0, 0, 0]);
  expect(limiter.take("a")).toBeCloseTo(100, 1);
  expect(limiter.waitMs("a")).toBeCloseTo(100, 1);
  clock.advance(99);
  expect(limiter.take("a")).toBeGreaterThan(0);
  clock.advance(1);
  expect(limiter.waitMs("a")).toBe(0);
  expect(limiter.take("a")).toBe(0);
  expect(limiter.take("a")).toBeGreaterThan(0);
  expect(limiter.take("b")).toBe(0);
});

test("what is refused costs nothing: who hammers gets his share all the same", () => {
  const clock = manualClock(0);
  const limiter = rateLimiter({ perSecond: 10, burst: 1 }, clock);
  let passed = 0;
  for (let ms = 0; ms < 10_000; ms += 1) {
    if (limiter.take("a") === 0) passed += 1;
    clock.advance(1);
  }
  expect(passed).toBe(100);
});

test("never more than burst + rate × time pass, in any window, and a patient caller is never refused", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 100 }),
      fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 200 }),
      (perSecond, burst, gaps) => {
        const clock = manualClock(0);
        const limiter = rateLimiter({ perSecond, burst }, clock);
        const passed: number[] = [];
        for (const gap of gaps) {
          clock.advance(gap);
          if (limiter.take("a") === 0) passed.push(clock.monotonicMs());
        }
        for (const [first, from] of passed.entries())
          for (const [last, to] of passed.entries())
            if (last >= first) expect(last - first + 1).toBeLessThanOrEqual(burst + ((to - from) * perSecond) / 1000 + 1e-6);
        clock.advance(limiter.waitMs("a") + 0.01);
        expect(limiter.take("a")).toBe(0);
      },
    ),
  );
});

test("the memory is bounded, and the keys in use are the ones that are kept", () => {
  const limiter = rateLimiter({ perSecond: 1, burst: 1 }, manualClock(0), 3);
  limiter.take("a");
  for (let n = 0; n < 1_000; n += 1) {
    limiter.take(`spoofed-${n}`);
    expect(limiter.take("a")).toBeGreaterThan(0);
  }
  for (const other of ["b", "c", "d"]) limiter.take(other);
  expect(limiter.take("a")).toBe(0);
});

test("asking does not make room for a key", () => {
  const limiter = rateLimiter({ perSecond: 1, burst: 1 }, manualClock(0), 1);
  limiter.take("a");
  expect(limiter.waitMs("b")).toBe(0);
  expect(limiter.take("a")).toBeGreaterThan(0);
});
