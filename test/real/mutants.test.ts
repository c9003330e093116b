/** Each planted mistake of test/mutants/ fails a test. `npm run security:mutants` prints which. */
import { beforeAll, describe, expect, test } from "vitest";
import { mutantSets, readMutants, runMutants, type Verdict } from "../../scripts/mutation.ts";

describe.each(mutantSets().map((set) => [set]))("the mistakes of %s", (set) => {
  const mutants = readMutants(set);
  let verdicts: readonly Verdict[] = [];
  beforeAll(async () => {
    verdicts = await runMutants(mutants);
  });

  test.each(mutants.map((mutant) => [mutant.name]))("%s is caught", (name) => {
    const verdict = verdicts.find((one) => one.mutant.name === name);
    expect(verdict?.outcome, verdict?.by).toBe("caught");
  });
});
