/**
 * The nouns of verlpool. A *task* is ours, a *job* is Ray's; a task has *attempts*, and each attempt is at most one start of one Ray job.
 * Instants are epoch milliseconds (wall clock, for people); durations carry their unit in the name.
 */

export type Workload = "ppo" | "grpo" | "sft";

/** What a user asked for: the TaskSpec after every rule of the contract (docs/taskspec.md) has held. Paths are canonical `/private/common/…`. */
export type TaskSpec = {
  readonly workload: Workload;
  readonly codePath: string;
  /** A Hugging Face repo id, or a path under /private/common. */
  readonly modelId: string;
  readonly trainFile: string;
  readonly valFile: string | null;
  readonly nnodes: number;
  readonly nGpusPerNode: number;
  readonly totalEpochs: number;
  readonly totalTrainingSteps: number | null;
  readonly saveFreq: number;
  readonly testFreq: number;
  readonly trainerDevice: "cuda" | "cpu" | null;
};

export type TaskState = "QUEUED" | "PENDING_RESOURCES" | "SUBMITTING" | "SUBMITTED" | "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELED";

export type AttemptState = "SUBMITTING" | "SUBMITTED" | "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELED" | "NEVER_STARTED" | "LOST";

export type WaitingCode =
  | "not_due"
  | "behind"
  | "held"
  | "running_limit"
  | "user_limit"
  | "no_capacity"
  | "fragmented"
  | "impossible_now"
  | "exclusive"
  | "no_node_with_env"
  | "storage_low"
  | "cooling_down"
  | "head_lost"
  | "quarantine"
  | "cordoned"
  | "storage_lost"
  | "paused";

/** Why a task does not run now: one code for programs, one sentence for people. */
export type Waiting = {
  readonly code: WaitingCode;
  readonly text: string;
  readonly details: { readonly [key: string]: unknown };
  /** The latest time of the next look, or null when only an event ends the wait. */
  readonly until: number | null;
};

export type Blame = "user" | "config" | "node" | "infra" | "unknown";

/** Why an attempt or a task failed, for people and for the retry policy. */
export type Failure = {
  readonly label: string;
  readonly blame: Blame;
  readonly retryable: boolean;
  readonly text: string;
  readonly fix: string;
};

/** What each of `nodes` nodes must have free, as verl will really ask Ray for it (one placement group a node, STRICT_PACK). */
export type Needs = {
  readonly nodes: number;
  readonly gpusPerNode: number;
  readonly cpusPerNode: number;
};

export type Progress = {
  readonly step: number;
  readonly totalSteps: number | null;
  readonly metric: { readonly key: string; readonly value: number } | null;
  readonly updatedAt: number;
};

export type Task = {
  readonly taskId: string;
  readonly userId: string;
  readonly workload: Workload;
  readonly state: TaskState;
  /** Raised by every write of the row; an update names the version it read (optimistic guard). */
  readonly version: number;
  readonly priority: number;
  readonly name: string | null;
  readonly labels: { readonly [key: string]: string };
  readonly specText: string;
  readonly spec: TaskSpec;
  /** The profile chosen at submit, resolved and frozen: `name@version` with its verl version. */
  readonly profile: ProfileRef;
  readonly needs: Needs;
  readonly attempts: number;
  readonly held: boolean;
  readonly nextRunAt: number | null;
  /** Since when tasks behind it have started while it waited for capacity; null = none has. */
  readonly passedSince: number | null;
  readonly cancelRequestedAt: number | null;
  readonly cancelActor: string | null;
  /** Asked for and not yet done: its attempt is to stop and the task to go back to the queue. */
  readonly requeue: Requeue | null;
  readonly waiting: Waiting | null;
  readonly failure: Failure | null;
  readonly progress: Progress | null;
  readonly deadline: number | null;
  readonly maxRuntimeMs: number | null;
  /** The ended task that this one is a retry of. */
  readonly retryOf: string | null;
  /** A retry that leaves the checkpoints of the old task alone. */
  readonly fromScratch: boolean;
  /** A task that merges this checkpoint into a Hugging Face folder, instead of training (ADR 6). */
  readonly exportOf: SavedStep | null;
  /** Its files are kept from retention, by wish. */
  readonly kept: boolean;
  /** Since when its job directories are given up; null = they are there. */
  readonly filesGoneAt: number | null;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Grows with every submission: the order of the queue and of lists. */
  readonly seq: number;
};

/** A checkpoint by its place. */
export type SavedStep = { readonly submissionId: string; readonly step: number };

export type Requeue = {
  readonly at: number;
  readonly actor: string;
  /** At once, instead of after the next complete checkpoint. */
  readonly now: boolean;
  /** Held once it is back in the queue. */
  readonly hold: boolean;
  /** The newest complete checkpoint when the scheduler first looked after the request: a later one is waited for. Null = not looked yet. */
  readonly since: { readonly step: number | null } | null;
};

export type ProfileRef = {
  /** `name@version`: profiles are immutable, so this says all. */
  readonly name: string;
  readonly verlVersion: string;
  /** True = not known to be safe beside another reinforcement-learning task on one Ray cluster. */
  readonly exclusive: boolean;
};

/** Which node holds how much for an attempt: planned at launch. */
export type Placement = readonly { readonly node: string; readonly gpus: number; readonly cpus: number }[];

/** What is written down of an attempt while it runs, for the account of its GPU time (docs/usage.md): nothing has to be read when it has ended. Instants are epoch ms. */
export type UseMarks = {
  readonly firstStepAt: number | null;
  /** The furthest step that attempts before this one had done and that it does again; null = none. */
  readonly again: number | null;
  /** When it had done that step; null = not yet. */
  readonly againUntil: number | null;
  /** From the step after which none came; `to` null = it still stands. */
  readonly stalls: readonly { readonly from: number; readonly to: number | null }[];
  /** Its steps could not be seen: it came to its end without one, or its files could not be read. */
  readonly isBlind: boolean;
};

export type Attempt = {
  readonly taskId: string;
  readonly userId: string;
  readonly attempt: number;
  readonly submissionId: string;
  readonly state: AttemptState;
  readonly quarantined: boolean;
  readonly stalled: boolean;
  readonly node: string | null;
  readonly raySession: string | null;
  readonly claimNonce: string | null;
  /** An operator's word that nothing of it lives any more, where no machine can tell. */
  readonly declaredDead: { readonly at: number; readonly actor: string; readonly reason: string } | null;
  readonly placement: Placement;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly failure: Failure | null;
  readonly resumedFrom: { readonly submissionId: string; readonly step: number } | null;
  /** For the account of its GPU time; null = it is older than that account. */
  readonly useMarks: UseMarks | null;
  readonly createdAt: number;
  readonly submittedAt: number | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
};

export type EventType =
  | "created"
  | "state_changed"
  | "cancel_requested"
  | "attempt_created"
  | "attempt_claimed"
  | "attempt_ended"
  | "quarantine_started"
  | "quarantine_ended"
  | "declared_dead"
  | "late_result"
  | "ray_disagrees"
  | "stalled"
  | "stall_ended"
  | "alert"
  | "resumed"
  | "requeue_requested"
  | "priority_changed";

export type TaskEvent = {
  readonly seq: number;
  readonly taskId: string;
  readonly attempt: number | null;
  readonly at: number;
  /** `user:<id>`, `admin` or `system`. */
  readonly actor: string;
  readonly type: EventType;
  readonly from: TaskState | null;
  readonly to: TaskState | null;
  readonly reason: { readonly code: string; readonly text: string } | null;
  readonly data: { readonly [key: string]: unknown };
};

export type NewTaskEvent = Omit<TaskEvent, "seq" | "taskId" | "from" | "to" | "at">;

/** Nothing is started while the queue is paused; what runs goes on. */
export type Pause = { readonly at: number; readonly actor: string; readonly reason: string | null };

export type UserState = "ACTIVE" | "DISABLED";

/** null = no limit. */
export type Limits = {
  readonly maxQueued: number | null;
  readonly maxRunning: number | null;
  readonly maxGpus: number | null;
  readonly submitsPerMinute: number | null;
  /** Of all files in his job directories. */
  readonly maxStorageGib: number | null;
  readonly maxPriority: number;
};

export type User = {
  readonly userId: string;
  readonly displayName: string | null;
  readonly state: UserState;
  readonly limits: Limits;
  readonly createdAt: number;
};

export type TokenScope = "full" | "read" | "metrics";

export type Token = {
  readonly tokenId: string;
  readonly userId: string;
  readonly name: string;
  readonly scope: TokenScope;
  readonly last4: string;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  readonly lastUsedAt: number | null;
  /** The token id that a rotation put in its place. */
  readonly replacedBy: string | null;
};

/** Who is calling. The admin owns nothing and may see everything. */
export type Principal =
  | { readonly kind: "admin" }
  | { readonly kind: "user"; readonly userId: string; readonly tokenId: string; readonly scope: TokenScope };

/** Why nothing may be placed on a node now. */
export type Closed = { readonly code: "cordoned" | "storage_low" | "not_ready"; readonly text: string };

/** One worker node as the scheduler sees it: totals from Ray, free = what neither Ray nor our own ledger counts as held. */
export type NodeView = {
  readonly node: string;
  /** Ray's own id of this incarnation of the node: what `driver_node_id` of a job names. */
  readonly rayNodeId: string;
  readonly address: string | null;
  readonly gpusTotal: number;
  readonly cpusTotal: number;
  readonly gpusUsed: number;
  readonly cpusUsed: number;
  /** Other living Ray ids of the same node: an earlier run of it that Ray does not yet call dead. */
  readonly rivals: readonly string[];
  /** By an operator's wish or its agent's word; Ray itself knows nothing of it. */
  readonly closed: Closed | null;
};

/** `control/claim`: who won the one right to start an attempt (docs/protocol.md). */
export type Claim = {
  readonly by: "launcher" | "server";
  readonly why: "cancel" | "start_timeout" | "ray_lost" | null;
  readonly nonce: string;
  readonly host: string;
  readonly nodeId: string | null;
  /** The agent's name of the raylet that the launcher was started by; null = of a worker without an agent. */
  readonly agentIncarnation: string | null;
  readonly containment: "pidns" | "userns" | "group" | "none";
  readonly raySession: string | null;
  readonly at: string;
};

export type StopWhy = "cancel" | "superseded" | "deadline" | "requeue" | "stalled";

/** `result.json`: how a started attempt ended, written by its launcher after its whole process tree is dead. */
export type AttemptResult = {
  readonly nonce: string;
  readonly outcome: "exited" | "stopped" | "self_fenced" | "not_started";
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stopWhy: string | null;
  readonly oomKill: boolean;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly error: string | null;
};

/** What storage says of one attempt. An error or a hang is a thrown error, never "absent". */
export type AttemptFiles = {
  readonly claim: Claim | null;
  /** The raw counter text; null = absent or not readable (bad crc). Only its movement means anything. */
  readonly lease: string | null;
  readonly stop: StopWhy | null;
  readonly result: AttemptResult | null;
};

export type RayJobStatus = "PENDING" | "RUNNING" | "STOPPED" | "SUCCEEDED" | "FAILED";

/** What Ray says of one submission id. `unknown` = no answer that could be trusted (down, 5xx, garbage): changes nothing. */
export type RayJobView =
  | {
      readonly kind: "found";
      readonly status: RayJobStatus;
      readonly message: string;
      readonly errorType: string | null;
      readonly nodeId: string | null;
    }
  | { readonly kind: "absent" }
  | { readonly kind: "unknown"; readonly error: string };

/** Where the head is and which memory Ray has; `session` changes when a head comes back empty. */
export type HeadView =
  | { readonly kind: "up"; readonly session: string; readonly address: string; readonly rayVersion: string }
  | { readonly kind: "down"; readonly error: string };
