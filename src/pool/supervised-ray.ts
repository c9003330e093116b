/** A Ray node under supervision: what its last run left is swept away before it is started again. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Log } from "../control/ports.ts";
import type { PlannedNode } from "./pool-plan.ts";
import { spawnRay } from "./ray-process.ts";
import { superviseNode, type SupervisedNode } from "./supervised-node.ts";
import { killTagged } from "./tagged-processes.ts";

export const SWEEP_MS = 20_000;

export type RaySupervision = {
  readonly planned: PlannedNode;
  /** After the sweep, before the next start. */
  readonly beforeRestart: () => Promise<void>;
  readonly onRestart: () => void;
  readonly clock: Clock;
  readonly log: Log;
};

/** Ends the sweep, too, when `signal` aborts. */
export function superviseRay({ planned, beforeRestart, onRestart, clock, log }: RaySupervision, signal: AbortSignal): SupervisedNode {
  return superviseNode({
    name: planned.name,
    start: () => spawnRay(planned.spawning),
    beforeRestart: async () => {
      await killTagged(planned.tag, clock, SWEEP_MS, signal);
      // `ray start --head` refuses to start while this names a GCS that it takes for alive.
      rmSync(join(planned.tempDir, "ray_current_cluster"), { force: true });
      await beforeRestart();
    },
    onRestart,
    clock,
    log,
  });
}
