/** Refusals that a caller can act on. Each code stands in contract/problem.ts with its HTTP status and exit code. */

export type AppErrorCode =
  | "invalid_spec"
  | "bad_cursor"
  | "bad_parameter"
  | "missing_token"
  | "invalid_token"
  | "user_disabled"
  | "admin_required"
  | "scope_required"
  | "task_not_found"
  | "not_found"
  | "user_exists"
  | "wrong_state"
  | "files_gone"
  | "unsupported_media_type"
  | "preflight_failed"
  | "unsupported_verl"
  | "unknown_profile"
  | "pool_too_small"
  | "idempotency_key_reused"
  | "rate_limited"
  | "user_limit"
  | "database_unavailable"
  | "storage_unavailable"
  | "storage_full";

export type FieldProblem = {
  readonly field: string;
  readonly line: number | null;
  readonly column: number | null;
  readonly message: string;
  readonly found: string | null;
  readonly allowed: string | null;
};

export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: AppErrorCode;
  readonly fields: readonly FieldProblem[];
  readonly retryAfterS: number | null;

  constructor(code: AppErrorCode, message: string, more: { fields?: readonly FieldProblem[]; retryAfterS?: number; cause?: unknown } = {}) {
    super(message, { cause: more.cause });
    this.code = code;
    this.fields = more.fields ?? [];
    this.retryAfterS = more.retryAfterS ?? null;
  }
}
