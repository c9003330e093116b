/** `npm run campaign -- kill-server`: the server killed at random moments with a hundred tasks open and a long history behind it. */
import type { Campaign } from "../../scripts/campaign-part.ts";
import { linesOf } from "./child-lines.ts";
import { largest, quantile } from "./figures.ts";
import type { KillServerLine } from "./kill-server.ts";

export const killServerCampaign: Campaign = {
  paths: ["src", "test/support", "test/campaigns", "package.json", "package-lock.json"],
  run: async ({ from, until, tree }) => {
    const minutes = (until - performance.now()) / 60_000;
    const { lines, failure } = await linesOf<KillServerLine>(tree, "test/campaigns/kill-server.ts", [
      "--from",
      `${from}`,
      "--minutes",
      `${minutes}`,
    ]);
    const kills = lines.filter((line) => line.kind === "kill");
    const [counted] = lines.filter((line) => line.kind === "count");
    const ready = kills.map(({ readyS }) => readyS);
    return {
      next: from + kills.length,
      figures: {
        kills: kills.length,
        tasks: counted?.tasks ?? 0,
        attempts: counted?.attempts ?? 0,
        starts: counted?.starts ?? 0,
        canceled: counted?.canceled ?? 0,
        posted_again: counted?.postedAgain ?? 0,
        ended_tasks_in_database: counted?.history ?? 0,
        ready_p50_s: quantile(ready, 0.5),
        ready_p95_s: quantile(ready, 0.95),
        ready_max_s: largest(ready),
      },
      violations: [...(counted?.violations ?? ["nothing was counted"]), ...failure],
    };
  },
};
