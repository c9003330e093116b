/** From any thrown thing to problem details. Nothing of an unexpected error reaches a client but a request id. */
import type { FastifyError, FastifyReply } from "fastify";
import { problem, type Problem, type ProblemCode } from "../contract/problem.ts";
import { MAX_SPEC_BYTES } from "../contract/routes.ts";
import { AppError } from "../domain/app-error.ts";

export type Refusal = { readonly body: Problem; readonly headers: { readonly [name: string]: string }; readonly unexpected: boolean };

const FASTIFY_CODES: { readonly [code: string]: readonly [ProblemCode, string] } = {
  FST_ERR_CTP_BODY_TOO_LARGE: ["too_large", `the body is over ${MAX_SPEC_BYTES / 1024} KiB`],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    "unsupported_media_type",
    "this content type is not accepted here; send a TaskSpec as application/yaml, everything else as application/json",
  ],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ["bad_request", "the body does not match its Content-Length"],
  FST_ERR_BAD_URL: ["bad_request", "the path can't be decoded"],
};

function of(code: ProblemCode, detail: string, headers: { readonly [name: string]: string } = {}): Refusal {
  return { body: problem(code, detail), headers, unexpected: false };
}

function fromAppError(error: AppError): Refusal {
  const headers: { [name: string]: string } = {};
  if (error.code === "missing_token" || error.code === "invalid_token") headers["WWW-Authenticate"] = "Bearer";
  if (error.retryAfterS !== null) headers["Retry-After"] = String(Math.max(1, Math.ceil(error.retryAfterS)));
  const errors = error.fields.length > 0 ? error.fields : undefined;
  return { body: problem(error.code, error.message, errors), headers, unexpected: false };
}

/** The storage helper's word for a mount that fails or hangs. */
function fromStorage(error: Error): Refusal | null {
  if (error.name !== "StorageTrouble") return null;
  return of("storage_unavailable", "the shared storage does not answer; nothing was changed, try again", { "Retry-After": "5" });
}

export function refusalFor(error: unknown, requestId: string): Refusal {
  if (error instanceof AppError) return fromAppError(error);
  if (error instanceof Error) {
    const known = FASTIFY_CODES[(error as FastifyError).code];
    if (known !== undefined) return of(...known);
    const storage = fromStorage(error);
    if (storage !== null) return storage;
    const status = (error as FastifyError).statusCode;
    if (status !== undefined && status >= 400 && status < 500) return of("bad_request", error.message);
  }
  const body = {
    ...problem("internal", `something went wrong on our side; the log has it under request id ${requestId}`),
    request_id: requestId,
  };
  return { body, headers: {}, unexpected: true };
}

export function sendRefusal(reply: FastifyReply, refusal: Refusal): FastifyReply {
  return reply
    .code(refusal.body.status)
    .headers(refusal.headers)
    .header("Content-Type", "application/problem+json; charset=utf-8")
    .send(JSON.stringify(refusal.body));
}
