import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { alertsOf } from "./alerts.ts";
import { type Series, seriesBuilder } from "./series.ts";
import { parseMetricLine } from "./training-log.ts";

function line(steps: number, data: (step: number) => { readonly [key: string]: number }): Series {
  const builder = seriesBuilder();
  for (let step = 1; step <= steps; step += 1) builder.add({ step, data: data(step) }, step);
  return builder.series;
}

const codes = (series: Series): readonly (readonly [string, number])[] => alertsOf("grpo", series).map(({ code, step }) => [code, step]);
const jitter = (step: number): number => (step % 2 === 0 ? 0.01 : -0.01);

describe("alerts of a run", () => {
  it("a loss, a gradient or a reward that is no finite number, and no other number", () => {
    expect(codes(line(3, (step) => ({ "actor/grad_norm": step === 2 ? Number.NaN : 1 })))).toEqual([["not_finite", 2]]);
    expect(codes(line(3, (step) => ({ "val/gsm8k": step === 2 ? Number.NaN : 1 })))).toEqual([]);
  });

  it("a reward that fell back to where it began, once it had risen; not one that wavers", () => {
    const reward = (step: number): number => (step <= 20 ? 0.2 + step * 0.02 : 0.25) + jitter(step);
    const collapsed = alertsOf(
      "grpo",
      line(40, (step) => ({ "critic/rewards/mean": reward(step) })),
    );
    expect(collapsed.map(({ code }) => code)).toEqual(["reward_collapse"]);
    expect(collapsed[0]?.step).toBeGreaterThan(20);
    expect(codes(line(40, (step) => ({ "critic/rewards/mean": 0.3 + 10 * jitter(step) })))).toEqual([]);
    expect(codes(line(40, (step) => ({ "critic/rewards/mean": 0.2 + Math.min(step, 20) * 0.01 + jitter(step) })))).toEqual([]);
    expect(
      alertsOf(
        "sft",
        line(40, (step) => ({ "critic/rewards/mean": reward(step) })),
      ),
    ).toEqual([]);
  });

  it("answers that are cut, when half of them are for five steps and not in one", () => {
    const clip = (ratio: (step: number) => number): Series => line(10, (step) => ({ "response_length/clip_ratio": ratio(step) }));
    expect(codes(clip(() => 0.6))).toEqual([["response_clip", 5]]);
    expect(codes(clip((step) => (step === 3 ? 0.9 : 0.1)))).toEqual([]);
  });

  it("an entropy that is a tenth of what it was", () => {
    const entropy = (end: number): Series => line(20, (step) => ({ "actor/entropy": step <= 5 ? 0.4 : end }));
    expect(codes(entropy(0.01))).toEqual([["entropy_collapse", 10]]);
    expect(codes(entropy(0.2))).toEqual([]);
  });

  it.each(["real-ppo", "real-sft"])("none on a run that learns (%s)", (run) => {
    const builder = seriesBuilder();
    const text = readFileSync(join(import.meta.dirname, "../../../test/fixtures", run, "metrics.jsonl"), "utf8");
    for (const [at, row] of text.trimEnd().split("\n").entries()) {
      const point = parseMetricLine(row);
      if (point !== null) builder.add(point, at);
    }
    expect(builder.series.steps.length).toBeGreaterThan(10);
    expect(alertsOf(run === "real-ppo" ? "ppo" : "sft", builder.series)).toEqual([]);
  });
});
