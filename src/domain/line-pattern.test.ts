import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { linePattern } from "./line-pattern.ts";

function compiled(text: string) {
  const reading = linePattern(text);
  if (reading.kind === "bad") throw new Error(reading.why);
  return reading.pattern;
}

function matches(text: string, line: string): boolean {
  const bytes = new TextEncoder().encode(line);
  return compiled(text).test(bytes, 0, bytes.length, { units: 0 });
}

describe("a pattern of --grep", () => {
  it.each([
    ["OOM", "cuda OOM here", true],
    ["OOM", "cuda oom here", false],
    ["(?i)oom", "cuda OoM here", true],
    ["^step:\\d+ - ", "step:12 - x", true],
    ["^step:\\d+ - ", " step:12 - x", false],
    ["a{2,3}b$", "xaab", true],
    ["a{2,3}b$", "xabx", false],
    ["^$", "", true],
    ["^$", "x", false],
    ["(?:foo|bar)+baz", "foobarbaz", true],
    ["[^a-c]z", "az", false],
    ["[\\]x-]", "]", true],
    ["模型+", "加载模型", true],
    ["(模){2}", "模模", true],
    ["{'model'", "{'model': 1}", true],
    ["a??b", "b", true],
    ["\\.\\*", "x.*", true],
  ])("%j in %j: %j", (pattern, line, expected) => {
    expect(matches(pattern, line)).toBe(expected);
  });

  it.each([
    "(",
    ")",
    "[a",
    "*a",
    "a{3,2}",
    "a{101}",
    "\\1",
    "(?=a)",
    "(?<n>a)",
    "a\\",
    "[é]",
    "(?i)",
    "(".repeat(8) + "a" + "{100})".repeat(8),
    "x".repeat(201),
  ])("%j is refused with a reason", (pattern) => {
    const reading = linePattern(pattern);
    expect(reading.kind).toBe("bad");
    if (reading.kind === "bad") expect(reading.why.length).toBeGreaterThan(5);
  });

  it("says the same as the language's own engine on what both know", () => {
    const part = fc.constantFrom("a", "b", "[ab]", "(a|b)", "(ab)", ".", "(a|)", "\\w", "^", "$");
    const repeated = fc
      .tuple(part, fc.constantFrom("", "", "*", "+", "?", "{1,2}"))
      .map(([one, times]) => (/[$^]/.test(one) ? one : one + times));
    const pattern = fc.array(repeated, { minLength: 1, maxLength: 5 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(pattern, fc.string({ unit: fc.constantFrom("a", "b", " "), maxLength: 8 }), (text, line) => {
        expect(matches(text, line)).toBe(new RegExp(text).test(line));
      }),
      { numRuns: 500 },
    );
  });

  it("costs in proportion to the line, also where a backtracking engine would not end", () => {
    const cost = (length: number): number => {
      const bytes = new TextEncoder().encode("a".repeat(length));
      const work = { units: 0 };
      expect(compiled("(a|a)*(a*)*(a|aa)+$b").test(bytes, 0, bytes.length, work)).toBe(false);
      return work.units;
    };
    expect(cost(40_000)).toBeLessThan(5 * cost(10_000));
  });

  it("of text alone names its bytes, so that a plain search does", () => {
    expect([...(compiled("step:").literal ?? [])]).toEqual([...new TextEncoder().encode("step:")]);
    expect(compiled("st.p").literal).toBeNull();
    expect(compiled("(?i)step").literal).toBeNull();
  });
});
