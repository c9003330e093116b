import type { Clock, Ids, Log, RayCluster } from "../control/ports.ts";
import type { HeadReading } from "../domain/head-record.ts";
import type { NodeAgent, NodeRecord, NodeWant } from "../domain/node-record.ts";
import type { CleanLimits } from "./clean-node.ts";
import type { ReadAttempt } from "./orphan-sweep.ts";
import type { Containment } from "./ray-install.ts";

/** Each call has a deadline of its own and rejects when storage does not answer in time. */
export type WorkerStorage = {
  readonly readHead: () => Promise<HeadReading>;
  /** Writes the record durably; resolves to what stood there before and to the storage's time of the write. */
  readonly beat: (record: NodeRecord) => Promise<{ readonly previous: NodeRecord | null; readonly storageTimeMs: number }>;
  readonly readWant: () => Promise<
    { readonly kind: "ok"; readonly want: NodeWant } | { readonly kind: "absent" } | { readonly kind: "unreadable" }
  >;
  readonly readAttempt: ReadAttempt;
};

export type WorkerTimes = {
  readonly beatMs: number;
  /** A node that could not beat for so long kills its raylet. */
  readonly selfFenceMs: number;
  /** How old a read of the shared storage may be. */
  readonly staleMs: number;
  /** How long launchers get to end their attempts when the agent is stopped. */
  readonly drainMs: number;
};

export type WorkerOptions = {
  readonly cluster: string;
  readonly node: string;
  readonly agent: NodeAgent;
  readonly agentVersion: string;
  /** On this machine's own disk, ours alone and locked; its lock's id is the tag of everything that this agent starts. */
  readonly stateDir: string;
  readonly tag: string;
  /** From makeTempDir, on a local disk. */
  readonly tempDir: string;
  /** Asked anew before each start of a raylet. */
  readonly python: () => Promise<string>;
  /** Null = the one from which the head is reached. */
  readonly address: string | null;
  /** Null = as many as nvidia-smi shows. */
  readonly gpus: number | null;
  /** Null = the machine's cores, or 12 for each GPU if that is more. */
  readonly cpus: number | null;
  readonly labels: { readonly [name: string]: string };
  readonly objectStoreBytes: number | null;
  readonly containment: Containment;
  readonly limits: CleanLimits;
  readonly parentEnv: { readonly [name: string]: string | undefined };
  readonly extraEnv: { readonly [name: string]: string };
  /** On this machine's own disk; null = this cluster has no token. */
  readonly tokenFile: () => string | null;
  readonly times: WorkerTimes;
  readonly storage: WorkerStorage;
  readonly connect: (dashboardUrl: () => string | null) => RayCluster;
  readonly clock: Clock;
  /** CLOCK_BOOTTIME, which also runs while the machine is suspended, ms. */
  readonly bootMs: () => number;
  readonly ids: Ids;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
};
