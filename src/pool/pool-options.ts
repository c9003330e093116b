import type { Clock, Ids, Log, RayCluster } from "../control/ports.ts";
import type { HeadFiles } from "./head-files.ts";
import type { PoolShape } from "./pool-plan.ts";
import type { ProcessRecord } from "./process-record.ts";
import type { Containment } from "./ray-install.ts";

export type LocalPoolOptions = {
  readonly cluster: string;
  readonly headFiles: HeadFiles;
  /** On a local disk, ours alone: the GCS, the token, Ray's start logs. One pool at a time lives on it. */
  readonly stateDir: string;
  /** The interpreter of an environment with ray[default] (and verl). */
  readonly python: string;
  /** Short, on a local disk; `/tmp`. */
  readonly tempRoot: string;
  readonly shape: PoolShape;
  /** null = the strongest that this user may have here. */
  readonly containment: Containment | null;
  /** What this program was started with; only harmless names reach Ray (ray-env.ts). */
  readonly parentEnv: { readonly [name: string]: string | undefined };
  /** Given to Ray, and so to every job, on purpose. */
  readonly extraEnv: { readonly [name: string]: string };
  /** How long launchers get to end their attempts and write result.json when the pool stops. */
  readonly drainMs: number;
  readonly startTimeoutMs: number;
  readonly connect: (at: { readonly baseUrl: string; readonly tokenFile: string | null; readonly address: string }) => RayCluster;
  /** Called whenever a Ray process was started or replaced, so that the processes can be recorded for `down`. */
  readonly onProcesses: (processes: readonly ProcessRecord[]) => void;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
};

export type PoolDescription = {
  readonly cluster: string;
  readonly rayVersion: string;
  readonly pythonVersion: string;
  readonly session: string;
  readonly address: string;
  readonly dashboardUrl: string;
  readonly tokenFile: string | null;
  readonly containment: Containment;
  readonly epoch: number;
  readonly nodes: readonly { readonly name: string; readonly address: string; readonly starts: number; readonly logFile: string }[];
  readonly processes: readonly ProcessRecord[];
  /** What is weaker here than it could be, in sentences for people. */
  readonly warnings: readonly string[];
};

export type PoolEnd = { readonly kind: "stopped" } | { readonly kind: "failed"; readonly error: string };
