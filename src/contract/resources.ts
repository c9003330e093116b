/** The wire shapes of the API (snake_case, instants RFC 3339 UTC with milliseconds). `null`, never absent. */
import { z } from "zod";
import { AUDIT_ACTIONS } from "../domain/audit.ts";
import { TASK_STATES } from "../domain/task-state.ts";

export const Instant = z.string().meta({ description: "RFC 3339 UTC with milliseconds", format: "date-time" });
const Labels = z.record(z.string(), z.string());

export const TaskStateWire = z.enum(TASK_STATES);
export const AttemptStateWire = z.enum(["SUBMITTING", "SUBMITTED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "NEVER_STARTED", "LOST"]);
export const WorkloadWire = z.enum(["ppo", "grpo", "sft"]);

export const SpecWire = z
  .object({
    workload: WorkloadWire,
    code_path: z.string(),
    model_id: z.string(),
    train_file: z.string(),
    val_file: z.string().nullable(),
    nnodes: z.int(),
    n_gpus_per_node: z.int(),
    total_epochs: z.int(),
    total_training_steps: z.int().nullable(),
    save_freq: z.int(),
    test_freq: z.int(),
    trainer_device: z.enum(["cuda", "cpu"]).nullable(),
  })
  .meta({ id: "TaskSpec" });

export const WaitingWire = z
  .object({ code: z.string(), text: z.string(), details: z.record(z.string(), z.unknown()), until: Instant.nullable() })
  .meta({ id: "Waiting" });

export const EstimateWire = z
  .object({
    start_at_low: Instant.nullable(),
    start_at_high: Instant.nullable(),
    end_at_low: Instant.nullable(),
    end_at_high: Instant.nullable(),
  })
  .meta({ id: "Estimate" });
export type EstimateWire = z.infer<typeof EstimateWire>;

export const ProgressWire = z
  .object({
    step: z.int(),
    total_steps: z.int().nullable(),
    metric: z.object({ key: z.string(), value: z.number() }).nullable(),
    updated_at: Instant,
  })
  .meta({ id: "Progress" });

export const FailureWire = z
  .object({
    label: z.string(),
    blame: z.enum(["user", "config", "node", "infra", "unknown"]),
    retryable: z.boolean(),
    text: z.string(),
    fix: z.string(),
  })
  .meta({ id: "Failure" });

export const AttemptWire = z
  .object({
    attempt: z.int(),
    submission_id: z.string(),
    state: AttemptStateWire,
    quarantined: z.boolean(),
    stalled: z.boolean(),
    node: z.string().nullable(),
    ray_session: z.string().nullable(),
    submitted_at: Instant.nullable(),
    started_at: Instant.nullable(),
    ended_at: Instant.nullable(),
    exit_code: z.int().nullable(),
    signal: z.string().nullable(),
    failure: FailureWire.nullable(),
    resumed_from: z.object({ submission_id: z.string(), step: z.int() }).nullable(),
    job_dir: z.string().meta({ description: "Canonical path under /private/users" }),
  })
  .meta({ id: "Attempt" });
export type AttemptWire = z.infer<typeof AttemptWire>;

const taskFields = {
  task_id: z.string(),
  user_id: z.string(),
  workload: WorkloadWire,
  state: TaskStateWire,
  name: z.string().nullable(),
  profile: z.string(),
  priority: z.int(),
  labels: Labels,
  held: z.boolean(),
  created_at: Instant,
  started_at: Instant.nullable(),
  ended_at: Instant.nullable(),
  next_run_at: Instant.nullable(),
  deadline: Instant.nullable(),
  max_runtime_s: z.number().nullable(),
  cancel_requested: z.boolean(),
  requeue: z
    .object({ requested_at: Instant, now: z.boolean(), hold: z.boolean() })
    .nullable()
    .meta({ description: "Asked for and not yet done" }),
  retry_of: z.string().nullable().meta({ description: "The ended task that this one is a retry of" }),
  export_of: z
    .object({ submission_id: z.string(), step: z.int() })
    .nullable()
    .meta({ description: "The checkpoint that this task merges into a Hugging Face folder, instead of training" }),
  kept: z.boolean().meta({ description: "Its files are kept from retention" }),
  files_gone_at: Instant.nullable().meta({ description: "Since when retention has given up its files" }),
  waiting: WaitingWire.nullable(),
  estimate: EstimateWire.nullable(),
  progress: ProgressWire.nullable(),
  failure: FailureWire.nullable(),
  attempt: AttemptWire.nullable(),
  attempts: z.int(),
};

export const TaskSummaryWire = z.object(taskFields).meta({ id: "TaskSummary" });
export type TaskSummaryWire = z.infer<typeof TaskSummaryWire>;
export const AlertWire = z
  .object({
    code: z.string().meta({ description: "not_finite, reward_collapse, response_clip, entropy_collapse; others are of the scheduler" }),
    text: z.string(),
    attempt: z.int().nullable(),
    at: Instant,
  })
  .meta({ id: "Alert" });

export type AlertWire = z.infer<typeof AlertWire>;

/** One GPU as nvidia-smi showed it; null where the driver does not say. */
export const GpuUsageWire = z.object({
  index: z.int(),
  uuid: z.string(),
  name: z.string(),
  utilization_percent: z.number().nullable(),
  memory_used_mib: z.number().nullable(),
  memory_total_mib: z.number().nullable(),
});

export type GpuUsageWire = z.infer<typeof GpuUsageWire>;

const GpuUseWire = z
  .object({
    node: z.string(),
    gpus_held: z.number(),
    shared: z.boolean().meta({ description: "The task holds fewer GPUs than the node has, and which of them Ray does not tell" }),
    gpus: z.array(GpuUsageWire),
    sampled_at: Instant.nullable(),
  })
  .meta({ id: "GpuUse" });

export const TaskWire = z
  .object({
    ...taskFields,
    spec: SpecWire,
    alerts: z.array(AlertWire).meta({ description: "The newest of each kind" }),
    stall: z.object({ code: z.string(), text: z.string(), at: Instant }).nullable().meta({ description: "Null = it is not stalled" }),
    gpu_use: z.array(GpuUseWire).meta({ description: "All GPUs of the nodes that it runs on, sampled each 15 s; [] where there are none" }),
  })
  .meta({ id: "Task" });
export type TaskWire = z.infer<typeof TaskWire>;

export const WarningWire = z.object({ code: z.string(), field: z.string().nullable(), text: z.string() }).meta({ id: "Warning" });
export const CreatedTaskWire = z
  .object({ task_id: z.string(), state: TaskStateWire, warnings: z.array(WarningWire) })
  .meta({ id: "CreatedTask" });
export type CreatedTaskWire = z.infer<typeof CreatedTaskWire>;

export const CancelWire = z
  .object({ task_id: z.string(), state: TaskStateWire, cancel_requested: z.boolean() })
  .meta({ id: "CanceledTask" });

export const EventWire = z
  .object({
    seq: z.int(),
    task_id: z.string(),
    attempt: z.int().nullable(),
    at: Instant,
    actor: z.string(),
    type: z.string(),
    from: TaskStateWire.nullable(),
    to: TaskStateWire.nullable(),
    reason: z.object({ code: z.string(), text: z.string() }).nullable(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "Event" });

export const LimitsWire = z
  .object({
    max_queued: z.int().min(0).nullable(),
    max_running: z.int().min(0).nullable(),
    max_gpus: z.int().min(0).nullable(),
    submits_per_minute: z.int().min(0).nullable(),
    max_storage_gib: z.number().min(0).nullable(),
    max_priority: z.int().min(-100).max(100),
  })
  .meta({ id: "Limits" });

export const UserWire = z
  .object({
    user_id: z.string(),
    display_name: z.string().nullable(),
    state: z.enum(["ACTIVE", "DISABLED"]),
    limits: LimitsWire,
    created_at: Instant,
  })
  .meta({ id: "User" });
export type UserWire = z.infer<typeof UserWire>;

export const TokenScopeWire = z.enum(["full", "read", "metrics"]);
const tokenFields = {
  token_id: z.string(),
  user_id: z.string(),
  name: z.string(),
  scope: TokenScopeWire,
  last4: z.string(),
  created_at: Instant,
  expires_at: Instant.nullable(),
};
export const TokenWire = z
  .object({
    ...tokenFields,
    revoked_at: Instant.nullable(),
    last_used_at: Instant.nullable(),
    replaced_by: z.string().nullable().meta({ description: "The token id that a rotation put in its place" }),
  })
  .meta({ id: "Token" });
export type TokenWire = z.infer<typeof TokenWire>;
export const NewTokenWire = z.object({ ...tokenFields, token: z.string().meta({ description: "Shown once" }) }).meta({ id: "NewToken" });
export type NewTokenWire = z.infer<typeof NewTokenWire>;

export const AuditWire = z
  .object({
    id: z.int(),
    at: Instant,
    actor: z.string().meta({ description: "user:<id>, admin or system" }),
    action: z.enum(AUDIT_ACTIONS),
    target: z.string().meta({ description: "The id of the user, token or task that was acted on" }),
    user_id: z.string().nullable().meta({ description: "Whom it concerned: the user himself, or the owner of the token or task" }),
    from: z.string().nullable().meta({ description: "The address that the call came from" }),
    token_id: z.string().nullable().meta({ description: "The caller's token; null for the admin token" }),
    request_id: z.string().nullable(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "AuditRow" });
export type AuditWire = z.infer<typeof AuditWire>;

export const MeWire = z
  .object({
    role: z.enum(["admin", "user"]),
    user_id: z.string().nullable(),
    display_name: z.string().nullable(),
    state: z.enum(["ACTIVE", "DISABLED"]).nullable(),
    scope: TokenScopeWire.nullable(),
    limits: LimitsWire.nullable(),
    storage: z
      .object({ bytes: z.int(), measured_at: Instant })
      .nullable()
      .meta({ description: "What lies in this user's job directories; null = not measured yet" }),
    jobs_dir: z.string().nullable().meta({ description: "Canonical directory of this user's job output" }),
    version: z.string(),
  })
  .meta({ id: "Me" });
export type MeWire = z.infer<typeof MeWire>;

const PauseWire = z
  .object({ at: Instant, by: z.string(), reason: z.string().nullable() })
  .nullable()
  .meta({ description: "Null = not paused" });
export const PausedWire = z.object({ paused: PauseWire });

export const QueueWire = z
  .object({
    running: z.array(TaskSummaryWire),
    waiting: z.array(TaskSummaryWire.extend({ position: z.int() })),
    hidden: z.int().meta({ description: "Tasks of other users in the queue, a count only" }),
    paused: PauseWire,
    notes: z.array(z.string()).meta({ description: "What holds the queue as a whole, in words" }),
  })
  .meta({ id: "Queue" });
export type QueueWire = z.infer<typeof QueueWire>;

const GpuMsWire = z
  .object({
    total: z.int(),
    productive: z.int(),
    recomputed: z.int(),
    stalled: z.int(),
    before_first_step: z.int(),
    unknown: z.int(),
  })
  .meta({ id: "GpuMs", description: "GPU-milliseconds held; the parts add up to `total` exactly (docs/usage.md)" });
const gpuTime = { gpu_seconds: z.int(), gpu_ms: GpuMsWire };

export const UsageListWire = z.object({
  usage: z.array(z.object({ day: z.iso.date(), user_id: z.string(), ...gpuTime })),
  groups: z
    .array(z.object({ key: z.string(), ...gpuTime }))
    .nullable()
    .meta({ description: "By what `by` names, with its user id, workload, node or day as key; null = it was not asked for" }),
  total: z.object(gpuTime),
  next_cursor: z.null(),
});

export const ProfileWire = z
  .object({
    name: z.string(),
    workload: WorkloadWire,
    verl: z.array(z.string()),
    exclusive: z.boolean(),
    description: z.string(),
    builtin: z.boolean(),
    text: z.string().meta({ description: "The profile as YAML" }),
  })
  .meta({ id: "Profile" });

function listOf<Item extends z.ZodType>(noun: string, item: Item) {
  return z.object({ [noun]: z.array(item), next_cursor: z.string().nullable() });
}
export const TaskListWire = z.object({ tasks: z.array(TaskSummaryWire), next_cursor: z.string().nullable() }).meta({ id: "TaskList" });
export type TaskListWire = z.infer<typeof TaskListWire>;
export const UserListWire = listOf("users", UserWire).meta({ id: "UserList" });
export const TokenListWire = listOf("tokens", TokenWire).meta({ id: "TokenList" });
export const AuditListWire = listOf("audit", AuditWire).meta({ id: "AuditList" });
export const EventListWire = listOf("events", EventWire).meta({ id: "EventList" });
export const AttemptListWire = listOf("attempts", AttemptWire).meta({ id: "AttemptList" });
export const ProfileListWire = listOf("profiles", ProfileWire).meta({ id: "ProfileList" });
