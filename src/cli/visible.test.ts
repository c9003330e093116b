import fc from "fast-check";
import { expect, test } from "vitest";
import { cells, cut, logForTerminal, visible, visibleLines } from "./visible.ts";

// oxlint-disable-next-line no-control-regex -- that is what must be gone
const ACTS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

/** Any code points, lone surrogates too (fast-check's own "binary" unit takes seconds to set up). */
const anyText = fc.array(fc.integer({ min: 0, max: 0x10ffff })).map((codes) => String.fromCodePoint(...codes));

test("no text whatever keeps a character that acts", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(ACTS.test(visible(text))).toBe(false);
      expect(ACTS.test(visibleLines(text).replaceAll(/[\n\t]/g, ""))).toBe(false);
    }),
  );
});

test.each([
  ["a\u001b[31mb", String.raw`a\x1b[31mb`],
  ["\r\n\t\0", String.raw`\r\n\t\x00`],
  ["\u202e\u{e0041}\ud800", String.raw`\u202e\u{e0041}\ud800`],
  ["模型 é 👍", "模型 é 👍"],
])("%j is shown as %s", (text, shown) => {
  expect(visible(text)).toBe(shown);
});

test("a log cut anywhere is shown as the whole log is", () => {
  const part = fc.constantFrom("\u001b[36m", "\u001b[0m", "\u001b[2J", "\r\n", "\r", "é模👍", "step 1", "\n", "\u001b");
  fc.assert(
    fc.property(fc.array(part), fc.array(fc.nat(40)), (parts, cuts) => {
      const bytes = Buffer.from(parts.join(""));
      const whole = logForTerminal();
      const expected = whole.push(bytes) + whole.flush();
      const pieces = logForTerminal();
      let shown = "";
      let from = 0;
      for (const at of cuts.toSorted((a, b) => a - b)) {
        shown += pieces.push(bytes.subarray(from, Math.max(from, at)));
        from = Math.max(from, at);
      }
      shown += pieces.push(bytes.subarray(from)) + pieces.flush();
      expect(shown).toBe(expected);
    }),
  );
});

test("bytes that are no UTF-8 are shown as the replacement character", () => {
  const log = logForTerminal();
  expect(log.push(Buffer.from([0xff, 0x61])) + log.flush()).toBe("\ufffda");
});

test("cells counts wide characters as two and combining ones as none", () => {
  expect([cells("abc"), cells("模型"), cells("e\u0301"), cells("👍")]).toEqual([3, 4, 1, 2]);
});

test("cut never exceeds its width and keeps the side that was asked for", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 30 }), fc.boolean(), (text, width, end) => {
      expect(cells(cut(visible(text), width, end ? "end" : "start"))).toBeLessThanOrEqual(width);
    }),
  );
  expect([cut("abcdef", 4), cut("abcdef", 4, "end"), cut("abc", 3)]).toEqual(["abc…", "…def", "abc"]);
});
