/** What every part of the scheduler is given, and how one change is written. */
import type { RetryPolicy } from "../../domain/after-attempt.ts";
import type { Timing } from "../../domain/reconciliation.ts";
import type { QueueOrder } from "../../domain/queue-order.ts";
import type { SchedulerSettings } from "../../domain/scheduling.ts";
import type { Attempt, Task } from "../../domain/types.ts";
import type { ChangeOutcome, Clock, Ids, JobFiles, Log, RayCluster, RayJobs, SchedulerMeters, Store, TaskChange } from "../ports.ts";
import type { LogFiles } from "../file-ports.ts";
import type { NodeFiles } from "../node-ports.ts";
import type { CommandSource } from "../command-source.ts";
import type { AttemptWatch } from "../../domain/node-evidence.ts";
import type { PoolMemory } from "./pool-sight.ts";
import type { HandOver, HealthyTime, Stillness } from "./memory.ts";
import type { StallMemory } from "./stalls.ts";
import type { RunPace } from "../../domain/insight/pace.ts";
import type { StallLimits } from "../../domain/stall.ts";

/** Named points at which a test ends the process or throws (docs/testing.md); does nothing in production. */
export type FailpointName =
  | "before_claim_commit"
  | "after_claim_commit"
  | "during_post"
  | "after_post_before_record"
  | "after_status_before_commit";
export type Failpoint = (name: FailpointName) => void;

export type NodeSettings = {
  /** How old may be what is read from the shared storage. */
  readonly staleMs: number;
  /** Less left on the shared storage, and nothing is started; less on a node's own disk, and nothing is placed there. */
  readonly minFreeBytes: number;
  readonly minNodeFreeBytes: number;
  /** So many failures of a node in a day cordon it; 0 = none do. */
  readonly cordonAfterFailures: number;
};

/** `resume`: a stalled attempt is stopped as an infrastructure loss, and the task goes on from its newest checkpoint. */
export type StallSettings = StallLimits & { readonly policy: "mark" | "resume" };

export type SchedulerDeps = {
  readonly store: Store;
  readonly files: JobFiles;
  readonly logs: Pick<LogFiles, "times">;
  readonly nodeFiles: NodeFiles;
  readonly ray: RayJobs;
  readonly cluster: RayCluster;
  readonly commands: CommandSource;
  readonly order: () => Promise<QueueOrder>;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly meters: SchedulerMeters;
  readonly failpoint: Failpoint;
  /** How fast a running task goes, as it was seen last; null = not seen yet. */
  readonly paceOf: (taskId: string) => RunPace | null;
  readonly stalls: StallSettings;
  readonly settings: SchedulerSettings & Timing & RetryPolicy & { readonly tickMs: number; readonly handOverMs: number } & NodeSettings;
};

export type SchedulerMemory = {
  readonly healthy: HealthyTime;
  readonly still: Stillness;
  readonly handOver: HandOver;
  readonly pool: PoolMemory;
  /** What was seen of each open attempt since its start, for the word of the nodes. */
  readonly watches: Map<string, AttemptWatch>;
  /** Submission ids of ended attempts whose record Ray may forget, with the monotonic time from which to ask. */
  readonly toRemove: Map<string, number>;
  /** Submission ids whose disagreement with Ray has been written to the events already. */
  readonly disagreed: Set<string>;
  readonly stalls: StallMemory;
  /** Where the next look into metrics.jsonl starts. */
  readonly metricOffsets: Map<string, number>;
  /** How long a running attempt had run when it was first seen, and the monotonic time of that look. */
  readonly running: Map<string, { readonly ranMs: number; readonly at: number }>;
};

/** Applies one scheduler write under the leader's epoch; a stale one is dropped: the next pass looks again. */
export async function write(
  deps: SchedulerDeps,
  epoch: number,
  task: Task,
  change: Omit<TaskChange, "taskId" | "version" | "epoch" | "at">,
): Promise<ChangeOutcome> {
  const outcome = await deps.store.tasks.change({ ...change, taskId: task.taskId, version: task.version, epoch, at: deps.clock.now() });
  if (outcome.kind === "stale")
    deps.log.debug({ task_id: task.taskId, version: task.version }, "somebody was first; the decision is dropped");
  else if (change.to !== undefined)
    deps.log.info(
      { task_id: task.taskId, from: task.state, to: change.to, reason: change.events?.[0]?.reason?.code },
      "task changed state",
    );
  return outcome;
}

/**
 * What storage says of an attempt that an operator declared dead may be that there is nothing any more: its directory went with its node, or its
 * user removed it. That keeps no task for ever; a mount that hangs does.
 */
export function isGone(attempt: Attempt, error: unknown): boolean {
  return attempt.declaredDead !== null && error instanceof Error && "kind" in error && error.kind === "error";
}

/** Runs `work` over `items`, at most `width` at once. The first failure is thrown after all have settled. */
export async function eachBounded<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(width, items.length) }, worker));
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
