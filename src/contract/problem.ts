/** RFC 9457 problem details: one table of codes. `detail` is for people, `code` for programs; docs/errors.md lists each (checked by a test). */
import { z } from "zod";

type ProblemKind = { readonly status: number; readonly title: string; readonly exit: number };

/** code → HTTP status, title, and the exit code the CLI ends with (docs/cli.md). */
export const PROBLEMS = {
  invalid_spec: { status: 400, title: "The TaskSpec is not valid", exit: 1 },
  bad_cursor: { status: 400, title: "The cursor is not valid here", exit: 1 },
  bad_parameter: { status: 400, title: "A parameter is not valid", exit: 2 },
  bad_request: { status: 400, title: "The request is not valid", exit: 1 },
  missing_token: { status: 401, title: "Not authenticated", exit: 4 },
  invalid_token: { status: 401, title: "Not authenticated", exit: 4 },
  user_disabled: { status: 403, title: "Not authorised", exit: 4 },
  admin_required: { status: 403, title: "Not authorised", exit: 4 },
  scope_required: { status: 403, title: "Not authorised", exit: 4 },
  task_not_found: { status: 404, title: "Not found", exit: 1 },
  not_found: { status: 404, title: "Not found", exit: 1 },
  method_not_allowed: { status: 405, title: "Method not allowed", exit: 1 },
  request_timeout: { status: 408, title: "The request took too long to arrive", exit: 1 },
  user_exists: { status: 409, title: "The user exists", exit: 1 },
  wrong_state: { status: 409, title: "Not possible in this state", exit: 1 },
  files_gone: { status: 410, title: "The files were removed", exit: 1 },
  too_large: { status: 413, title: "The body is too large", exit: 1 },
  unsupported_media_type: { status: 415, title: "Unsupported media type", exit: 1 },
  preflight_failed: { status: 422, title: "The task would fail", exit: 1 },
  unsupported_verl: { status: 422, title: "This verl version has no profile", exit: 1 },
  unknown_profile: { status: 422, title: "No such profile", exit: 1 },
  pool_too_small: { status: 422, title: "Larger than the pool may ever be", exit: 1 },
  idempotency_key_reused: { status: 422, title: "The idempotency key was used for another request", exit: 1 },
  rate_limited: { status: 429, title: "Too many requests", exit: 1 },
  user_limit: { status: 429, title: "A limit of the user is reached", exit: 1 },
  headers_too_large: { status: 431, title: "The header fields are too large", exit: 1 },
  internal: { status: 500, title: "Internal error", exit: 1 },
  database_unavailable: { status: 503, title: "The database does not answer", exit: 1 },
  storage_unavailable: { status: 503, title: "The shared storage does not answer", exit: 1 },
  storage_full: { status: 507, title: "No space left", exit: 1 },
} as const satisfies { readonly [code: string]: ProblemKind };

export type ProblemCode = keyof typeof PROBLEMS;

export function isProblemCode(text: string): text is ProblemCode {
  return Object.hasOwn(PROBLEMS, text);
}

export const FieldError = z.object({
  field: z.string(),
  line: z.int().nullable(),
  column: z.int().nullable(),
  message: z.string(),
  found: z.string().nullable(),
  allowed: z.string().nullable(),
});
export type FieldError = z.infer<typeof FieldError>;

export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]),
    errors: z.array(FieldError).optional(),
    request_id: z.string().optional(),
  })
  .meta({ id: "Problem" });
export type Problem = z.infer<typeof Problem>;

export function problem(code: ProblemCode, detail: string, errors?: readonly FieldError[]): Problem {
  const { status, title } = PROBLEMS[code];
  return { type: `about:blank#${code}`, title, status, detail, code, ...(errors === undefined ? {} : { errors: [...errors] }) };
}
