import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseMetricLine, pickMetric } from "./training-log.ts";

describe("a line of verl's file logger", () => {
  it("is a step with its numbers; texts among them are left out", () => {
    const line = '{"step": 3, "data": {"critic/rewards/mean": 0.25, "note": "x", "flag": true, "n": 2}}';
    expect(parseMetricLine(line)).toEqual({ step: 3, data: { "critic/rewards/mean": 0.25, n: 2 } });
  });

  it("may hold NaN and Infinity bare, as Python's json writes them", () => {
    const point = parseMetricLine('{"step": 1, "data": {"a": NaN, "b": -Infinity, "c": 1.5, "d": Infinity}}');
    expect(point?.data["c"]).toBe(1.5);
    expect(["a", "b", "d"].map((key) => Number.isFinite(point?.data[key]))).toEqual([false, false, false]);
  });

  it.each([
    "",
    "step 3",
    "[1]",
    "{",
    '{"step": 1.5, "data": {}}',
    '{"step": 1}',
    '{"step": 1, "data": null}',
    '{"step": "1", "data": {}}',
    "{NaN}",
  ])("%j is none", (line) => {
    expect(parseMetricLine(line)).toBeNull();
  });

  it("never throws and never invents a step", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
        const point = parseMetricLine(line);
        if (point !== null) expect(Number.isInteger(point.step)).toBe(true);
      }),
    );
  });
});

describe("the one number that says whether it learns", () => {
  it("is the reward for RL and the loss for SFT", () => {
    const data = { "critic/rewards/mean": 0.5, "critic/score/mean": 0.4, "train/loss": 2, "val/loss": 3 };
    expect(pickMetric("grpo", { step: 1, data })).toEqual({ key: "critic/rewards/mean", value: 0.5 });
    expect(pickMetric("ppo", { step: 1, data })).toEqual({ key: "critic/rewards/mean", value: 0.5 });
    expect(pickMetric("sft", { step: 1, data })).toEqual({ key: "train/loss", value: 2 });
  });

  it("falls back, and is null where nothing finite was written", () => {
    expect(pickMetric("ppo", { step: 1, data: { "critic/rewards/mean": Number.NaN, "critic/score/mean": 1 } })?.key).toBe(
      "critic/score/mean",
    );
    expect(pickMetric("sft", { step: 1, data: { "val/loss": 1 } })?.key).toBe("val/loss");
    expect(pickMetric("sft", { step: 1, data: {} })).toBeNull();
  });
});
