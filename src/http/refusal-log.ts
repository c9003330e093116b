/**
 * Refused access is a line of the log and no row of the audit trail: anybody can cause any number of them. Never holds the token, or a part of it.
 */
import type { FastifyRequest } from "fastify";
import type { Log } from "../control/ports.ts";
import { actorOf } from "../domain/access.ts";
import { AppError } from "../domain/app-error.ts";
import type { Principal } from "../domain/types.ts";
import { sourceAddress } from "./source-address.ts";

function warn(
  log: Log,
  request: FastifyRequest,
  code: string,
  who: { readonly actor: string | null; readonly token_id: string | null },
): void {
  const route = request.routeOptions.url ?? "unknown";
  log.warn({ request_id: request.id, from: sourceAddress(request), method: request.method, route, code, ...who }, "access refused");
}

/** A token that is not, or no longer, one: whose it was meant to be is not known. */
export function logFailedLogin(log: Log, request: FastifyRequest, code: string): void {
  warn(log, request, code, { actor: null, token_id: null });
}

/** The refusal of what only the admin may do, after it was logged. */
export function adminRequired(log: Log, request: FastifyRequest, principal: Principal): AppError {
  warn(log, request, "admin_required", {
    actor: actorOf(principal),
    token_id: principal.kind === "user" ? principal.tokenId : null,
  });
  return new AppError("admin_required", "admin required");
}
