import { expect, test } from "vitest";
import { overlapOf, type Sign, startedTwice } from "./stub-root.ts";

function sign(attempt: string, at: number, role = "driver", what: Sign["what"] = "beat"): Sign {
  return { attempt, at, role, what, pid: "1" };
}

test("two lives overlap from the first sign of the later one to the last sign of the one that ends first", () => {
  const old = [sign("a01", 1), sign("a01", 5, "actor-0")];
  expect(overlapOf(old)).toBe(0);
  expect(overlapOf([...old, sign("a02", 5.5), sign("a02", 9)])).toBe(0);
  expect(overlapOf([...old, sign("a02", 4.5), sign("a02", 9)])).toBe(0.5);
  expect(overlapOf([...old, sign("a02", 2), sign("a02", 3)])).toBe(1);
  expect(overlapOf([...old, sign("a02", 6), sign("a03", 4), sign("a03", 7)])).toBe(1);
});

test("an attempt whose driver started a second time is named, its actors aside", () => {
  const once = [sign("a01", 1, "driver", "start"), sign("a01", 2, "actor-0", "start"), sign("a02", 3, "driver", "start")];
  expect(startedTwice(once)).toEqual([]);
  expect(startedTwice([...once, sign("a01", 4, "driver", "start")])).toEqual(["a01"]);
});
