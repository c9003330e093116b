/**
 * `npm test`: sets up a fresh machine, then runs everything: the gate, the suite against real Ray, verl and Postgres, and the coverage floor.
 * The last line is `N passed, N failed`; the exit status goes by it. Logs of all steps lie in .cache/test.
 */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeLowest, measureCoverage } from "./coverage.ts";
import { GATE_TOOLS, runGate, simulation } from "./gate.ts";
import { root, seconds, stepRunner, tool } from "./steps.ts";
import { installSystemPackages, preparePython, type TestWorld } from "./test-setup.ts";

const LINES_FLOOR = 90;

/**
 * Files of the real suite that mostly wait for processes, beats and time-outs, and a few that even out the lanes: they run beside those that compute
 * (verl, Chromium, mutants). Files that use the prepared root, or build into dist/, stay in one lane.
 * A file that is not named here runs in the other lane.
 */
const WAITING_LANE: readonly string[] = [
  "src",
  "test/crash",
  "test/http",
  "test/launcher",
  "test/real/cancel-pending.test.ts",
  "test/real/crash-points.test.ts",
  "test/real/faults.test.ts",
  "test/real/head-agent.test.ts",
  "test/real/hydra-builder.test.ts",
  "test/real/hydra-compose.test.ts",
  "test/real/launcher-on-ray.test.ts",
  "test/real/pool-apply.test.ts",
  "test/real/pool-heals.test.ts",
  "test/real/ray-contract.test.ts",
  "test/real/ray-local-pool.test.ts",
  "test/real/schemathesis.test.ts",
  "test/real/stacks.test.ts",
  "test/real/worker-agent.test.ts",
];
const LANES = ["waiting", "computing"] as const;

type Totals = { readonly passed: number; readonly failed: number; readonly skipped: number };

const started = performance.now();
const out = join(root, ".cache", "test");
rmSync(out, { recursive: true, force: true });
const runner = stepRunner(out);
const childCoverage = join(out, "child-coverage");
/** The launcher runs on Linux only; elsewhere its tests are left out, and so is its measure. */
const launcherNotes = process.platform === "linux" ? mkdtempSync(join(tmpdir(), "verlpool-launcher-coverage-")) : null;
const measured = {
  VERLPOOL_TEST_CHILD_COVERAGE: childCoverage,
  ...(launcherNotes === null ? {} : { VERLPOOL_LAUNCH_COVERAGE: launcherNotes }),
};
/** What failed and is no test: a tool of the gate, the set-up, a report that is missing, the floor. */
const troubles: string[] = [];

// Some of its tests run it as another user.
if (launcherNotes !== null) chmodSync(launcherNotes, 0o1777);
await attempt("system packages", () => installSystemPackages(runner));
// Packages come over the network while the gate computes.
const preparing = attempt("Python environments", () => preparePython(runner));
await runGate(runner, vitestOptions("unit"), measured);
await attempt("2000 simulated worlds", simulateMore);
const world = await preparing;
console.log(`set up and gate done after ${seconds(performance.now() - started)}`);
if (world !== null) await runReal(world);

const suites = ["unit", ...(world === null ? [] : LANES)];
const totals = suites.map((suite) => readTotals(suite));
troubles.push(...runner.outcomes.filter((outcome) => !outcome.ok && GATE_TOOLS.includes(outcome.name)).map((outcome) => outcome.name));
await attempt("coverage report", reportCoverage);
if (launcherNotes !== null) rmSync(launcherNotes, { recursive: true });
finish();

/** Runs a part that later parts need; a failure is reported and counted, and the rest goes on. */
async function attempt<T>(what: string, part: () => Promise<T>): Promise<T | null> {
  try {
    return await part();
  } catch (error) {
    console.log(`FAIL ${what}: ${error instanceof Error ? error.message : String(error)}`);
    troubles.push(what);
    return null;
  }
}

/** Together they must meet every fault, every edge and every failpoint. */
async function simulateMore(): Promise<void> {
  const { ok, log } = await runner.run(simulation("simulation-2000", "--seeds", "2000", "--jobs", "2", "--coverage"));
  if (!ok) throw new Error(`a world broke, or something was never met: ${log}`);
}

async function runReal(env: TestWorld): Promise<void> {
  for (const [name, value] of Object.entries(env)) console.log(`     ${name}=${value}`);
  const files = { waiting: WAITING_LANE, computing: WAITING_LANE.map((path) => `--exclude=${path}${path.endsWith(".ts") ? "" : "/**"}`) };
  await Promise.all(
    LANES.map((lane) =>
      runner.run({
        name: lane,
        command: process.execPath,
        args: [tool("vitest"), "run", "--project", "real", ...files[lane], ...vitestOptions(lane)],
        live: true,
        env: { ...env, ...measured },
      }),
    ),
  );
}

function vitestOptions(suite: string): readonly string[] {
  return [
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${join(out, `${suite}.json`)}`,
    "--coverage.enabled",
    // A failing test must not hide which lines ran.
    "--coverage.reportOnFailure",
    `--coverage.reportsDirectory=${join(out, `coverage-${suite}`)}`,
  ];
}

/** A suite that does not load has no tests and counts as one failed. */
function readTotals(suite: string): Totals {
  const file = join(out, `${suite}.json`);
  if (!existsSync(file)) {
    troubles.push(`${suite} suite (it left no report)`);
    return { passed: 0, failed: 0, skipped: 0 };
  }
  const report: {
    numPassedTests: number;
    numFailedTests: number;
    numPendingTests: number;
    success: boolean;
    testResults: readonly { status: string; name: string; assertionResults: readonly unknown[] }[];
  } = JSON.parse(readFileSync(file, "utf8"));
  const unloaded = report.testResults.filter((one) => one.status === "failed" && one.assertionResults.length === 0);
  for (const one of unloaded) console.log(`FAIL ${one.name} did not load`);
  const failed = report.numFailedTests + unloaded.length;
  const step = runner.outcomes.find((outcome) => outcome.name === suite);
  // Such as an unhandled rejection between tests: vitest fails the run, not a test.
  if (step?.ok === false && failed === 0) troubles.push(`${suite} run (see ${step.log})`);
  return { passed: report.numPassedTests, failed, skipped: report.numPendingTests };
}

async function reportCoverage(): Promise<void> {
  const begun = performance.now();
  const reports = suites.map((suite) => join(out, `coverage-${suite}`, "coverage-final.json"));
  const coverage = await measureCoverage(reports, [childCoverage], launcherNotes);
  const isEnough = coverage.percent >= LINES_FLOOR;
  if (!isEnough) troubles.push("coverage");
  console.log(
    `${isEnough ? "ok  " : "FAIL"} coverage: ${coverage.covered} of ${coverage.total} lines of src, ${coverage.percent.toFixed(2)} % ` +
      `(floor ${LINES_FLOOR} %, child processes included; measured in ${seconds(performance.now() - begun)})`,
  );
  console.log(describeLowest(coverage, isEnough ? 8 : 25));
}

function finish(): void {
  const sum = (field: keyof Totals): number => totals.reduce((count, one) => count + one[field], 0);
  const failed = sum("failed") + troubles.length;
  if (troubles.length > 0) console.log(`failed beside tests (each counts as one): ${troubles.join(", ")}`);
  if (sum("skipped") > 0) console.log(`${sum("skipped")} skipped`);
  console.log(`done in ${seconds(performance.now() - started)}; logs: ${out}`);
  console.log(`${sum("passed")} passed, ${failed} failed`);
  process.exitCode = failed === 0 && sum("passed") > 0 ? 0 : 1;
}
