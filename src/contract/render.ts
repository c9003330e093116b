/** From domain objects to their wire shapes: the one translator on the HTTP side. */
import type { AuditRow } from "../domain/audit.ts";
import type { Estimate } from "../domain/estimate.ts";
import type { TrainingPlan } from "../domain/preflight.ts";
import type { Attempt, Failure, Pause, Task, TaskEvent, TaskSpec, Token, User, Waiting } from "../domain/types.ts";
import type { TrainingPlanWire } from "./plan.ts";
import type { GpuUsage, GpuUse } from "../domain/node-record.ts";
import type {
  AlertWire,
  AttemptWire,
  AuditWire,
  EstimateWire,
  GpuUsageWire,
  QueueWire,
  TaskSummaryWire,
  TaskWire,
  TokenWire,
  UserWire,
} from "./resources.ts";

export function instant(at: number): string {
  return new Date(at).toISOString();
}

function maybeInstant(at: number | null): string | null {
  return at === null ? null : instant(at);
}

export function renderSpec(spec: TaskSpec): TaskWire["spec"] {
  return {
    workload: spec.workload,
    code_path: spec.codePath,
    model_id: spec.modelId,
    train_file: spec.trainFile,
    val_file: spec.valFile,
    nnodes: spec.nnodes,
    n_gpus_per_node: spec.nGpusPerNode,
    total_epochs: spec.totalEpochs,
    total_training_steps: spec.totalTrainingSteps,
    save_freq: spec.saveFreq,
    test_freq: spec.testFreq,
    trainer_device: spec.trainerDevice,
  };
}

function renderWaiting(waiting: Waiting | null): TaskSummaryWire["waiting"] {
  return waiting === null
    ? null
    : { code: waiting.code, text: waiting.text, details: snakeDetails(waiting.details), until: maybeInstant(waiting.until) };
}

/** Details are ours alone; their keys follow the wire's spelling. */
function snakeDetails(value: { readonly [key: string]: unknown }): { [key: string]: unknown } {
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [snake(key), snakeValue(inner)]));
}

function snakeValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeValue);
  return typeof value === "object" && value !== null ? snakeDetails(value as { [key: string]: unknown }) : value;
}

function snake(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function renderFailure(failure: Failure | null): TaskSummaryWire["failure"] {
  return failure === null ? null : { ...failure };
}

export function renderAttempt(attempt: Attempt): AttemptWire {
  return {
    attempt: attempt.attempt,
    submission_id: attempt.submissionId,
    state: attempt.state,
    quarantined: attempt.quarantined,
    stalled: attempt.stalled,
    node: attempt.node,
    ray_session: attempt.raySession,
    submitted_at: maybeInstant(attempt.submittedAt),
    started_at: maybeInstant(attempt.startedAt),
    ended_at: maybeInstant(attempt.endedAt),
    exit_code: attempt.exitCode,
    signal: attempt.signal,
    failure: renderFailure(attempt.failure),
    resumed_from: attempt.resumedFrom === null ? null : { submission_id: attempt.resumedFrom.submissionId, step: attempt.resumedFrom.step },
    job_dir: `/private/users/${attempt.userId}/jobs/${attempt.submissionId}`,
  };
}

export function renderPause(pause: Pause | null): QueueWire["paused"] {
  return pause === null ? null : { at: instant(pause.at), by: pause.actor, reason: pause.reason };
}

export function renderTraining(plan: TrainingPlan | null): TrainingPlanWire | null {
  if (plan === null) return null;
  return {
    train_rows: plan.trainRows,
    val_rows: plan.valRows,
    train_batch_size: plan.trainBatchSize,
    steps_per_epoch: plan.stepsPerEpoch,
    total_steps: plan.totalSteps,
    checkpoints: plan.checkpoints,
    checkpoints_kept: plan.checkpointsKept,
    checkpoint_bytes: plan.checkpointBytes,
  };
}

export function renderEstimate(estimate: Estimate | undefined): EstimateWire | null {
  if (estimate === undefined) return null;
  return {
    start_at_low: maybeInstant(estimate.startLow),
    start_at_high: maybeInstant(estimate.startHigh),
    end_at_low: maybeInstant(estimate.endLow),
    end_at_high: maybeInstant(estimate.endHigh),
  };
}

/** `estimate` is undefined where none can be told. */
export function renderTaskSummary(task: Task, attempt: Attempt | null, estimate: Estimate | undefined): TaskSummaryWire {
  return {
    task_id: task.taskId,
    user_id: task.userId,
    workload: task.workload,
    state: task.state,
    name: task.name,
    profile: task.profile.name,
    priority: task.priority,
    labels: { ...task.labels },
    held: task.held,
    created_at: instant(task.createdAt),
    started_at: maybeInstant(task.startedAt),
    ended_at: maybeInstant(task.endedAt),
    next_run_at: maybeInstant(task.nextRunAt),
    deadline: maybeInstant(task.deadline),
    max_runtime_s: task.maxRuntimeMs === null ? null : task.maxRuntimeMs / 1000,
    cancel_requested: task.cancelRequestedAt !== null,
    requeue: task.requeue === null ? null : { requested_at: instant(task.requeue.at), now: task.requeue.now, hold: task.requeue.hold },
    retry_of: task.retryOf,
    export_of: task.exportOf === null ? null : { submission_id: task.exportOf.submissionId, step: task.exportOf.step },
    kept: task.kept,
    files_gone_at: maybeInstant(task.filesGoneAt),
    waiting: renderWaiting(task.waiting),
    estimate: renderEstimate(estimate),
    progress:
      task.progress === null
        ? null
        : {
            step: task.progress.step,
            total_steps: task.progress.totalSteps,
            metric: task.progress.metric === null ? null : { ...task.progress.metric },
            updated_at: instant(task.progress.updatedAt),
          },
    failure: renderFailure(task.failure),
    attempt: attempt === null ? null : renderAttempt(attempt),
    attempts: task.attempts,
  };
}

export type TaskDetail = { readonly alerts: readonly TaskEvent[]; readonly stall: TaskEvent | null; readonly gpuUse: readonly GpuUse[] };

export function renderTask(
  task: Task,
  attempt: Attempt | null,
  estimate: Estimate | undefined,
  { alerts, stall, gpuUse }: TaskDetail,
): TaskWire {
  return {
    ...renderTaskSummary(task, attempt, estimate),
    spec: renderSpec(task.spec),
    alerts: alerts.map(renderAlert),
    stall:
      stall === null || attempt?.stalled !== true
        ? null
        : { code: stall.reason?.code ?? "stalled", text: stall.reason?.text ?? "", at: instant(stall.at) },
    gpu_use: gpuUse.map(({ node, gpusHeld, isShared, gpus, sampledAt }) => ({
      node,
      gpus_held: gpusHeld,
      shared: isShared,
      gpus: gpus.map(renderGpu),
      sampled_at: maybeInstant(sampledAt === null || Number.isNaN(Date.parse(sampledAt)) ? null : Date.parse(sampledAt)),
    })),
  };
}

export function renderAlert({ reason, attempt, at }: TaskEvent): AlertWire {
  return { code: reason?.code ?? "alert", text: reason?.text ?? "", attempt, at: instant(at) };
}

export function renderGpu(gpu: GpuUsage): GpuUsageWire {
  return {
    index: gpu.index,
    uuid: gpu.uuid,
    name: gpu.name,
    utilization_percent: gpu.utilizationPercent,
    memory_used_mib: gpu.memoryUsedMib,
    memory_total_mib: gpu.memoryTotalMib,
  };
}

export function renderEvent(event: TaskEvent) {
  return {
    seq: event.seq,
    task_id: event.taskId,
    attempt: event.attempt,
    at: instant(event.at),
    actor: event.actor,
    type: event.type,
    from: event.from,
    to: event.to,
    reason: event.reason === null ? null : { ...event.reason },
    data: snakeDetails(event.data),
  };
}

export function renderUser(user: User): UserWire {
  const { limits } = user;
  return {
    user_id: user.userId,
    display_name: user.displayName,
    state: user.state,
    limits: {
      max_queued: limits.maxQueued,
      max_running: limits.maxRunning,
      max_gpus: limits.maxGpus,
      submits_per_minute: limits.submitsPerMinute,
      max_storage_gib: limits.maxStorageGib,
      max_priority: limits.maxPriority,
    },
    created_at: instant(user.createdAt),
  };
}

export function renderToken(token: Token): TokenWire {
  return {
    token_id: token.tokenId,
    user_id: token.userId,
    name: token.name,
    scope: token.scope,
    last4: token.last4,
    created_at: instant(token.createdAt),
    expires_at: maybeInstant(token.expiresAt),
    revoked_at: maybeInstant(token.revokedAt),
    last_used_at: maybeInstant(token.lastUsedAt),
    replaced_by: token.replacedBy,
  };
}

export function renderAudit(row: AuditRow): AuditWire {
  return {
    id: row.id,
    at: instant(row.at),
    actor: row.actor,
    action: row.action,
    target: row.target,
    user_id: row.userId,
    from: row.from,
    token_id: row.tokenId,
    request_id: row.requestId,
    data: snakeDetails(row.data),
  };
}
