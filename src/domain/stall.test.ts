import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stallLimitMs, stallOf, type StallSight, withoutRequestsOfOthers } from "./stall.ts";

const MINUTE = 60_000;
const LIMITS = { factor: 10, minMs: 10 * MINUTE, firstStepMs: 60 * MINUTE };
const sight = (over: Partial<StallSight> = {}): StallSight => ({
  step: 7,
  stillMs: 0,
  stepMs: 3 * MINUTE,
  headSilentMs: 0,
  unplaceable: null,
  ...over,
});
const codeOf = (over: Partial<StallSight>): string | null => stallOf(sight(over), LIMITS)?.code ?? null;

describe("a running attempt is stalled", () => {
  it("when no step comes for the factor times its median, not before", () => {
    expect(codeOf({ stillMs: 30 * MINUTE - 1 })).toBeNull();
    expect(stallOf(sight({ stillMs: 30 * MINUTE }), LIMITS)).toEqual({
      code: "no_step",
      text: "no step after step 7 has come for 30 min; its steps take 3 min",
    });
  });

  it("not within the floor, however quick its steps are", () => {
    expect(codeOf({ stepMs: 100, stillMs: 10 * MINUTE - 1 })).toBeNull();
    expect(codeOf({ stepMs: 100, stillMs: 10 * MINUTE })).toBe("no_step");
  });

  it("before its first step, or where its pace is not known, only after the longer limit", () => {
    for (const over of [{ step: null, stepMs: null }, { stepMs: null }]) {
      expect(codeOf({ ...over, stillMs: 60 * MINUTE - 1 })).toBeNull();
      expect(codeOf({ ...over, stillMs: 60 * MINUTE })).toBe(over.step === null ? "no_first_step" : "no_step");
    }
  });

  it("as soon as the floor is over where Ray says that it can't place it, but only before the first step", () => {
    const unplaceable = "(autoscaler) Error: No available node types can fulfill resource request {'GPU': 8.0}";
    expect(codeOf({ step: null, stepMs: null, unplaceable, stillMs: 10 * MINUTE - 1 })).toBeNull();
    expect(stallOf(sight({ step: null, stepMs: null, unplaceable, stillMs: 10 * MINUTE }), LIMITS)).toMatchObject({
      code: "placement_pending",
      text: expect.stringContaining("'GPU': 8.0") as string,
    });
    expect(codeOf({ unplaceable, stillMs: 10 * MINUTE })).toBeNull();
  });

  it("when the head is silent and no step came since; a run that goes on without its head is not", () => {
    expect(codeOf({ headSilentMs: 11 * MINUTE, stillMs: 11 * MINUTE })).toBe("head_silent");
    expect(codeOf({ headSilentMs: 11 * MINUTE, stillMs: 4 * MINUTE })).toBeNull();
    expect(codeOf({ headSilentMs: 9 * MINUTE, stillMs: 11 * MINUTE })).toBeNull();
  });
});

it("once stalled, waiting longer never makes it well, and nothing is stalled within the floor", () => {
  const ms = fc.integer({ min: 0, max: 1e8 });
  const any = fc.record({
    step: fc.option(fc.nat()),
    stillMs: ms,
    stepMs: fc.option(ms),
    headSilentMs: ms,
    unplaceable: fc.constantFrom(null, "Error: No available node types"),
  });
  fc.assert(
    fc.property(any, ms, (seen, more) => {
      const stall = stallOf(seen, LIMITS);
      if (seen.stillMs < LIMITS.minMs) expect(stall).toBeNull();
      if (stall !== null) expect(stallOf({ ...seen, stillMs: seen.stillMs + more }, LIMITS)?.code).toBe(stall.code);
      if (seen.stillMs >= stallLimitMs(seen, LIMITS)) expect(stall).not.toBeNull();
    }),
  );
});

it("what wants more GPUs than a task has on a node is another task's, and its line keeps its number", () => {
  const line = (asked: string): string => `(autoscaler +25s) Error: No available node types can fulfill resource request ${asked}. Add …`;
  const log = ["a", line("{'GPU': 8.0, 'CPU': 80.0}"), line("{'CPU': 10.0, 'GPU': 2.0}"), line("{'CPU': 1.0}"), "{'GPU': 8.0}"];
  expect(withoutRequestsOfOthers(log.join("\n"), 2).split("\n")).toEqual(["a", "", ...log.slice(2)]);
  expect(withoutRequestsOfOthers(log.join("\n"), 8)).toBe(log.join("\n"));
});
