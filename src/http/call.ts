/** What a route's function is given and may answer. */
import type { z } from "zod";
import type { RouteId, ROUTES } from "../contract/routes.ts";
import type { Caller } from "../control/audit.ts";
import type { PageRequest } from "../control/cursors.ts";
import { actorOf } from "../domain/access.ts";
import type { Principal } from "../domain/types.ts";

export type Body<Id extends RouteId> = (typeof ROUTES)[Id]["body"] extends {
  readonly kind: "json";
  readonly schema: infer Schema extends z.ZodType;
}
  ? z.infer<Schema>
  : (typeof ROUTES)[Id]["body"] extends { readonly kind: "yaml" }
    ? Buffer
    : null;

export type Call<Id extends RouteId> = {
  /** Throws for an open route: those have no caller. */
  readonly principal: Principal;
  readonly params: { readonly [name: string]: string };
  readonly query: z.infer<(typeof ROUTES)[Id]["query"]>;
  readonly body: Body<Id>;
  readonly header: (name: string) => string | undefined;
  /** The remote address of the socket: never what a header says. */
  readonly from: string | null;
  readonly requestId: string;
  /** Aborts when the client is gone or the server stops. */
  readonly signal: AbortSignal;
};

/** Who the audit trail says it was. */
export function callerOf(call: Pick<Call<RouteId>, "principal" | "from" | "requestId">): Caller {
  const { principal, from, requestId } = call;
  return { actor: actorOf(principal), from, tokenId: principal.kind === "admin" ? null : principal.tokenId, requestId };
}

export type Answer = {
  readonly status?: number;
  readonly headers?: { readonly [name: string]: string };
  readonly body:
    | { readonly kind: "json"; readonly value: unknown }
    | { readonly kind: "raw"; readonly type: string; readonly bytes: Uint8Array | string }
    | { readonly kind: "sse"; readonly events: AsyncIterable<string | Uint8Array> }
    | { readonly kind: "none" };
};

export function ok(value: unknown, headers: { readonly [name: string]: string } = {}): Answer {
  return { headers, body: { kind: "json", value } };
}

export function pageRequest(query: { readonly cursor?: string | undefined; readonly limit: number }): PageRequest {
  return { cursor: query.cursor ?? null, limit: query.limit };
}

export type RouteFunctions = { readonly [Id in RouteId]: (call: Call<Id>) => Promise<Answer> };
