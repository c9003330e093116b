/** Server-sent events that end with their token, and do not wait for ever for a client that does not read. */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import { AppError } from "../domain/app-error.ts";
import type { Principal } from "../domain/types.ts";
import { WIDER } from "./admission.ts";
import type { HttpDeps } from "./deps.ts";
import { singleHeader } from "./single-header.ts";

/** How often a stream's token is looked at again: it is closed within a second of its end. */
const RECHECK_MS = 500;
/** When one who has all his streams may ask again: one of them may have ended by then. */
const RETRY_AFTER_S = 5;

/** Throws AppError rate_limited, with nothing sent, when the caller has all the streams that he may. */
export type SendEvents = (
  request: FastifyRequest,
  reply: FastifyReply,
  principal: Principal,
  events: AsyncIterable<string | Uint8Array>,
) => Promise<FastifyReply>;

/** `stalledMs` without one event taken whole by the client's side ends the stream: it may come back where it was. */
export function eventStreams(deps: HttpDeps, stalledMs: number): SendEvents {
  const takePlace = places(deps.settings.requests.streams);
  return async (request, reply, principal, events) => {
    const leave = takePlace(principal);
    try {
      const headers = Object.fromEntries(Object.entries(reply.getHeaders()).map(([name, value]) => [name, String(value)]));
      reply.hijack();
      reply.raw.writeHead(200, { ...headers, "Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no" });
      await send(deps, request, reply.raw, events, stalledMs);
      return reply;
    } finally {
      leave();
    }
  };
}

function places(most: number): (principal: Principal) => () => void {
  const taken = new Map<string, number>();
  return (principal) => {
    const [who, limit] = principal.kind === "admin" ? ["admin", most * WIDER] : [`user:${principal.userId}`, most];
    const count = taken.get(who) ?? 0;
    if (count >= limit)
      throw new AppError("rate_limited", `${count} log streams of yours are open, and the limit is ${limit}; close one`, {
        retryAfterS: RETRY_AFTER_S,
      });
    taken.set(who, count + 1);
    return () => {
      const left = (taken.get(who) ?? 1) - 1;
      if (left === 0) taken.delete(who);
      else taken.set(who, left);
    };
  };
}

async function send(
  deps: HttpDeps,
  request: FastifyRequest,
  raw: ServerResponse,
  events: AsyncIterable<string | Uint8Array>,
  stalledMs: number,
): Promise<void> {
  const closed = new AbortController();
  raw.once("close", () => closed.abort());
  if (raw.destroyed) closed.abort();
  let waitsSince: number | null = null;
  const hasStalled = (): boolean => waitsSince !== null && deps.clock.monotonicMs() - waitsSince >= stalledMs;
  const watching = watch(deps, request, raw, hasStalled, closed.signal);
  try {
    for await (const event of events) {
      if (raw.destroyed || raw.writableEnded) break;
      // A client that does not read stops the reading of the file, not the server's memory.
      if (raw.write(event)) continue;
      waitsSince = deps.clock.monotonicMs();
      await once(raw, "drain", { signal: closed.signal }).catch(() => undefined);
      waitsSince = null;
    }
  } catch (error) {
    if (!raw.destroyed && !raw.writableEnded) deps.log.warn({ request_id: request.id, error: String(error) }, "a stream ended early");
  } finally {
    raw.end();
    closed.abort();
    await watching;
  }
}

/** Ends the stream when its token does, or its reader is gone without a word. */
async function watch(
  deps: HttpDeps,
  request: FastifyRequest,
  raw: ServerResponse,
  hasStalled: () => boolean,
  closed: AbortSignal,
): Promise<void> {
  for (;;) {
    const goesOn = await deps.clock.sleep(RECHECK_MS, closed).then(
      () => true,
      () => false,
    );
    if (!goesOn) return;
    if (!hasStalled() && (await isStillAllowed(deps, request))) continue;
    // What the client has not taken yet would keep an orderly end waiting for it.
    if (raw.writableNeedDrain) raw.destroy();
    else raw.end();
    return;
  }
}

async function isStillAllowed(deps: HttpDeps, request: FastifyRequest): Promise<boolean> {
  try {
    await deps.authenticate(singleHeader(request, "authorization"));
    return true;
  } catch (error) {
    if (!(error instanceof AppError))
      deps.log.error({ request_id: request.id, error: String(error) }, "a stream's token can't be looked at; it is closed");
    return false;
  }
}
