/** The two ways a command fails: the server said no (ApiError), or this side did (CliError). */
import { z } from "zod";
import { FieldError, isProblemCode, PROBLEMS, type ProblemCode } from "../contract/problem.ts";

/** A problem document of a server that may be newer than this client, so `code` is any text. */
const WireProblem = z.object({
  type: z.string().default("about:blank"),
  title: z.string().default(""),
  status: z.number(),
  detail: z.string(),
  code: z.string(),
  errors: z.array(FieldError).optional(),
  request_id: z.string().optional(),
});
export type WireProblem = z.infer<typeof WireProblem>;

export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  auth: 4,
  failed: 100,
  notFinished: 101,
  notFound: 102,
  canceled: 103,
  interrupted: 130,
  brokenPipe: 141,
} as const;

export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly problem: WireProblem;
  /** The document as it came. */
  readonly raw: unknown;
  readonly requestId: string | null;
  /** From Retry-After; null when the server named no time. */
  readonly retryAfterMs: number | null;
  /** What it was about, in the user's words: an id, a file. */
  readonly about: string | null;

  constructor(problem: WireProblem, raw: unknown, requestId: string | null, retryAfterMs: number | null, about: string | null) {
    super(problem.detail);
    this.problem = problem;
    this.raw = raw;
    this.requestId = requestId;
    this.retryAfterMs = retryAfterMs;
    this.about = about;
  }

  get exit(): number {
    const { code, status } = this.problem;
    if (isProblemCode(code)) return PROBLEMS[code].exit;
    return status === 401 || status === 403 ? EXIT.auth : EXIT.error;
  }
}

export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: string;
  readonly exit: number;
  /** What to do, one line each. */
  readonly hints: readonly string[];

  constructor(code: string, message: string, exit: number, hints: readonly string[] = [], options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.exit = exit;
    this.hints = hints;
  }
}

export function usageError(message: string, ...hints: readonly string[]): CliError {
  return new CliError("usage", message, EXIT.usage, hints);
}

export function isProblem(error: unknown, ...codes: readonly ProblemCode[]): error is ApiError {
  return error instanceof ApiError && codes.some((code) => code === error.problem.code);
}

/** From an answer that is no success; one that is no problem document (a proxy's page) is given a code of its own. */
export function apiError(status: number, text: string, header: (name: string) => string | null, about: string | null): ApiError {
  const raw = parseJson(text);
  const parsed = WireProblem.safeParse(raw);
  const body = parsed.success ? parsed.data : foreign(status, text);
  return new ApiError(body, parsed.success ? raw : body, header("x-request-id"), retryAfterMs(header("retry-after")), about);
}

function foreign(status: number, text: string): WireProblem {
  const redirect = status >= 300 && status < 400;
  const said = redirect ? "a redirect, which is not followed" : text.replaceAll(/\s+/g, " ").trim().slice(0, 200) || "an empty body";
  return {
    type: "about:blank#not_verlpool",
    title: "Not an answer of verlpool",
    status,
    detail: `HTTP ${status} that is not verlpool's: ${said}`,
    code: "not_verlpool",
  };
}

/** Only the form in seconds: verlpool sends no dates. */
function retryAfterMs(header: string | null): number | null {
  return header !== null && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : null;
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
