import { describe, expect, it } from "vitest";
import { finitePoints, type Series, seriesBuilder } from "./series.ts";
import { type Strand, stitch } from "./stitch.ts";

function strand(
  attempt: number,
  from: readonly [attempt: number, step: number] | null,
  points: { readonly [step: number]: number },
): Strand {
  const builder = seriesBuilder();
  for (const [step, value] of Object.entries(points)) builder.add({ step: Number(step), data: { loss: value } }, 0);
  const resumedFrom = from === null ? null : { submissionId: `a${from[0]}`, step: from[1] };
  return { taskId: "t", submissionId: `a${attempt}`, attempt, resumedFrom, source: "file", series: builder.series };
}

const shown = (series: Series) => finitePoints(series, "loss").map(({ step, value }) => [step, value]);

describe("the one line of several attempts", () => {
  it("takes a later attempt's steps from where it resumed, and the lost ones are gone", () => {
    const { series, segments } = stitch([strand(1, null, { 1: 10, 2: 20, 3: 30, 4: 40 }), strand(2, [1, 2], { 3: 31, 4: 41, 5: 51 })]);
    expect(shown(series)).toEqual([
      [1, 10],
      [2, 20],
      [3, 31],
      [4, 41],
      [5, 51],
    ]);
    expect(segments.map(({ attempt, fromStep, toStep }) => [attempt, fromStep, toStep])).toEqual([
      [1, 1, 2],
      [2, 3, 5],
    ]);
  });

  it("leaves out an attempt that nothing was resumed from", () => {
    const { series } = stitch([strand(1, null, { 1: 10, 2: 20 }), strand(2, null, { 1: 99 }), strand(3, [1, 1], { 2: 22 })]);
    expect(shown(series)).toEqual([
      [1, 10],
      [2, 22],
    ]);
  });

  it("ends where the newest attempt resumed, as long as that has no step of its own", () => {
    expect(shown(stitch([strand(1, null, { 1: 10, 2: 20, 3: 30 }), strand(2, [1, 2], {})]).series)).toEqual([
      [1, 10],
      [2, 20],
    ]);
    expect(shown(stitch([strand(1, null, { 1: 10 }), strand(2, null, {})]).series)).toEqual([[1, 10]]);
    expect(stitch([]).series.steps).toEqual([]);
  });
});

describe("metrics as columns", () => {
  it("take a step's lines together, also when they come out of order, and know what was not written from what is no number", () => {
    const builder = seriesBuilder();
    builder.add({ step: 2, data: { a: 2 } }, 20);
    builder.add({ step: 1, data: { a: 1, b: Number.NaN } }, 30);
    builder.add({ step: 2, data: { b: 5 } }, 40);
    expect(builder.series.steps).toEqual([1, 2]);
    expect(builder.series.columns.get("a")).toEqual([1, 2]);
    expect(builder.series.columns.get("b")).toEqual([Number.POSITIVE_INFINITY, 5]);
    expect(finitePoints(builder.series, "b")).toEqual([{ step: 2, value: 5 }]);
  });

  it("are thinned when there are too many, and the newest step stays", () => {
    const builder = seriesBuilder(300);
    for (let step = 1; step <= 1_000; step += 1) builder.add({ step, data: { a: step } }, step);
    const { steps, columns, every } = builder.series;
    expect(steps.length * 3).toBeLessThanOrEqual(300);
    expect(steps.at(-1)).toBe(1_000);
    expect(columns.get("a")).toEqual([...steps]);
    expect(every).toBeGreaterThan(4);
  });
});
