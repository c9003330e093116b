/** Named points of the scheduler at which a test kills this process (docs/testing.md). Off unless VERLPOOL_FAILPOINT names one. */
import type { Failpoint } from "../control/scheduler/context.ts";

/** Ends the process with SIGKILL the first time the named point is passed: what a crash at that line would do. */
export function failpointFrom(name: string | undefined): Failpoint {
  if (name === undefined || name === "") return () => undefined;
  return (point) => {
    if (point === name) process.kill(process.pid, "SIGKILL");
  };
}
