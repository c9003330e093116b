import type { Clock, Ids, JobFiles } from "../control/ports.ts";
import type { CallStorage } from "./storage-client.ts";

export type JobFilesDeps = {
  readonly call: CallStorage;
  readonly clock: Pick<Clock, "now">;
  readonly ids: Ids;
  /** The name of this machine, for the claim and for the probe. */
  readonly host: string;
};

/** Job directories on shared storage; every call rejects with StorageTrouble when storage fails or hangs. */
export function jobFiles({ call, clock, ids, host }: JobFilesDeps): JobFiles {
  const at = () => new Date(clock.now()).toISOString();
  return {
    prepare: async (attempt) => void (await call("prepare", { attempt, tag: ids.hex(8) })),
    look: (userId, submissionId) => call("look", { userId, submissionId }),
    revoke: (userId, submissionId, why, nonce) => call("revoke", { userId, submissionId, claim: { why, nonce, host, at: at() } }),
    stop: async (userId, submissionId, why) => void (await call("stop", { userId, submissionId, why, at: at(), tag: ids.hex(8) })),
    askStacks: async (userId, submissionId) => void (await call("askStacks", { userId, submissionId, at: at(), tag: ids.hex(8) })),
    readLog: (userId, submissionId, offset, limit) => call("readLog", { userId, submissionId, offset, limit }),
    tailLog: (userId, submissionId, lines, maxBytes) => call("tailLog", { userId, submissionId, lines, maxBytes }),
    readMetrics: (userId, submissionId, offset) => call("readMetrics", { userId, submissionId, offset }),
    checkpoints: (userId, submissionId, shape, only = null) => call("checkpoints", { userId, submissionId, shape, only }),
    probe: async () => void (await call("probe", { host })),
  };
}
