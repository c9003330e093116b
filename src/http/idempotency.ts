/** A call that makes a task, safe to repeat: its key, and the answer, which is the first one again for the same request. */
import { createHash } from "node:crypto";
import { AppError } from "../domain/app-error.ts";
import type { Idempotency } from "../control/ports.ts";
import type { SubmitAnswer } from "../control/submit-task.ts";
import type { Answer } from "./call.ts";

const KEY = /^[\x20-\x7e]{1,255}$/;

/** The same key means the same request only with the same bytes and parameters; `what` tells calls of different routes apart. */
export function idempotencyOf(
  key: string | undefined,
  what: string,
  query: { readonly [name: string]: unknown },
  body: Uint8Array,
): Idempotency | null {
  if (key === undefined) return null;
  if (!KEY.test(key)) throw new AppError("bad_parameter", "Idempotency-Key must be 1 to 255 printable ASCII characters");
  const parameters = Object.entries(query).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const bodyHash = createHash("sha256")
    .update(`${what}${JSON.stringify(parameters)}`)
    .update("\n")
    .update(body)
    .digest("hex");
  return { key, bodyHash };
}

export function created(answer: SubmitAnswer): Answer {
  return {
    status: 201,
    headers: { Location: `/api/v2/tasks/${answer.taskId}`, ...(answer.replayed ? { "Idempotent-Replayed": "true" } : {}) },
    body: { kind: "raw", type: "application/json; charset=utf-8", bytes: answer.body },
  };
}
