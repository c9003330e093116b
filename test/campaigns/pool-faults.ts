/**
 * The part of the campaign `pool-faults` that runs on the tree under test: rounds of test/support/pool-round.ts, in pools of their own, until the
 * time is over. Each round is one JSON line.
 *
 *     node test/campaigns/pool-faults.ts --from N --minutes M --jobs J
 */
import { parseArgs } from "node:util";
import { closeArena, openArena, type PoolRound, poolRound } from "../support/pool-round.ts";
import type { Privilege } from "../support/pool-world.ts";
import { pythonFrom } from "../support/real-ray.ts";

export type PoolFaultsLine = PoolRound & { readonly round: number; readonly privilege: Privilege };

const ROUNDS_PER_POOL = 10;
const WITHIN_MS = 300_000;

const { values } = parseArgs({
  options: {
    from: { type: "string", default: "1" },
    minutes: { type: "string", default: "10" },
    jobs: { type: "string", default: "1" },
  },
});
const until = performance.now() + Number(values.minutes) * 60_000;
let next = Number(values.from);
let pools = Number(values.from);

const lanes = await Promise.allSettled(Array.from({ length: Number(values.jobs) }, () => lane()));
for (const outcome of lanes) {
  if (outcome.status === "fulfilled") continue;
  console.error(outcome.reason);
  process.exitCode = 1;
}

async function lane(): Promise<void> {
  while (performance.now() < until) {
    pools += 1;
    await onePool(pools % 2 === 0 ? "root" : "ordinary");
  }
}

/** A pool that did not become whole is of no use to the next round. */
async function onePool(privilege: Privilege): Promise<void> {
  const arena = await openArena(pythonFrom("VERLPOOL_TEST_PYTHON"), privilege);
  try {
    for (let done = 0; done < ROUNDS_PER_POOL && performance.now() < until; done += 1) {
      const round = next;
      next += 1;
      const outcome = await poolRound(arena, { seed: round, long: true, withinMs: WITHIN_MS });
      const line: PoolFaultsLine = { round, privilege, ...outcome };
      console.log(JSON.stringify(line));
      if (outcome.violations.length > 0) return;
    }
  } finally {
    await closeArena(arena);
  }
}
