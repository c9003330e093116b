import type { Invariant } from "./invariant.ts";

export const staleLeader: Invariant = {
  id: "I8",
  text: "a server that no longer leads changes no row",
  onChange: (_world, server, change, applied, epochBefore) => {
    if (!applied || change.epoch === null || change.epoch === epochBefore) return null;
    return `${server.name} wrote ${change.taskId} with epoch ${change.epoch}; the leader's is ${epochBefore}`;
  },
};
