import fc from "fast-check";
import { expect, test } from "vitest";
import { axisNumber, plot } from "./plot.ts";
import { cells } from "./visible.ts";

test("a rising line starts low at the left and ends high at the right, with its limits at the axes", () => {
  const lines = plot(
    [
      { x: 1, y: 0 },
      { x: 10, y: 1 },
    ],
    30,
    4,
  );
  expect(lines).toHaveLength(5);
  const [top = "", , , bottom = "", axis = ""] = lines;
  expect(top).toMatch(/^1 ┤\u2800+[^\u2800]+$/);
  expect(bottom).toMatch(/^0 ┤[^\u2800]+\u2800+$/);
  expect(axis).toMatch(/^ +1 +10$/);
});

test("any points fit the width, also flat, single and not finite ones", () => {
  const value = fc.oneof(fc.double(), fc.constant(3));
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 50 }), fc.integer({ min: 30, max: 120 }), (values, width) => {
      const points = values.map((y, x) => ({ x, y }));
      for (const line of plot(points, width, 5)) expect(cells(line)).toBeLessThanOrEqual(width);
    }),
  );
  expect(plot([{ x: 1, y: Number.NaN }], 40, 5)).toEqual(["(no finite value)"]);
  expect(plot([{ x: 3, y: 2 }], 40, 5).join("")).toContain("2 ┤");
});

test("numbers at the axes are short", () => {
  expect([0, 0.31234567, 123456, 1e-9, -2.5].map(axisNumber)).toEqual(["0", "0.3123", "1.2e+5", "1.0e-9", "-2.5"]);
});
