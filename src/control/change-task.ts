/** What may be done to a task: cancel, hold, release, requeue, prioritize. Each is a guarded write, repeated when somebody was first; the admin's is audited. */
import { AppError } from "../domain/app-error.ts";
import type { AuditAction, AuditEntry } from "../domain/audit.ts";
import { isTerminal, isWaiting, type TaskAction, whyNot } from "../domain/task-state.ts";
import type { NewTaskEvent, Requeue, Task } from "../domain/types.ts";
import { type Caller, taskAudit } from "./audit.ts";
import { checkFiles } from "./files-gone.ts";
import type { Clock, Store, TaskChange } from "./ports.ts";

export type ChangeDeps = { readonly store: Store; readonly clock: Clock };
type Change = Omit<TaskChange, "taskId" | "version" | "epoch" | "at" | "audit"> & { readonly audited?: AuditEntry["data"] };

const TRIES = 50;

/** `plan` sees the task as it stands and says what to write; null = nothing to do. */
async function changeTask(
  deps: ChangeDeps,
  taskId: string,
  by: Caller,
  action: AuditAction,
  plan: (task: Task) => Change | null,
): Promise<Task> {
  for (let i = 0; i < TRIES; i += 1) {
    const task = await deps.store.tasks.get(taskId);
    if (task === null) throw new AppError("task_not_found", "task not found");
    const change = plan(task);
    if (change === null) return task;
    const at = deps.clock.now();
    const { audited, ...rest } = change;
    const audit = taskAudit(by, at, action, task, audited);
    const guarded = { ...rest, taskId, version: task.version, epoch: null, at };
    const outcome = await deps.store.tasks.change(audit === null ? guarded : { ...guarded, audit });
    if (outcome.kind === "applied") return outcome.task;
  }
  throw new AppError("database_unavailable", `task ${taskId} changes too fast; try again`, { retryAfterS: 1 });
}

function event(actor: string, type: NewTaskEvent["type"], code: string, text: string, data: NewTaskEvent["data"] = {}): NewTaskEvent {
  return { attempt: null, actor, type, reason: { code, text }, data };
}

/** Durable intent. A waiting task is CANCELED at once; a live one when its attempt is proven to be over (docs/protocol.md rule 8). */
export function cancelTask(deps: ChangeDeps, taskId: string, by: Caller): Promise<Task> {
  const { actor } = by;
  return changeTask(deps, taskId, by, "task.cancel", (task) => {
    if (isTerminal(task.state) || task.cancelRequestedAt !== null) return null;
    const now = deps.clock.now();
    const asked = { cancelRequestedAt: now, cancelActor: actor };
    const requested = event(actor, "cancel_requested", "cancel", "cancel requested");
    if (!isWaiting(task.state)) return { patch: asked, events: [requested] };
    return {
      to: "CANCELED",
      patch: { ...asked, waiting: null, nextRunAt: null, endedAt: now },
      events: [event(actor, "state_changed", "cancel", "canceled while it waited"), requested],
    };
  });
}

function checked(action: TaskAction, task: Task): void {
  const problem = whyNot(action, task);
  if (problem !== null) throw new AppError("wrong_state", problem);
}

export function holdTask(deps: ChangeDeps, taskId: string, by: Caller): Promise<Task> {
  return changeTask(deps, taskId, by, "task.hold", (task) => {
    checked("hold", task);
    return task.held ? null : held(by.actor, task);
  });
}

/** What verl or Ray reported has a time of its own to wait for, which neither a hold nor its release shortens. */
function isReported(task: Task): boolean {
  return task.state === "PENDING_RESOURCES" && task.waiting?.details["after_attempt"] !== undefined;
}

function held(actor: string, task: Task): Change {
  const details = isReported(task) ? (task.waiting?.details ?? {}) : {};
  const waiting = { code: "held", text: "held; `verlpool release` lets it start", details, until: null } as const;
  return { patch: { held: true, waiting }, events: [event(actor, "alert", "held", "held by hand")] };
}

export function releaseTask(deps: ChangeDeps, taskId: string, by: Caller): Promise<Task> {
  return changeTask(deps, taskId, by, "task.release", (task) => {
    checked("release", task);
    if (!task.held) return null;
    const { waiting } = task;
    const left =
      waiting === null || !isReported(task) ? null : { ...waiting, code: "cooling_down" as const, text: "its next try is not due yet" };
    return { patch: { held: false, waiting: left }, events: [event(by.actor, "alert", "released", "released")] };
  });
}

/** `wanted`: retention leaves its files alone, for as long as it is so. Throws files_gone where that comes too late. */
export function keepTask(deps: ChangeDeps, taskId: string, wanted: boolean, by: Caller): Promise<Task> {
  return changeTask(deps, taskId, by, wanted ? "task.keep" : "task.unkeep", (task) => {
    if (wanted) checkFiles(task);
    if (task.kept === wanted) return null;
    const text = wanted ? "its files are kept from retention" : "its files are left to retention";
    return { patch: { kept: wanted }, events: [event(by.actor, "alert", wanted ? "keep" : "unkeep", text)] };
  });
}

/**
 * Durable intent to bring a live task back to the queue, with its place in it: after its next complete checkpoint, or at once. A waiting task is
 * there already; `hold` holds it. Asked again, it can only become sooner, or held.
 */
export function requeueTask(deps: ChangeDeps, taskId: string, { now, hold }: Pick<Requeue, "now" | "hold">, by: Caller): Promise<Task> {
  return changeTask(deps, taskId, by, "task.requeue", (task) => {
    checked("requeue", task);
    if (task.exportOf !== null) throw new AppError("wrong_state", "an export saves nothing on its way; cancel it and export again");
    if (isWaiting(task.state)) return hold && !task.held ? held(by.actor, task) : null;
    if (!now && task.spec.saveFreq === -1) {
      throw new AppError(
        "wrong_state",
        "its save_freq is -1: it saves nothing to wait for. With now=true (--now) it stops at once, and begins anew when it starts again",
      );
    }
    const before = task.requeue;
    const wanted = { now: now || before?.now === true, hold: hold || before?.hold === true };
    if (before !== null && before.now === wanted.now && before.hold === wanted.hold) return null;
    const when = wanted.now ? "at once" : "after its next complete checkpoint";
    const text = `it stops ${when} and goes back to the queue${wanted.hold ? ", held" : ""}`;
    return {
      patch: { requeue: { at: deps.clock.now(), actor: by.actor, since: before?.since ?? null, ...wanted } },
      events: [event(by.actor, "requeue_requested", "requeue", text, wanted)],
      audited: wanted,
    };
  });
}

export async function prioritizeTask(deps: ChangeDeps, taskId: string, priority: number, by: Caller): Promise<Task> {
  const task = await deps.store.tasks.get(taskId);
  const owner = task === null ? null : await deps.store.users.getUser(task.userId);
  if (by.actor !== "admin" && owner !== null && priority > owner.limits.maxPriority) {
    throw new AppError(
      "bad_parameter",
      `priority ${priority} is above this user's max_priority of ${owner.limits.maxPriority}; an admin can raise it`,
    );
  }
  return changeTask(deps, taskId, by, "task.prioritize", (current) => {
    checked("prioritize", current);
    if (current.priority === priority) return null;
    return {
      patch: { priority },
      audited: { priority: { from: current.priority, to: priority } },
      events: [
        event(by.actor, "priority_changed", "priority", `priority ${current.priority} → ${priority}`, {
          from: current.priority,
          to: priority,
        }),
      ],
    };
  });
}
