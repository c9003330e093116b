/** The simulation as a campaign: one seed after another, shared out in slices, until the time is over. */
import type { Campaign } from "../scripts/campaign-part.ts";
import { runInParallel } from "./in-parallel.ts";
import { addUp, type Summary } from "./run-seeds.ts";

const SLICE = 500;

export const simulationCampaign: Campaign = {
  paths: ["src", "sim", "package.json", "package-lock.json"],
  run: async ({ from, until, jobs, tree }) => {
    const parts: Summary[] = [];
    let next = from;
    while (performance.now() < until) {
      const count = SLICE * jobs;
      parts.push(await runInParallel({ start: next, count, maxFailures: 20, jobs, tree }));
      next += count;
    }
    const { seeds, steps, virtualMs, cpuMs, failures } = addUp(parts);
    return {
      next,
      figures: { seeds, steps, virtual_hours: Math.round(virtualMs / 3_600_000), cpu_s: Math.round(cpuMs / 1000) },
      violations: failures.map(({ seed, violation }) => `seed ${seed}: ${violation.invariant} ${violation.broken}`),
    };
  },
};
