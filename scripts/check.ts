/** `npm run check`: the fast gate before every commit. Exits 1 when any step fails. */
import { join } from "node:path";
import { runGate } from "./gate.ts";
import { root, seconds, stepRunner } from "./steps.ts";

const started = performance.now();
const runner = stepRunner(join(root, ".cache", "check"));
await runGate(runner, [], {});
const failed = runner.outcomes.filter((outcome) => !outcome.ok);
console.log(
  failed.length === 0
    ? `check passed in ${seconds(performance.now() - started)}`
    : `check FAILED in ${seconds(performance.now() - started)}: ${failed.map((outcome) => outcome.name).join(", ")}`,
);
process.exitCode = failed.length === 0 ? 0 : 1;
