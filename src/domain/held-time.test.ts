import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addUse, newMarks, NO_USE, partsOf, spansOf, totalUse, USE_KINDS, withStall, withStallEnd, withStep } from "./held-time.ts";
import type { Placement, UseMarks } from "./types.ts";

const HOUR = 3_600_000;
const kinds = (marks: UseMarks | null, from: number, to: number): readonly (readonly [string, number])[] =>
  spansOf(marks, from, to).map((span) => [span.kind, span.to - span.from]);

describe("what an attempt's time went into", () => {
  it("is the wait for its first step, what it did again, and then work", () => {
    let marks = newMarks(25);
    marks = withStep(marks, 21, 110);
    expect(withStep(marks, 24, 130)).toBe(marks);
    marks = withStep(marks, 25, 140);
    expect(withStep(marks, 26, 150)).toBe(marks);
    expect(kinds(marks, 100, 200)).toEqual([
      ["before_first_step", 10],
      ["recomputed", 30],
      ["productive", 60],
    ]);
  });

  it("is again to the end where it never came as far as those before it", () => {
    expect(kinds(withStep(newMarks(25), 21, 110), 100, 200)).toEqual([
      ["before_first_step", 10],
      ["recomputed", 90],
    ]);
  });

  it("is a stall whatever it stands in, to the end where nothing came", () => {
    let marks = withStallEnd(withStall(newMarks(null), 100), 150);
    marks = withStall(withStep(marks, 1, 160), 180);
    expect(kinds(marks, 100, 200)).toEqual([
      ["stalled", 50],
      ["before_first_step", 10],
      ["productive", 20],
      ["stalled", 20],
    ]);
  });

  it("is all before the first step where none came, and unknown where none could be seen", () => {
    expect(kinds(newMarks(9), 100, 200)).toEqual([["before_first_step", 100]]);
    expect(kinds({ ...withStall(newMarks(null), 180), isBlind: true }, 100, 200)).toEqual([
      ["unknown", 80],
      ["stalled", 20],
    ]);
    expect(kinds(null, 100, 200)).toEqual([["unknown", 100]]);
  });

  it("is nothing for a time that ends before it begins, or that a clock has torn", () => {
    expect(spansOf(newMarks(null), 200, 100)).toEqual([]);
    expect(partsOf(newMarks(null), [{ node: "w1", gpus: 4, cpus: 1 }], 0, 400 * 24 * HOUR)).toEqual([]);
  });

  const instant = fc.integer({ min: -5 * HOUR, max: 90 * HOUR });
  const marks: fc.Arbitrary<UseMarks> = fc.record({
    firstStepAt: fc.option(instant),
    again: fc.option(fc.integer({ min: 1, max: 100 })),
    againUntil: fc.option(instant),
    stalls: fc.array(fc.record({ from: instant, to: fc.option(instant) }), { maxLength: 4 }),
    isBlind: fc.boolean(),
  });
  const placement: fc.Arbitrary<Placement> = fc
    .uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 4 })
    .chain((nodes) => fc.tuple(...nodes.map((n) => fc.record({ node: fc.constant(`w${n}`), gpus: fc.nat(16), cpus: fc.constant(1) }))));

  it("adds up to the interval times its GPUs exactly, whatever was written down, on every node and day", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.option(marks), placement, fc.nat(24 * HOUR), fc.nat(80 * HOUR), (written, nodes, from, ms) => {
        const parts = partsOf(written, nodes, from, from + ms);
        for (const { node, gpus } of nodes) {
          const held = parts.filter((part) => part.node === node).reduce((sum, { gpuMs }) => sum + gpuMs, 0);
          expect(held).toBe(ms * gpus);
        }
        const split = parts.reduce((sum, { kind, gpuMs }) => addUse(sum, { ...NO_USE, [kind]: gpuMs }), NO_USE);
        expect(totalUse(split)).toBe(ms * nodes.reduce((sum, { gpus }) => sum + gpus, 0));
        for (const { kind, gpuMs } of parts) {
          expect(Number.isInteger(gpuMs) && gpuMs > 0).toBe(true);
          seen.add(kind);
        }
      }),
    );
    expect([...seen].toSorted()).toEqual([...USE_KINDS].toSorted());
  });
});
