/** `npm run campaign -- pool-faults`: agents, raylets, heads, cables and head.json of a pool of four hosts, broken at random, as often as the time allows. */
import { chmodSync } from "node:fs";
import { join } from "node:path";
import type { Campaign } from "../../scripts/campaign-part.ts";
import { root, stepRunner } from "../../scripts/steps.ts";
import { preparePython } from "../../scripts/test-setup.ts";
import { linesOf } from "./child-lines.ts";
import { largest, quantile } from "./figures.ts";
import type { PoolFaultsLine } from "./pool-faults.ts";

export const poolFaultsCampaign: Campaign = {
  paths: ["src", "test/support", "test/campaigns", "package.json", "package-lock.json"],
  run: async ({ from, until, jobs, tree }) => {
    const python = await preparePython(stepRunner(join(root, ".cache", "campaigns", "pool-faults-setup")));
    // Half of the pools belong to an ordinary user, who must be able to read the copy.
    chmodSync(tree, 0o755);
    const minutes = (until - performance.now()) / 60_000;
    const args = ["--from", `${from}`, "--minutes", `${minutes}`, "--jobs", `${jobs}`];
    const { lines, failure } = await linesOf<PoolFaultsLine>(tree, "test/campaigns/pool-faults.ts", args, python);
    const seconds = lines.filter(({ violations }) => violations.length === 0).map((line) => line.seconds);
    return {
      next: Math.max(from, ...lines.map(({ round }) => round + 1)),
      figures: {
        rounds: lines.length,
        rounds_ordinary_user: lines.filter(({ privilege }) => privilege === "ordinary").length,
        faults: lines.reduce((sum, line) => sum + line.faults.length, 0),
        whole_again_p50_s: quantile(seconds, 0.5),
        whole_again_p90_s: quantile(seconds, 0.9),
        whole_again_max_s: largest(seconds),
      },
      violations: [
        ...lines.flatMap(({ round, faults, violations }) => violations.map((text) => `round ${round} (${faults.join("; ")}): ${text}`)),
        ...failure,
      ],
    };
  },
};
