/** What the use cases need from the world. Adapters in store/, storage/ and ray/ implement these; only main/ composes them. */
import type { AuditEntry, AuditFilter, AuditPlace, AuditRow } from "../domain/audit.ts";
import type { Checkpoints, CheckpointShape } from "../domain/checkpoint.ts";
import type { UseKey, UseSum } from "../domain/held-time.ts";
import type {
  Attempt,
  AttemptFiles,
  AttemptState,
  Claim,
  Failure,
  HeadView,
  Limits,
  NewTaskEvent,
  NodeView,
  Pause,
  Placement,
  Progress,
  RayJobView,
  StopWhy,
  Task,
  TaskEvent,
  TaskState,
  Token,
  UseMarks,
  User,
  UserState,
  Waiting,
  Workload,
} from "../domain/types.ts";
import type { UsageRow } from "../domain/usage.ts";
import type { RetentionStore } from "./file-ports.ts";
import type { NodeStore } from "./node-ports.ts";

export type Clock = {
  /** Wall clock, epoch ms: for people only. */
  readonly now: () => number;
  /** For every interval; local to this process. */
  readonly monotonicMs: () => number;
  /** Resolves after `ms`, or rejects with the signal's reason. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
};

export type Ids = {
  /** `bytes` random bytes as hex. */
  readonly hex: (bytes: number) => string;
};

export type Log = {
  readonly debug: (fields: object, msg: string) => void;
  readonly info: (fields: object, msg: string) => void;
  readonly warn: (fields: object, msg: string) => void;
  readonly error: (fields: object, msg: string) => void;
};

/** What the scheduler measures about itself; seconds. */
export type SchedulerMeters = {
  readonly tick: (seconds: number) => void;
  readonly attemptEnded: (outcome: string) => void;
  /** From submission to the first start of a task. */
  readonly queueWait: (seconds: number) => void;
};

// ---------------------------------------------------------------- store

/** The columns of a task that a plan may change. `state` changes only together with an event. */
export type TaskPatch = {
  readonly nextRunAt?: number | null;
  readonly passedSince?: number | null;
  readonly waiting?: Waiting | null;
  readonly failure?: Failure | null;
  readonly progress?: Progress | null;
  readonly attempts?: number;
  readonly startedAt?: number | null;
  readonly endedAt?: number | null;
  readonly held?: boolean;
  readonly priority?: number;
  readonly cancelRequestedAt?: number | null;
  readonly cancelActor?: string | null;
  readonly requeue?: Task["requeue"];
  readonly kept?: boolean;
  readonly filesGoneAt?: number | null;
};

export type AttemptPatch = {
  readonly state?: AttemptState;
  readonly quarantined?: boolean;
  readonly stalled?: boolean;
  readonly node?: string | null;
  readonly raySession?: string | null;
  readonly claimNonce?: string | null;
  readonly declaredDead?: Attempt["declaredDead"];
  readonly exitCode?: number | null;
  readonly signal?: string | null;
  readonly failure?: Failure | null;
  readonly useMarks?: UseMarks;
  readonly submittedAt?: number | null;
  readonly startedAt?: number | null;
  readonly endedAt?: number | null;
};

export type NewTask = Omit<
  Task,
  | "version"
  | "seq"
  | "attempts"
  | "state"
  | "held"
  | "waiting"
  | "failure"
  | "progress"
  | "cancelRequestedAt"
  | "cancelActor"
  | "requeue"
  | "kept"
  | "filesGoneAt"
  | "startedAt"
  | "endedAt"
  | "nextRunAt"
  | "passedSince"
>;

/** One guarded change of one task, applied whole or not at all. */
export type TaskChange = {
  readonly taskId: string;
  /** The version the decision was made on; another version in the database = somebody was first. */
  readonly version: number;
  /** Scheduler writes carry the leader epoch and fail when a newer leader exists; user actions pass null. */
  readonly epoch: number | null;
  readonly at: number;
  readonly to?: TaskState;
  readonly patch?: TaskPatch;
  /** Appended in order; the first one carries from/to when the state changes. At least one when `to` is set. */
  readonly events?: readonly NewTaskEvent[];
  readonly newAttempt?: {
    readonly attempt: number;
    readonly submissionId: string;
    readonly placement: Placement;
    readonly raySession: string | null;
    readonly resumedFrom: Attempt["resumedFrom"];
    /** The furthest step done before that it does again. */
    readonly again?: number | null;
  };
  readonly attempt?: { readonly attempt: number; readonly patch: AttemptPatch };
  readonly audit?: AuditEntry;
};

/** `stale` = version or epoch moved on: drop your result and look again. */
export type ChangeOutcome = { readonly kind: "applied"; readonly task: Task } | { readonly kind: "stale" };

export type Page<T> = { readonly rows: readonly T[]; readonly hasMore: boolean };

export type TaskFilter = {
  readonly userId: string | null;
  readonly states: readonly TaskState[] | null;
  readonly workload: Workload | null;
  readonly labels: { readonly [key: string]: string };
};

export type Idempotency = { readonly key: string; readonly bodyHash: string };

/** What the same key of the same user came to in the last 7 days. */
export type EarlierAnswer = { readonly kind: "replayed"; readonly answer: string } | { readonly kind: "key_reused" };

export type InsertTaskOutcome =
  | { readonly kind: "created"; readonly task: Task }
  | EarlierAnswer
  /** The files of the task that it would go on from were given up in the meantime. */
  | { readonly kind: "files_gone"; readonly at: number }
  | ({ readonly kind: "user_limit" } & LimitReached);

/** The limits that a new task is held against. */
export type SubmitLimits = Pick<Limits, "maxQueued" | "submitsPerMinute" | "maxStorageGib">;

export type LimitReached = {
  readonly limit: "max_queued" | "submits_per_minute" | "max_storage_gib";
  readonly value: number;
  /** What counts against it now; of storage in GiB, as it was measured last. */
  readonly count: number;
  /** Until the oldest submission no longer counts; null where that is not a matter of time. */
  readonly freeInMs: number | null;
};

export type TaskVersion = Pick<Task, "taskId" | "userId" | "version">;

export type TaskStore = {
  /** A replay is answered before anything is checked anew: the world may have changed since the first answer. */
  readonly earlierAnswer: (userId: string, idempotency: Idempotency, now: number) => Promise<EarlierAnswer | null>;
  /**
   * Inserts the task (QUEUED), its `created` event and, if given, its idempotency row in one transaction; resolves after the commit is durable.
   * `answer` makes the stored first answer from the new task. `limits` (null = none) are checked, and `audit` is written, in the same transaction.
   */
  readonly insertTask: (
    task: NewTask,
    event: NewTaskEvent,
    idempotency: Idempotency | null,
    limits: SubmitLimits | null,
    answer: (task: Task) => string,
    audit?: AuditEntry | null,
  ) => Promise<InsertTaskOutcome>;
  /** The limit that would refuse a task of this user now, or null. */
  readonly limitReached: (userId: string, limits: SubmitLimits, now: number) => Promise<LimitReached | null>;
  readonly change: (change: TaskChange) => Promise<ChangeOutcome>;
  /** With `userId`, only if it is his: another's costs the same time as a missing one, and tells as little. */
  readonly get: (taskId: string, userId?: string | null) => Promise<Task | null>;
  /** Exact id, or a unique prefix or suffix of at least 4 characters among the tasks of `userId` (null = all). Literal: % and _ match themselves. */
  readonly find: (text: string, userId: string | null) => Promise<readonly string[]>;
  /** Newest first, by descending seq below `beforeSeq`. */
  readonly list: (filter: TaskFilter, beforeSeq: number | null, limit: number) => Promise<Page<Task>>;
  /** All tasks that are not terminal, in ascending seq: what a tick reads. Never touches history. */
  readonly listOpen: () => Promise<readonly Task[]>;
  /** Of all tasks that are not terminal, and of the newest, so that one which ends between two looks is seen as well. */
  readonly versions: () => Promise<readonly TaskVersion[]>;
  readonly countByState: () => Promise<{ readonly [state in TaskState]: number }>;
  readonly attempts: (taskId: string) => Promise<readonly Attempt[]>;
  /** The newest attempt of each given task. */
  readonly latestAttempts: (taskIds: readonly string[]) => Promise<ReadonlyMap<string, Attempt>>;
  readonly events: (taskId: string, afterSeq: number, limit: number) => Promise<Page<TaskEvent>>;
};

export type AuditStore = {
  /** Newest first, only what is older than the row at `olderThan`. */
  readonly list: (filter: AuditFilter, olderThan: AuditPlace | null, limit: number) => Promise<Page<AuditRow>>;
};

/** What a token is replaced by; the rest it inherits. */
export type TokenSuccessor = {
  readonly tokenId: string;
  readonly hash: string;
  readonly last4: string;
  /** undefined = as long a life as the old one was given, from now on; null = none. */
  readonly expiresAt: number | null | undefined;
};

export type RotateOutcome =
  | { readonly kind: "rotated"; readonly token: Token; readonly old: Token }
  | { readonly kind: "not_found" }
  | { readonly kind: "refused"; readonly why: "revoked" | "expired" | "replaced" | "disabled"; readonly old: Token };

export type UserStore = {
  /** `exists` also for ids that were ever used: ids are never re-used. */
  readonly insertUser: (user: User, audit: AuditEntry) => Promise<"created" | "exists">;
  readonly getUser: (userId: string) => Promise<User | null>;
  readonly listUsers: (afterUserId: string | null, limit: number) => Promise<Page<User>>;
  /** A user who is in that state already stays as he is, and no audit row is written. */
  readonly setUserState: (userId: string, state: UserState, audit: AuditEntry) => Promise<User | null>;
  /** Sets the limits named; `audit` is told the user before and after, and is not asked when nothing changed. */
  readonly setUserLimits: (
    userId: string,
    changes: Partial<Limits>,
    audit: (before: User, after: User) => AuditEntry,
  ) => Promise<User | null>;
  readonly insertToken: (token: Token, hash: string, audit: AuditEntry) => Promise<void>;
  readonly listTokens: (userId: string) => Promise<readonly Token[]>;
  readonly revokeToken: (userId: string, tokenId: string, at: number, audit: AuditEntry) => Promise<boolean>;
  /** Puts a new token in the place of one that is in force, which ends at `oldEndsAt` or at its own expiry, whichever is first. */
  readonly rotateToken: (
    userId: string,
    tokenId: string,
    at: number,
    oldEndsAt: number,
    successor: TokenSuccessor,
    audit: AuditEntry,
  ) => Promise<RotateOutcome>;
  /** The token with this SHA-256 hash (hex) and its user, also when revoked or expired: the caller decides. */
  readonly findByTokenHash: (hash: string) => Promise<{ readonly token: Token; readonly user: User } | null>;
  readonly touchToken: (tokenId: string, at: number) => Promise<void>;
};

export type QueueStore = {
  /** Null = not paused. */
  readonly pause: () => Promise<Pause | null>;
  /** True when it changed something; a pause of a paused queue keeps the first. */
  readonly setPause: (pause: Pause | null, audit: AuditEntry) => Promise<boolean>;
};

export type UsageStore = {
  /** GPU time of attempts that have ended, from `day` (YYYY-MM-DD, UTC) on; `userId` null = of all. Newest day first, then by user. */
  readonly since: (day: string, userId: string | null) => Promise<readonly UsageRow[]>;
  /** What it went into, summed over all that `by` does not name. */
  readonly split: (day: string, userId: string | null, by: readonly UseKey[]) => Promise<readonly UseSum[]>;
};

export type LeaderStore = {
  /** Takes or keeps the lead. Null = another process leads. The epoch rises with every new leader. */
  readonly lead: (owner: string, at: number) => Promise<number | null>;
  /** The database answers (a read). */
  readonly ping: () => Promise<void>;
  readonly databaseId: () => Promise<string>;
};

export type Store = {
  readonly tasks: TaskStore;
  readonly users: UserStore;
  readonly audit: AuditStore;
  readonly queue: QueueStore;
  readonly nodes: NodeStore;
  readonly usage: UsageStore;
  readonly retention: RetentionStore;
  readonly leader: LeaderStore;
  readonly close: () => Promise<void>;
};

// ---------------------------------------------------------------- storage

/** Thrown by storage: the mount answered with an error or not in time. Never "absent". */
export type StorageTrouble = { readonly name: "StorageTrouble"; readonly kind: "hang" | "error"; readonly message: string };

export type PreparedAttempt = {
  readonly userId: string;
  readonly submissionId: string;
  readonly specText: string;
  readonly argv: readonly string[];
  /** Environment of the driver, without secrets. */
  readonly env: { readonly [key: string]: string };
  readonly profileText: string;
  /** The content of control/attempt.json. */
  readonly attemptJson: object;
};

export type LogRange = { readonly bytes: Uint8Array; readonly start: number; readonly end: number; readonly size: number };

/** `gone` = the job's whole directory was removed. */
export type CheckpointReading = ({ readonly kind: "read" } & Checkpoints) | { readonly kind: "gone" };

/** Job directories on shared storage, addressed by user and submission id; every call has a deadline and throws StorageTrouble. */
export type JobFiles = {
  /** Makes the directories (0700) and files (0600) of an attempt; idempotent until the claim exists. */
  readonly prepare: (attempt: PreparedAttempt) => Promise<void>;
  readonly look: (userId: string, submissionId: string) => Promise<AttemptFiles>;
  /** Takes the claim for the server, so that this attempt can never start; `lost` = the launcher has it. Idempotent. */
  readonly revoke: (
    userId: string,
    submissionId: string,
    why: NonNullable<Claim["why"]>,
    nonce: string,
  ) => Promise<{ readonly kind: "won" | "lost"; readonly claim: Claim }>;
  readonly stop: (userId: string, submissionId: string, why: StopWhy) => Promise<void>;
  /** Asks the agents of its nodes for the stacks of its processes, in its debug/. */
  readonly askStacks: (userId: string, submissionId: string) => Promise<void>;
  /** Bytes [start, end) of logs/driver.log, at most 1 MiB; a missing file is empty. */
  readonly readLog: (userId: string, submissionId: string, offset: number, limit: number) => Promise<LogRange>;
  /** The last `lines` lines, at most `maxBytes`. */
  readonly tailLog: (userId: string, submissionId: string, lines: number, maxBytes: number) => Promise<LogRange>;
  /** Complete lines of logs/metrics.jsonl from `offset`; `end` is the offset after the last complete line. */
  readonly readMetrics: (userId: string, submissionId: string, offset: number) => Promise<LogRange>;
  /** The newest complete checkpoint that the attempt itself saved. Throws for every doubt: a run must not start anew for one. */
  readonly checkpoints: (
    userId: string,
    submissionId: string,
    shape: CheckpointShape,
    /** Only this step is looked at; null = the newest is looked for. */
    only?: number | null,
  ) => Promise<CheckpointReading>;
  /** Writes and fsyncs a probe to the same storage; throws when it does not answer. */
  readonly probe: () => Promise<void>;
};

// ---------------------------------------------------------------- ray

export type RayJobRequest = {
  readonly submissionId: string;
  readonly entrypoint: string;
  readonly envVars: { readonly [key: string]: string };
  readonly metadata: { readonly [key: string]: string };
  readonly resources: { readonly [key: string]: number };
};

/** `unknown`: the POST may or may not have arrived; only GET with the same id can tell. */
export type SubmitOutcome = { readonly kind: "accepted" } | { readonly kind: "unknown"; readonly error: string };

export type RayJobs = {
  readonly submit: (request: RayJobRequest, signal: AbortSignal) => Promise<SubmitOutcome>;
  readonly get: (submissionId: string, signal: AbortSignal) => Promise<RayJobView>;
  /** Asks Ray to stop; its answer decides nothing. */
  readonly stop: (submissionId: string, signal: AbortSignal) => Promise<void>;
  /** Removes the record of an ended job, so that the head stays small. */
  readonly remove: (submissionId: string, signal: AbortSignal) => Promise<void>;
};

export type RayCluster = {
  readonly head: (signal: AbortSignal) => Promise<HeadView>;
  /** Nodes that are ALIVE and offer `worker_node`; throws when the head does not answer. */
  readonly nodes: (signal: AbortSignal) => Promise<readonly NodeView[]>;
};

/** What Ray's dashboard does for somebody without a token: nothing, or everything. `unknown`: it gave no clear answer, which is neither. */
export type RayDoorAnswer = { readonly kind: "closed" } | { readonly kind: "open" } | { readonly kind: "unknown"; readonly why: string };
