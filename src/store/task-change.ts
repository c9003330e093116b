/** The only writer of a task's state: guarded by version and epoch, along edges of the domain, with its history in the same savepoint. */
import type { Kysely, Selectable } from "kysely";
import type { ChangeOutcome, TaskChange } from "../control/ports.ts";
import { newMarks } from "../domain/held-time.ts";
import { canMove, isTerminal } from "../domain/task-state.ts";
import { writeAudit } from "./audit-store.ts";
import type { Dialect } from "./migrations/migration.ts";
import { storable } from "./storable.ts";
import type { TaskTable, Tables } from "./tables.ts";
import { appendEvents } from "./task-events.ts";
import { attemptPatchRow, jsonOrNull, type TaskChangeRow, taskOf, taskPatchRow } from "./task-rows.ts";
import { countAttempt } from "./usage-store.ts";
import type { Plan } from "./write-queue.ts";

const STALE: ChangeOutcome = { kind: "stale" };

/** Throws on a change that no correct caller makes: an edge the domain does not have, a move without an event, an unknown attempt. */
export function changePlan(dialect: Dialect, change: TaskChange): Plan<ChangeOutcome> {
  return async ({ db, counts }) => {
    if (change.epoch !== null && !(await leads(db, dialect, change.epoch))) return STALE;
    const query = db.selectFrom("tasks").selectAll().where("task_id", "=", change.taskId);
    const row = await (dialect === "postgres" ? query.forUpdate() : query).executeTakeFirst();
    if (row === undefined || row.version !== change.version) return STALE;

    const next = nextRow(row, change);
    const { numUpdatedRows } = await db
      .updateTable("tasks")
      .set(next)
      .where("task_id", "=", change.taskId)
      .where("version", "=", change.version)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows !== 1n) throw new Error(`task ${change.taskId} changed inside its own transaction; report this as a bug`);

    await writeAttempts(db, row, change);
    const move = change.to === undefined ? null : { from: row.state, to: change.to };
    await appendEvents(db, change.taskId, change.at, move, change.events ?? []);
    if (move !== null) {
      counts.add(row.user_id, move.from, -1);
      counts.add(row.user_id, move.to, 1);
    }
    if (change.audit !== undefined) await writeAudit(db, change.audit);
    return { kind: "applied", task: taskOf({ ...row, ...next }) };
  };
}

/** On Postgres a new leader can raise the epoch only after this transaction: it takes the row for itself. */
export async function leads(db: Kysely<Tables>, dialect: Dialect, epoch: number): Promise<boolean> {
  const query = db.selectFrom("leader").select("epoch");
  const row = await (dialect === "postgres" ? query.forShare() : query).executeTakeFirst();
  return row?.epoch === epoch;
}

type NextRow = TaskChangeRow & Pick<TaskTable, "version" | "state" | "epoch">;

function nextRow(row: Selectable<TaskTable>, change: TaskChange): NextRow {
  const state = change.to ?? row.state;
  if (change.to !== undefined && !canMove(row.state, change.to)) {
    throw new Error(`task ${row.task_id} cannot move from ${row.state} to ${change.to}; the domain has no such edge`);
  }
  if (change.to !== undefined && (change.events ?? []).length === 0) {
    throw new Error(`task ${row.task_id} cannot move to ${change.to} without an event that says so`);
  }
  const patch = storable(taskPatchRow(change.patch ?? {}));
  const attempts = change.newAttempt === undefined ? {} : { attempts: change.newAttempt.attempt };
  const ended = isTerminal(state) ? { next_run_at: null, waiting: null, requeue: null } : {};
  if (isTerminal(state) && (present(patch.next_run_at) || present(patch.waiting))) {
    throw new Error(`task ${row.task_id} is ${state} and can wait for nothing; leave out nextRunAt and waiting`);
  }
  return { ...attempts, ...patch, ...ended, state, version: row.version + 1, epoch: change.epoch ?? row.epoch };
}

function present(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** The old attempt first: the database itself allows a task one open attempt only. */
async function writeAttempts(db: Kysely<Tables>, row: Selectable<TaskTable>, change: TaskChange): Promise<void> {
  const patchesNew = change.attempt !== undefined && change.attempt.attempt === change.newAttempt?.attempt;
  if (!patchesNew) await patchAttempt(db, row, change);
  await insertAttempt(db, row, change);
  if (patchesNew) await patchAttempt(db, row, change);
}

async function patchAttempt(db: Kysely<Tables>, task: Selectable<TaskTable>, change: TaskChange): Promise<void> {
  if (change.attempt === undefined) return;
  const epoch = change.epoch === null ? {} : { epoch: change.epoch };
  const row = storable({ ...attemptPatchRow(change.attempt.patch), ...epoch });
  if (Object.keys(row).length === 0) return;
  const { numUpdatedRows } = await db
    .updateTable("attempts")
    .set(row)
    .where("task_id", "=", change.taskId)
    .where("attempt", "=", change.attempt.attempt)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows !== 1n) throw new Error(`task ${change.taskId} has no attempt ${change.attempt.attempt} to change`);
  if (present(row.ended_at)) await countAttempt(db, change.taskId, change.attempt.attempt, task.workload);
}

async function insertAttempt(db: Kysely<Tables>, task: Selectable<TaskTable>, change: TaskChange): Promise<void> {
  const fresh = change.newAttempt;
  if (fresh === undefined) return;
  if (fresh.attempt <= task.attempts) {
    throw new Error(`task ${task.task_id} already had attempt ${task.attempts}; attempt ${fresh.attempt} would not be newer`);
  }
  await db
    .insertInto("attempts")
    .values(
      storable({
        task_id: task.task_id,
        attempt: fresh.attempt,
        user_id: task.user_id,
        submission_id: fresh.submissionId,
        state: "SUBMITTING",
        quarantined: 0,
        stalled: 0,
        epoch: change.epoch,
        node: null,
        ray_session: fresh.raySession,
        claim_nonce: null,
        placement: JSON.stringify(fresh.placement),
        evidence: null,
        exit_code: null,
        signal: null,
        failure: null,
        resumed_from: jsonOrNull(fresh.resumedFrom),
        use_marks: JSON.stringify(newMarks(fresh.again ?? null)),
        created_at: change.at,
        submitted_at: null,
        started_at: null,
        ended_at: null,
      } as const),
    )
    .execute();
}
