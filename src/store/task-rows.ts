/** Rows of tasks, attempts and events to domain values and back. */
import type { Insertable, Selectable } from "kysely";
import type { AttemptPatch, NewTask, TaskPatch } from "../control/ports.ts";
import type { Attempt, Task, TaskEvent } from "../domain/types.ts";
import type { AttemptTable, EventTable, TaskTable } from "./tables.ts";

export function taskOf(row: Selectable<TaskTable>): Task {
  return {
    taskId: row.task_id,
    userId: row.user_id,
    workload: row.workload,
    state: row.state,
    version: row.version,
    priority: row.priority,
    name: row.name,
    labels: parse(row.labels),
    specText: row.spec_text,
    spec: parse(row.spec),
    profile: parse(row.profile),
    needs: parse(row.needs),
    attempts: row.attempts,
    held: row.held === 1,
    nextRunAt: row.next_run_at,
    passedSince: row.passed_since,
    cancelRequestedAt: row.cancel_requested_at,
    cancelActor: row.cancel_actor,
    requeue: parseOrNull(row.requeue),
    waiting: parseOrNull(row.waiting),
    failure: parseOrNull(row.failure),
    progress: parseOrNull(row.progress),
    deadline: row.deadline,
    maxRuntimeMs: row.max_runtime_ms,
    retryOf: row.retry_of,
    fromScratch: row.from_scratch === 1,
    exportOf: parseOrNull(row.export_of),
    kept: row.kept === 1,
    filesGoneAt: row.files_gone_at,
    createdAt: row.created_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    seq: row.seq,
  };
}

/** The row of a task as it enters the queue; `seq` is the database's to give. */
export function newTaskRow(task: NewTask): Omit<Selectable<TaskTable>, "seq"> {
  return {
    task_id: task.taskId,
    id_reversed: reverse(task.taskId),
    user_id: task.userId,
    workload: task.workload,
    state: "QUEUED",
    version: 1,
    epoch: null,
    priority: task.priority,
    name: task.name,
    labels: JSON.stringify(task.labels),
    spec_text: task.specText,
    spec: JSON.stringify(task.spec),
    profile: JSON.stringify(task.profile),
    needs: JSON.stringify(task.needs),
    attempts: 0,
    held: 0,
    next_run_at: null,
    passed_since: null,
    cancel_requested_at: null,
    cancel_actor: null,
    requeue: null,
    waiting: null,
    failure: null,
    progress: null,
    deadline: task.deadline,
    max_runtime_ms: task.maxRuntimeMs,
    retry_of: task.retryOf,
    from_scratch: Number(task.fromScratch),
    export_of: jsonOrNull(task.exportOf),
    kept: 0,
    files_gone_at: null,
    pruned_at: null,
    is_cleared: 1,
    created_at: task.createdAt,
    started_at: null,
    ended_at: null,
  };
}

export type TaskChangeRow = Partial<
  Pick<
    TaskTable,
    | "next_run_at"
    | "passed_since"
    | "waiting"
    | "failure"
    | "progress"
    | "attempts"
    | "started_at"
    | "ended_at"
    | "held"
    | "priority"
    | "cancel_requested_at"
    | "cancel_actor"
    | "requeue"
    | "kept"
    | "files_gone_at"
  >
>;

export function taskPatchRow(patch: TaskPatch): TaskChangeRow {
  return withoutUndefined({
    next_run_at: patch.nextRunAt,
    passed_since: patch.passedSince,
    waiting: textOf(patch.waiting),
    failure: textOf(patch.failure),
    progress: textOf(patch.progress),
    attempts: patch.attempts,
    started_at: patch.startedAt,
    ended_at: patch.endedAt,
    held: flagOf(patch.held),
    priority: patch.priority,
    cancel_requested_at: patch.cancelRequestedAt,
    cancel_actor: patch.cancelActor,
    requeue: textOf(patch.requeue),
    kept: flagOf(patch.kept),
    files_gone_at: patch.filesGoneAt,
  });
}

export function attemptOf(row: Selectable<AttemptTable>): Attempt {
  return {
    taskId: row.task_id,
    userId: row.user_id,
    attempt: row.attempt,
    submissionId: row.submission_id,
    state: row.state,
    quarantined: row.quarantined === 1,
    stalled: row.stalled === 1,
    node: row.node,
    raySession: row.ray_session,
    claimNonce: row.claim_nonce,
    declaredDead: parseOrNull(row.declared_dead),
    placement: parse(row.placement),
    exitCode: row.exit_code,
    signal: row.signal,
    failure: parseOrNull(row.failure),
    resumedFrom: parseOrNull(row.resumed_from),
    useMarks: parseOrNull(row.use_marks),
    createdAt: row.created_at,
    submittedAt: row.submitted_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
  };
}

export function attemptPatchRow(patch: AttemptPatch): Partial<Insertable<AttemptTable>> {
  return withoutUndefined({
    state: patch.state,
    quarantined: flagOf(patch.quarantined),
    stalled: flagOf(patch.stalled),
    node: patch.node,
    ray_session: patch.raySession,
    claim_nonce: patch.claimNonce,
    declared_dead: textOf(patch.declaredDead),
    exit_code: patch.exitCode,
    signal: patch.signal,
    failure: textOf(patch.failure),
    use_marks: textOf(patch.useMarks),
    submitted_at: patch.submittedAt,
    started_at: patch.startedAt,
    ended_at: patch.endedAt,
  });
}

export function eventOf(row: Selectable<EventTable>): TaskEvent {
  return {
    seq: row.seq,
    taskId: row.task_id,
    attempt: row.attempt,
    at: row.at,
    actor: row.actor,
    type: row.type,
    from: row.from_state,
    to: row.to_state,
    reason: parseOrNull(row.reason),
    data: parse(row.data),
  };
}

/** By code points: what is a suffix of the id is a prefix of this. */
export function reverse(text: string): string {
  return Array.from(text).reverse().join("");
}

export function jsonOrNull(value: object | null): string | null {
  return value === null ? null : JSON.stringify(value);
}

function textOf(value: object | null | undefined): string | null | undefined {
  return value === undefined ? undefined : jsonOrNull(value);
}

function flagOf(value: boolean | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

/** Only this store writes the JSON columns, so their shape is the type's. */
function parse<T>(text: string): T {
  return JSON.parse(text) as T;
}

function parseOrNull<T>(text: string | null): T | null {
  return text === null ? null : parse<T>(text);
}

type Defined<T> = { [key in keyof T]?: Exclude<T[key], undefined> };

function withoutUndefined<T extends object>(row: T): Defined<T> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)) as Defined<T>;
}
