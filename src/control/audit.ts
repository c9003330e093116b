/** The audit trail: a row in the transaction of each effect that the admin has on somebody. Rows are never removed. */
import { AppError } from "../domain/app-error.ts";
import type { AuditAction, AuditEntry, AuditFilter, AuditRow } from "../domain/audit.ts";
import type { Task } from "../domain/types.ts";
import type { Cursors, PageRequest } from "./cursors.ts";
import type { Store } from "./ports.ts";

/** Who calls, from where, with which token. */
export type Caller = Pick<AuditEntry, "actor" | "from" | "tokenId" | "requestId">;

export function auditEntry(
  by: Caller,
  at: number,
  action: AuditAction,
  target: string,
  userId: string | null,
  data: AuditEntry["data"] = {},
): AuditEntry {
  return { ...by, at, action, target, userId, data };
}

/** What is done to one's own task is an event of the task, and no audit row: null. */
export function taskAudit(
  by: Caller,
  at: number,
  action: AuditAction,
  task: Pick<Task, "taskId" | "userId">,
  data: AuditEntry["data"] = {},
): AuditEntry | null {
  return by.actor === `user:${task.userId}` ? null : auditEntry(by, at, action, task.taskId, task.userId, data);
}

export type AuditPage = { readonly rows: readonly AuditRow[]; readonly nextCursor: string | null };

/** Newest first. A user who is not there is an error, so that a mistyped id reads not like a quiet life. */
export async function listAudit(
  store: Pick<Store, "audit" | "users">,
  cursors: Cursors,
  filter: AuditFilter,
  { cursor, limit }: PageRequest,
): Promise<AuditPage> {
  const bound = `audit ${JSON.stringify(filter)}`;
  const [at, id] = cursor === null ? [] : cursors.read(cursor, bound).split(" ").map(Number);
  if (filter.after !== null && filter.before !== null && filter.after >= filter.before)
    throw new AppError("bad_parameter", "after must be earlier than before");
  if (filter.userId !== null && (await store.users.getUser(filter.userId)) === null)
    throw new AppError("not_found", `no user ${filter.userId}`);
  const page = await store.audit.list(filter, at === undefined || id === undefined ? null : { at, id }, limit);
  const last = page.rows.at(-1);
  return { rows: page.rows, nextCursor: page.hasMore && last !== undefined ? cursors.make(`${last.at} ${last.id}`, bound) : null };
}
