/**
 * `npm run campaign -- NAME [--minutes N] [--jobs J]`: long runs that go on where the last one ended, each with a line in docs/campaigns.jsonl.
 * Figures of a campaign may be added up only where `code` is the same: it is the hash of what was tested, as it was.
 */
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { simulationCampaign } from "../sim/campaign.ts";
import { headLossCampaign } from "../test/campaigns/head-loss-campaign.ts";
import { killServerCampaign } from "../test/campaigns/kill-server-campaign.ts";
import { mutationCampaign } from "../test/campaigns/mutation-campaign.ts";
import { poolFaultsCampaign } from "../test/campaigns/pool-faults-campaign.ts";
import type { Campaign } from "./campaign-part.ts";
import { root } from "./steps.ts";

const CAMPAIGNS: { readonly [name: string]: Campaign } = {
  sim: simulationCampaign,
  "head-loss": headLossCampaign,
  "kill-server": killServerCampaign,
  mutation: mutationCampaign,
  "pool-faults": poolFaultsCampaign,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: "string", default: "10" }, jobs: { type: "string", default: "1" } },
});
const name = positionals[0] ?? "";
const campaign = CAMPAIGNS[name];
if (campaign === undefined) {
  console.error(`name one of: ${Object.keys(CAMPAIGNS).join(", ")}`);
  process.exitCode = 2;
} else {
  await go(campaign);
}

async function go({ paths, run }: Campaign): Promise<void> {
  const tree = mkdtempSync(join(tmpdir(), "verlpool-campaign-"));
  try {
    const code = copyOf(paths, tree);
    const stateFile = join(root, ".cache", "campaigns", `${name}-${code.slice(0, 12)}.json`);
    mkdirSync(join(root, ".cache", "campaigns"), { recursive: true });
    const from = stateOf(stateFile);
    console.log(`campaign ${name}, code ${code.slice(0, 12)}, from ${from}`);
    const started = performance.now();
    const part = await run({ from, until: started + Number(values.minutes) * 60_000, jobs: Number(values.jobs), tree });
    writeFileSync(stateFile, JSON.stringify({ next: part.next }));
    const record = {
      campaign: name,
      at: new Date().toISOString(),
      commit: gitIn(["rev-parse", "HEAD"], process.env),
      code,
      from,
      minutes: Math.round((performance.now() - started) / 6_000) / 10,
      ...part.figures,
      violations: part.violations,
    };
    appendFileSync(join(root, "docs", "campaigns.jsonl"), `${JSON.stringify(record)}\n`);
    console.log(JSON.stringify(record, null, 2));
    process.exitCode = part.violations.length === 0 ? 0 : 1;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

function stateOf(file: string): number {
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { next: number }).next;
  } catch {
    // The first run of this code.
    return 1;
  }
}

/** Copies the files as they lie there, committed or not, and gives the git tree hash of just these. */
function copyOf(paths: readonly string[], to: string): string {
  const index = { ...process.env, GIT_INDEX_FILE: join(to, ".index") };
  gitIn(["add", "--all", "--", ...paths], index);
  gitIn(["checkout-index", "--all", `--prefix=${to}/`], index);
  symlinkSync(join(root, "node_modules"), join(to, "node_modules"));
  return gitIn(["write-tree"], index);
}

function gitIn(args: readonly string[], env: NodeJS.ProcessEnv): string {
  return execFileSync("git", args, { cwd: root, env, encoding: "utf8" }).trim();
}
