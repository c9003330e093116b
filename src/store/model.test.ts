import fc from "fast-check";
import { expect, it } from "vitest";
import { MEMORY, openTestStore } from "../../test/support/databases.ts";
import { rounds, runAgainstModel } from "../../test/support/store-model.ts";

it("random calls, alone and at once, give the answers and leave the rows of the model", async () => {
  await fc.assert(
    fc.asyncProperty(rounds, async (plan) => {
      const fresh = await MEMORY.fresh();
      const store = await openTestStore(fresh);
      try {
        await runAgainstModel(store, plan, (real, expected) => expect(real).toEqual(expected));
      } finally {
        await store.close();
      }
    }),
    { numRuns: 40 },
  );
});
