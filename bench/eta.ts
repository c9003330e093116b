/** `node bench/eta.ts`: how well the range for the end of a run is calibrated, over recorded runs and over made-up ones. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Calibration, calibrate, simulatedRuns } from "../test/support/eta-calibration.ts";

const recorded = JSON.parse(readFileSync(join(import.meta.dirname, "../test/fixtures/step-times.json"), "utf8")) as {
  readonly step_seconds: readonly number[];
}[];

function show(name: string, { told, covered, medianWidth }: Calibration): void {
  console.log(
    `${name}: ${told} ranges, ${(covered * 100).toFixed(1)} % held the truth, median width ${(medianWidth * 100).toFixed(1)} % of what remained`,
  );
}

show(`${recorded.length} recorded runs`, calibrate(recorded.map((run) => run.step_seconds)));
for (const seed of [1, 2, 3]) show(`1000 made-up runs, seed ${seed}`, calibrate(simulatedRuns(1000, seed)));
