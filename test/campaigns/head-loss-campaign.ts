/** `npm run campaign -- head-loss`: real Ray, its head killed and replaced by an empty one, as often as the time allows. */
import { join } from "node:path";
import type { Campaign } from "../../scripts/campaign-part.ts";
import { root, stepRunner } from "../../scripts/steps.ts";
import { preparePython } from "../../scripts/test-setup.ts";
import { linesOf } from "./child-lines.ts";
import { largest, quantile } from "./figures.ts";
import type { HeadLossLine } from "./head-loss.ts";

export const headLossCampaign: Campaign = {
  paths: ["src", "test/support", "test/campaigns", "package.json", "package-lock.json"],
  run: async ({ from, until, jobs, tree }) => {
    const python = await preparePython(stepRunner(join(root, ".cache", "campaigns", "head-loss-setup")));
    const minutes = (until - performance.now()) / 60_000;
    const args = ["--from", `${from}`, "--minutes", `${minutes}`, "--jobs", `${jobs}`];
    const { lines, failure } = await linesOf<HeadLossLine>(tree, "test/campaigns/head-loss.ts", args, python);
    const verdicts = (pace: string): number[] => lines.filter((line) => line.pace === pace).flatMap(({ verdictsS }) => verdictsS);
    const ends = lines.flatMap((line) => line.ends);
    return {
      next: Math.max(from, ...lines.map(({ round }) => round + 1)),
      figures: {
        ray: lines[0]?.rayVersion ?? "",
        rounds: lines.length,
        rounds_default_timeouts: lines.filter(({ pace }) => pace === "default").length,
        rounds_uncontained: lines.filter(({ contained }) => !contained).length,
        tasks: ends.length,
        tasks_first_attempt_survived: ends.filter((end) => end === "1 SUCCEEDED").length,
        max_overlap_s: largest(lines.map(({ overlapS }) => overlapS)),
        verdict_p50_s: quantile(verdicts("short"), 0.5),
        verdict_max_s: largest(verdicts("short")),
        verdict_default_p50_s: quantile(verdicts("default"), 0.5),
        verdict_default_max_s: largest(verdicts("default")),
      },
      violations: [...lines.flatMap(({ round, violations }) => violations.map((text) => `round ${round}: ${text}`)), ...failure],
    };
  },
};
