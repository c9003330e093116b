/** `npm run sim`: worlds by the thousand. Exits 1 when one breaks an invariant, or when a large run never met what it must meet. */
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { neverSeen } from "./coverage.ts";
import { explain, planLines } from "./explain.ts";
import { runInParallel } from "./in-parallel.ts";
import { planOf, runSeeds, type Summary } from "./run-seeds.ts";
import { runWorld } from "./run-world.ts";
import { openDatabase } from "./world/database.ts";

const HELP = `npm run sim -- [options]
  --seeds N          how many worlds (300)
  --start S          the first seed (1), or "random"
  --jobs J           processes (1)
  --coverage         fail when a fault, edge or failpoint was never met
  --max-failures F   stop after F failing seeds (1)
  --seed S           this world alone; with --only 1,4 only these items of its plan
  --verbose          with --seed: its plan and every line of its trace
  --no-shrink        say only which seeds fail`;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "300" },
    start: { type: "string", default: "1" },
    jobs: { type: "string", default: "1" },
    seed: { type: "string" },
    only: { type: "string" },
    verbose: { type: "boolean", default: false },
    coverage: { type: "boolean", default: false },
    "max-failures": { type: "string", default: "1" },
    "no-shrink": { type: "boolean", default: false },
    part: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help) console.log(HELP);
else if (values.seed !== undefined) await one(Number(values.seed));
else await many();

async function one(seed: number): Promise<void> {
  const only = values.only === undefined ? null : values.only.split(",").map(Number);
  const plan = planOf(seed, only);
  const outcome = await runWorld(await openDatabase(), plan, values.verbose);
  if (values.verbose) console.log([...planLines(plan), ...outcome.lines].join("\n"));
  console.log(`seed ${seed}: ${outcome.steps} steps, ${(outcome.virtualMs / 60_000).toFixed(1)} virtual minutes, trace ${outcome.hash}`);
  if (outcome.violation === null) return;
  console.log(`BREAKS ${outcome.violation.invariant}: ${outcome.violation.text}\n  ${outcome.violation.broken}`);
  process.exitCode = 1;
}

async function many(): Promise<void> {
  const start = values.start === "random" ? Math.floor(Math.random() * 2 ** 40) : Number(values.start);
  const options = { start, count: Number(values.seeds), maxFailures: Number(values["max-failures"]) };
  if (values.part) {
    process.stdout.write(JSON.stringify(await runSeeds(options)));
    return;
  }
  const began = performance.now();
  const jobs = Number(values.jobs);
  const summary = jobs > 1 ? await runInParallel({ ...options, jobs, tree: dirname(import.meta.dirname) }) : await runSeeds(options);
  await tell(summary, start, performance.now() - began);
}

async function tell(summary: Summary, start: number, wallMs: number): Promise<void> {
  const perCore = summary.seeds / (summary.cpuMs / 1000);
  console.log(
    `${summary.seeds} seeds from ${start}, ${summary.steps} steps, ${Math.round(summary.virtualMs / 3_600_000)} virtual hours in ${(wallMs / 1000).toFixed(1)} s: ` +
      `${perCore.toFixed(1)} seeds and ${Math.round(summary.steps / (summary.cpuMs / 1000))} steps per second of one core`,
  );
  const missing = neverSeen(summary.seen);
  if (missing.length > 0 && (values.coverage || values.verbose)) console.log(`never met: ${missing.join(", ")}`);
  if (values.verbose)
    for (const what of Object.keys(summary.seen).toSorted((a, b) => a.localeCompare(b)))
      console.log(`${String(summary.seen[what]).padStart(9)}  ${what}`);
  if (summary.failures.length > 0 || (values.coverage && missing.length > 0)) process.exitCode = 1;
  for (const { seed, violation } of summary.failures) {
    if (values["no-shrink"]) console.log(`seed ${seed} breaks ${violation.invariant} at ${violation.at}: ${violation.broken}`);
    else console.log(await explain(await openDatabase(), seed, violation));
  }
}
