import { expect, test } from "vitest";
import { en } from "../../web/src/i18n/en.ts";
import { zh } from "../../web/src/i18n/zh.ts";

test("both languages say the same things, each with the same words to fill in", () => {
  expect(Object.keys(zh).toSorted()).toEqual(Object.keys(en).toSorted());
  const places = (text: string): readonly string[] =>
    [...new Set([...text.matchAll(/\{(\w+)/g)].map((match) => match[1] ?? ""))].toSorted();
  for (const key of Object.keys(en) as (keyof typeof en)[]) {
    expect(zh[key].trim(), key).not.toBe("");
    // Chinese has no plural: a number that only chose between two words may be missing there.
    expect(
      places(en[key]).filter((name) => !places(zh[key]).includes(name)),
      key,
    ).toEqual([]);
  }
});
