import { expect, it } from "vitest";
import { lastStepAt, paceOf } from "./pace.ts";
import { seriesBuilder } from "./series.ts";
import { totalSteps } from "./total-steps.ts";

it("what verl times itself counts: the first step aside, shares of the last steps, tokens of the whole task", () => {
  const builder = seriesBuilder();
  for (let step = 1; step <= 4; step += 1) {
    const seconds = step === 1 ? 100 : 10;
    const data = {
      "timing_s/step": seconds,
      "timing_s/gen": seconds * 0.5,
      "timing_s/update_actor": seconds * 0.2,
      "timing_s/update_critic": seconds * 0.2,
    };
    builder.add({ step, data: { ...data, "perf/total_num_tokens": 1_000 } }, step);
  }
  const pace = paceOf(builder.series, []);
  expect(pace).toMatchObject({ stepSeconds: [10, 10, 10], median: 10, tokensPerS: 100 });
  expect(pace.shares.map(({ name, share }) => [name, Math.round(share * 100)])).toEqual([
    ["rollout", 50],
    ["update", 40],
    ["other", 10],
  ]);
});

it("a run that times nothing is timed by when its lines came", () => {
  const builder = seriesBuilder();
  for (let step = 1; step <= 6; step += 1) builder.add({ step, data: { "train/loss": 1, "train/global_tokens": 500 } }, step * 100);
  const at = (seconds: number, steps: number) => ({ at: seconds * 1000, logBytes: 0, metricsBytes: steps * 100 });
  const times = [at(0, 0), at(50, 2), at(55, 4), at(60, 4), at(65, 6)];
  const pace = paceOf(builder.series, times);
  expect(pace.stepSeconds).toEqual([2.5, 2.5, 5, 5]);
  expect(pace.tokensPerS).toBeCloseTo(500 / 3.75);
  expect(lastStepAt(builder.series, times)).toBe(65_000);
  expect(lastStepAt(builder.series, times.slice(0, 4))).toBeNull();
});

it.each([
  [["(TaskRunner pid=1) Total training steps: 116"], null, 116],
  [["Training Progress:  17%|█▋        | 2/12 [00:26<02:06, 12.62s/it]"], null, 12],
  [["Epoch 1/3:   2%|▏         | 1/48 [00:01<01:00,  1.29s/it]step:2 - train/loss:1"], null, 144],
  [["Epoch 1/1:   2%|▏         | 1/48 [00:01<01:00,  1.29s/it]"], 30, 30],
  [["Total training steps: 20"], 100, 20],
  [["nothing of it"], 7, 7],
  [[], null, null],
])("of %j with a cap of %j the total is %j", (lines, cap, expected) => {
  expect(totalSteps(lines, cap)).toBe(expected);
});
