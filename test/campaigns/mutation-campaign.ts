/**
 * `npm run campaign -- mutation`: Stryker changes the rules of scheduling and reconciliation, one place at a time, and the tests of the domain
 * must notice. It is installed into a folder of its own, not into the project: one tool for one campaign, with a hundred packages behind it.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Campaign } from "../../scripts/campaign-part.ts";
import { root } from "../../scripts/steps.ts";

const STRYKER = "10.1.1";
const BREAK = 85;
const MUTATED = ["src/domain/scheduling.ts", "src/domain/reconciliation.ts"];

const CONFIG = {
  testRunner: "vitest",
  plugins: ["@stryker-mutator/vitest-runner"],
  mutate: MUTATED,
  checkers: [],
  // TypeScript 7 has no API that Stryker could read a tsconfig with.
  tsconfigFile: "no-tsconfig.json",
  concurrency: 2,
  reporters: ["clear-text", "json"],
  incremental: true,
  // Outside of the copy, so that the next run starts from what this one found.
  incrementalFile: join(root, ".cache/campaigns/stryker-incremental.json"),
  vitest: { configFile: "stryker.vitest.ts" },
};

const VITEST = `import { defineConfig } from "vitest/config";
export default defineConfig({ test: { include: ["src/domain/**/*.test.ts"] } });
`;

type Report = { readonly files: { readonly [path: string]: { readonly mutants: readonly { readonly status: string }[] } } };

export const mutationCampaign: Campaign = {
  paths: ["src", "test/support", "test/fixtures", "package.json", "package-lock.json"],
  run: async ({ from, tree }) => {
    // The link leads to the project's own packages; Stryker must not be put among them.
    rmSync(join(tree, "node_modules"));
    const run = (command: string, args: readonly string[]): void =>
      void execFileSync(command, [...args], { cwd: tree, stdio: ["ignore", "inherit", "inherit"] });
    run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    const packages = ["core", "vitest-runner"].map((name) => `@stryker-mutator/${name}@${STRYKER}`);
    run("npm", ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", ...packages]);
    mkdirSync(join(tree, "reports"), { recursive: true });
    writeFileSync(join(tree, "stryker.config.json"), JSON.stringify(CONFIG));
    writeFileSync(join(tree, "stryker.vitest.ts"), VITEST);
    run(process.execPath, [join(tree, "node_modules/@stryker-mutator/core/bin/stryker.js"), "run"]);
    const report = JSON.parse(readFileSync(join(tree, "reports/mutation/mutation.json"), "utf8")) as Report;
    const statuses = Object.values(report.files).flatMap(({ mutants }) => mutants.map(({ status }) => status));
    const caught = statuses.filter((status) => status === "Killed" || status === "Timeout").length;
    const missed = statuses.filter((status) => status === "Survived" || status === "NoCoverage").length;
    const score = Math.round((caught / (caught + missed)) * 10_000) / 100;
    return {
      next: from + 1,
      figures: { stryker: STRYKER, mutants: caught + missed, caught, score },
      violations: score >= BREAK ? [] : [`${score} % of the mutants are caught, ${BREAK} % must be`],
    };
  },
};
