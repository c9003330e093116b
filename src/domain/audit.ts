/** The audit trail: what the admin did to users, their tokens, their tasks and the queue. What users do to their own tasks are events of those tasks. */

export const AUDIT_ACTIONS = [
  "user.create",
  "user.disable",
  "user.enable",
  "user.limits",
  "token.create",
  "token.rotate",
  "token.revoke",
  "task.submit",
  "task.cancel",
  "task.hold",
  "task.release",
  "task.prioritize",
  "task.requeue",
  "task.retry",
  "task.export",
  "task.keep",
  "task.unkeep",
  "task.files_removed",
  "attempt.declare_dead",
  "queue.pause",
  "queue.resume",
  "node.cordon",
  "node.uncordon",
  "node.drain",
  "node.forget",
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

/** Who did what to whom, when, from where and with which token. Never holds a secret. */
export type AuditEntry = {
  readonly at: number;
  /** `user:<id>`, `admin` or `system`. */
  readonly actor: string;
  readonly action: AuditAction;
  /** The id of the user, token or task that was acted on. */
  readonly target: string;
  /** Whom it concerned: the user himself, or the owner of the token or task. */
  readonly userId: string | null;
  /** The address that the call came from. */
  readonly from: string | null;
  /** The caller's token; null for the admin token, which has no id. */
  readonly tokenId: string | null;
  readonly requestId: string | null;
  readonly data: { readonly [key: string]: unknown };
};

export type AuditRow = AuditEntry & { readonly id: number };

/** null = any. `after` is the first instant that counts, `before` the first that no longer does. */
export type AuditFilter = {
  readonly actor: string | null;
  readonly action: AuditAction | null;
  readonly target: string | null;
  readonly userId: string | null;
  readonly after: number | null;
  readonly before: number | null;
};

/** Where a page of the trail ends. */
export type AuditPlace = Pick<AuditRow, "at" | "id">;
