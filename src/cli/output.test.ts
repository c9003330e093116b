import fc from "fast-check";
import { expect, test } from "vitest";
import { durationText, jsonText, painter, relativeTime, shellWord, spanText, table } from "./output.ts";
import { cells } from "./visible.ts";

const plain = painter({}, { isTTY: false, write: async () => {} });

/** Any code points, lone surrogates too (fast-check's own "binary" unit takes seconds to set up). */
const anyText = fc.array(fc.integer({ min: 0, max: 0x10ffff })).map((codes) => String.fromCodePoint(...codes));

test("durations and relative times read well", () => {
  const texts = [0, 59_400, 60_000, 90_000, 599_000, 3_600_000, 5_400_000, 172_800_000, 180_000_000].map(durationText);
  expect(texts).toEqual(["0s", "59s", "1m", "1m30s", "9m59s", "1h", "1h30m", "2d", "2d2h"]);
  expect(relativeTime("2026-01-01T00:00:10Z", Date.parse("2026-01-01T00:00:00Z"))).toBe("in 10s");
  expect(relativeTime("2026-01-01T00:00:00Z", Date.parse("2026-01-01T00:00:10Z"))).toBe("10s ago");
  expect([relativeTime(null, 0), relativeTime("x", 0), spanText(null, null, 0), spanText("x", null, 0)]).toEqual(["-", "-", "-", "-"]);
});

test("a table never exceeds its width, whatever stands in it", () => {
  const columns = [
    { title: "ID", min: 6, keep: "end" as const },
    { title: "N", align: "right" as const },
    { title: "TEXT", min: 4 },
  ];
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.string({ unit: "grapheme" }), fc.string(), anyText)),
      fc.integer({ min: 3, max: 60 }),
      (rows, width) => {
        const lines = table(columns, rows, plain, width).split("\n");
        expect(lines).toHaveLength(rows.length + 1);
        for (const line of lines) expect(cells(line)).toBeLessThanOrEqual(width);
      },
    ),
  );
});

test("json text is the same value, without invisible characters", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(JSON.parse(jsonText({ text }))).toEqual({ text });
      expect(/[\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/.test(jsonText(text))).toBe(false);
    }),
  );
});

test("a shell reads back each word as it was", () => {
  expect([shellWord("a.b=/c"), shellWord("a b"), shellWord("it's"), shellWord("")]).toEqual([
    "a.b=/c",
    "'a b'",
    String.raw`'it'\''s'`,
    "''",
  ]);
});
