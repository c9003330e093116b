import type { Invariant } from "./invariant.ts";

/** What the scheduler promises of its own ledger: it starts a gang only where its GPUs are free, so verl itself never finds too few. */
export const noShortage: Invariant = {
  id: "SHORTAGE",
  text: "in a pool that nobody else uses and nothing happens to, no attempt ends for want of GPUs",
  onTask: (world, { after }) => {
    if (world.plan.items.some((item) => item.kind === "fault")) return null;
    const short = after.attempts.find((attempt) => attempt.failure?.label === "gpu_shortage");
    return short === undefined ? null : `${short.submissionId} found too few GPUs`;
  },
};
