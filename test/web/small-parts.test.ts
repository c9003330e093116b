import { expect, test } from "vitest";
import { eventParser } from "../../web/src/api/sse.ts";
import { bytes, duration, durationRange, metric, parseDuration, shortKey } from "../../web/src/format.ts";
import { searchLog } from "../../web/src/log/search-log.ts";
import { setField } from "../../web/src/new/set-field.ts";
import { barOf, horizonMs } from "../../web/src/pool/queue-times.ts";
import { pointsOf, summaryOf, zoomed } from "../../web/src/task/curve-points.ts";

test("times and sizes read as people write them", () => {
  expect([duration(59_400), duration(200_000), duration(7_500_000), duration(90_000_000)]).toEqual(["59s", "3m 20s", "2h 5m", "1d 1h"]);
  expect([durationRange(600_000, 840_000), durationRange(60_000, 60_000), durationRange(80_000, 3_660_000)]).toEqual([
    "10–14m",
    "1m",
    "1m 20s–1h 1m",
  ]);
  expect(durationRange(47_700_000, 77_940_000)).toBe("13–22h");
  expect([shortKey("critic/rewards/mean"), shortKey("loss")]).toEqual(["rewards/mean", "loss"]);
  expect([bytes(900), bytes(5_800), bytes(3_000_000_000)]).toEqual(["900 B", "5.7 KiB", "2.8 GiB"]);
  expect([metric(0.31274), metric(0.0000012), metric(12345)]).toEqual(["0.3127", "1.20e-6", "12350"]);
  expect(["8h", "90m", "1d 12h", "3600", "8 h", "h", "-1h", ""].map(parseDuration)).toEqual([
    28_800,
    5_400,
    129_600,
    3_600,
    28_800,
    null,
    null,
    null,
  ]);
});

test("events come whole, however their bytes are cut", () => {
  const stream = ': watching\n\nevent: tasks\nid: 1:2\ndata: {"a":1}\n\ndata: x\ndata: y\n\n';
  const whole = [
    { event: "tasks", id: "1:2", data: '{"a":1}' },
    { event: "message", id: null, data: "x\ny" },
  ];
  for (const size of [1, 7, stream.length]) {
    const parse = eventParser();
    const pieces = Array.from({ length: Math.ceil(stream.length / size) }, (_, n) => stream.slice(n * size, n * size + size));
    expect(pieces.flatMap((piece) => parse(piece))).toEqual(whole);
  }
});

test("a search finds what lies across two blocks, forward and backward, and says when there is nothing", async () => {
  const log = new TextEncoder().encode(`${"a".repeat(1024 * 1024 - 4096 - 3)}Needle${"b".repeat(2_000_000)}needle`);
  const read = (offset: number, limit: number) =>
    Promise.resolve({ bytes: log.subarray(offset, offset + limit), start: offset, end: offset + limit, attempt: 1 });
  const find = (from: number, direction: "forward" | "backward", text = "NEEDLE") =>
    searchLog(text, from, log.length, direction, read, () => undefined);
  const first = 1024 * 1024 - 4096 - 3;
  expect([await find(0, "forward"), await find(first + 1, "forward"), await find(log.length - 6, "backward")]).toEqual([
    first,
    log.length - 6,
    first,
  ]);
  expect([await find(first, "backward"), await find(0, "forward", "absent")]).toEqual([null, null]);
});

test("attempts share their steps, and a key that one lacks leaves a hole", () => {
  const curves: Parameters<typeof pointsOf>[0] = {
    attempts: [
      { attempt: 1, steps: [1, 2, 3], series: { loss: [3, 2, null] } },
      { attempt: 2, steps: [3, 4], series: { loss: [1, 0.5], other: [1, 1] } },
    ],
  };
  const points = pointsOf(curves, "loss");
  expect(points.steps).toEqual([1, 2, 3, 4]);
  expect(points.attempts.map((one) => one.values)).toEqual([
    [3, 2, null, null],
    [null, null, 1, 0.5],
  ]);
  expect(summaryOf(points)).toEqual({ count: 4, first: 3, last: 0.5, min: 0.5, max: 3 });
  expect(summaryOf(pointsOf(curves, "absent"))).toBe(null);
});

test("zooming stays inside of what there is, and out of it is everything", () => {
  const all = { min: 0, max: 100 };
  expect(zoomed(null, all, 0.5, 0)).toEqual({ min: 25, max: 75 });
  expect(zoomed({ min: 0, max: 50 }, all, 1, -0.5)).toEqual({ min: 0, max: 50 });
  expect(zoomed({ min: 60, max: 100 }, all, 1, 0.5)).toEqual({ min: 60, max: 100 });
  expect(zoomed({ min: 25, max: 75 }, all, 2, 0)).toBe(null);
});

test("a task that runs begins now, and one without an end goes on to the edge", () => {
  const at = (minutes: number): string => new Date(minutes * 60_000).toISOString();
  const estimate = { start_at_low: at(15), start_at_high: at(20), end_at_low: at(45), end_at_high: null };
  const horizon = horizonMs([estimate], 0);
  expect(horizon).toBe(60 * 60_000);
  expect(barOf(estimate, false, 0, horizon)).toEqual({ start: 0.25, sure: 0.75, end: 1 });
  expect(barOf(null, true, 0, horizon)).toEqual({ start: 0, sure: 0, end: 1 });
  expect(barOf(null, false, 0, horizon)).toBe(null);
});

test("a field is set in its own line, and nothing else of the text changes", () => {
  const text = "# code_path: old\nworkload: sft\ncode_path: /a # mine\n";
  expect(setField(text, "code_path", "/private/common/code/$&")).toBe(
    "# code_path: old\nworkload: sft\ncode_path: /private/common/code/$&\n",
  );
  expect(setField("workload: sft", "val_file", "/v")).toBe("workload: sft\nval_file: /v\n");
});
