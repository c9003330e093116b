import { expect, test } from "vitest";
import { mutantSets, readMutants } from "../../scripts/mutation.ts";

test.each(mutantSets())("every mistake of %s can still be planted, each under a name of its own", (set) => {
  const names = readMutants(set).map((mutant) => mutant.name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThan(0);
});
