import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { endsBefore, type NodeCapacity, type Occupant, OVERHEAD_MS, reserve, withoutReserved } from "./reservation.ts";

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;

function node(name: string, gpus: number, gpusTotal = 8): NodeCapacity {
  return { node: name, gpus, cpus: 96, total: { gpusTotal, cpusTotal: 96 } };
}

function part(name: string, gpus: number, endsBy: number | null): Occupant {
  return { node: name, gpus, cpus: 1, endsBy };
}

const needs = (nodes: number, gpusPerNode: number) => ({ nodes, gpusPerNode, cpusPerNode: 4 });

describe("a reservation", () => {
  it("takes the nodes that are free first, by the time limits of what runs on them", () => {
    const occupants = [part("a", 8, NOW + 3 * HOUR), part("b", 8, NOW + HOUR), part("c", 8, NOW + 2 * HOUR)];
    const kept = reserve(needs(2, 8), [node("a", 0), node("b", 0), node("c", 0)], occupants, NOW);
    expect(kept).toMatchObject({ nodes: ["b", "c"], startsBy: NOW + 2 * HOUR + OVERHEAD_MS });
  });

  it("counts what has no time limit as endless, and then takes the node that lacks the fewest GPUs", () => {
    const kept = reserve(needs(1, 8), [node("a", 2), node("b", 6)], [part("a", 6, null), part("b", 2, null)], NOW);
    expect(kept).toMatchObject({ nodes: ["b"], startsBy: null });
  });

  it("waits only for as many ends as it needs on a node", () => {
    const occupants = [part("a", 2, NOW + HOUR), part("a", 6, null)];
    expect(reserve(needs(1, 2), [node("a", 0)], occupants, NOW)?.startsBy).toBe(NOW + HOUR + OVERHEAD_MS);
    expect(reserve(needs(1, 3), [node("a", 0)], occupants, NOW)?.startsBy).toBeNull();
  });

  it("is not made for a shape that the pool can't hold", () => {
    expect(reserve(needs(2, 8), [node("a", 8), node("b", 4, 4)], [], NOW)).toBeNull();
  });

  it("lets a task behind use what is left beside it, and all of it when that task is gone in time", () => {
    const kept = reserve(needs(1, 6), [node("a", 4), node("b", 8, 4)], [part("a", 4, NOW + 2 * HOUR)], NOW);
    if (kept === null) throw new Error("no reservation");
    expect(withoutReserved([node("a", 7), node("b", 3)], [kept]).map(({ gpus }) => gpus)).toEqual([1, 3]);
    expect(endsBefore(kept, HOUR, NOW)).toBe(true);
    expect(endsBefore(kept, 2 * HOUR + 1, NOW)).toBe(false);
    expect(endsBefore(kept, null, NOW)).toBe(false);
  });

  it("never leaves a task behind more than is free, and never less than nothing", () => {
    const sizes = fc.record({
      gpus: fc.integer({ min: 0, max: 8 }),
      asked: fc.integer({ min: 1, max: 8 }),
      count: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(sizes, ({ gpus, asked, count }) => {
        const nodes = [node("a", gpus), node("b", 8 - gpus), node("c", 8)];
        const kept = reserve(needs(count, asked), nodes, [], NOW);
        if (kept === null) throw new Error("every shape fits these nodes");
        const left = withoutReserved(nodes, [kept]);
        for (const [index, { gpus: rest }] of left.entries()) {
          const before = nodes[index]?.gpus ?? 0;
          expect(rest).toBeGreaterThanOrEqual(0);
          expect(rest).toBeLessThanOrEqual(before);
        }
        expect(kept.nodes).toHaveLength(count);
      }),
    );
  });
});
