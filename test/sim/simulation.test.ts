/** The simulation itself: the same seed gives the same world, real time and real chance play no part, and some worlds hold. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { FAULTS } from "../../sim/faults.ts";
import { INVARIANTS } from "../../sim/invariants/registry.ts";
import { makePlan } from "../../sim/plan.ts";
import { runWorld } from "../../sim/run-world.ts";
import { shrink } from "../../sim/shrink.ts";
import { type Database, openDatabase } from "../../sim/world/database.ts";

let database: Database;

beforeAll(async () => {
  database = await openDatabase();
});

afterEach(() => vi.restoreAllMocks());

async function trace(seed: number): Promise<{ readonly hash: string; readonly lines: readonly string[] }> {
  return await runWorld(database, makePlan(seed), true);
}

describe("one seed", () => {
  it.each([1, 2, 3, 4, 5, 6])("%i gives the same trace twice, to the last line", async (seed) => {
    const first = await trace(seed);
    await trace(seed + 1);
    const second = await trace(seed);
    expect(second.lines).toEqual(first.lines);
    expect(second.hash).toBe(first.hash);
    expect(first.lines.length).toBeGreaterThan(50);
  });

  it("another seed gives another trace", async () => {
    expect((await trace(1)).hash).not.toBe((await trace(2)).hash);
  });

  it("asks neither the machine's clock, nor its timers, nor its chance", async () => {
    const forbidden = (): never => {
      throw new Error("the code under test reached for real time or real chance");
    };
    vi.spyOn(Date, "now").mockImplementation(forbidden);
    vi.spyOn(performance, "now").mockImplementation(forbidden);
    vi.spyOn(Math, "random").mockImplementation(forbidden);
    vi.spyOn(globalThis, "setTimeout").mockImplementation(forbidden);
    vi.spyOn(globalThis, "setInterval").mockImplementation(forbidden);
    for (const seed of [11, 12, 13]) expect((await runWorld(database, makePlan(seed), false)).violation).toBeNull();
  });
});

describe("docs/simulation.md", () => {
  it("tells every fault and every invariant as they are", () => {
    const page = readFileSync(join(import.meta.dirname, "../../docs/simulation.md"), "utf8");
    const rows = [
      ...Object.entries(FAULTS).map(([kind, { what }]) => `| \`${kind}\` | ${what} |`),
      ...INVARIANTS.map(({ id, text }) => `| ${id} | ${text} |`),
    ];
    expect(rows.filter((row) => !page.includes(`${row}\n`))).toEqual([]);
  });
});

describe("a failing plan is made smaller", () => {
  it("to the items that matter, whatever their number and place", async () => {
    const items = Array.from({ length: 23 }, (_, index) => index);
    const needs = (wanted: readonly number[]) => async (kept: readonly number[]) =>
      Promise.resolve(wanted.every((item) => kept.includes(item)));
    expect(await shrink(items, needs([4]))).toEqual([4]);
    expect(await shrink(items, needs([0, 11, 22]))).toEqual([0, 11, 22]);
    expect(await shrink(items, needs([]))).toEqual([]);
  });
});
