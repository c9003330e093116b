/** HTTP as the client needs it: one request, a deadline for the answer's head, an idle limit for its body, no redirects (a token never follows one). */

import { type TlsTrust, trustingFetch } from "./tls-trust.ts";

export type HttpRequest = {
  readonly method: string;
  readonly url: string;
  readonly headers: { readonly [name: string]: string };
  readonly body: string | Uint8Array | null;
  /** Until the answer's head is there. */
  readonly timeoutMs: number;
  /** Between two chunks of the answer's body. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
  /** For https; left out = the CAs of the system and of Node. */
  readonly trust?: TlsTrust | undefined;
};

export type HttpAnswer = {
  readonly status: number;
  readonly header: (name: string) => string | null;
  /** Read it to its end or leave the loop: both free the connection. */
  readonly body: AsyncIterable<Uint8Array>;
};

/** Throws Unreachable when the server can't be reached or falls silent, and the signal's reason when the caller gave up. */
export type HttpTransport = (request: HttpRequest) => Promise<HttpAnswer>;

/** No whole answer came; whether the request arrived is not known. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
  readonly url: string;
  /** A system or TLS error code such as ECONNREFUSED, or TIMEOUT. */
  readonly reason: string;

  constructor(url: string, reason: string, options?: ErrorOptions) {
    super(`no answer from ${url}: ${reason}`, options);
    this.url = url;
    this.reason = reason;
  }
}

function reasonOf(error: unknown): string {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at.name === "TimeoutError") return "TIMEOUT";
    const { code } = at as { code?: unknown };
    if (typeof code === "string") return code;
    if (at instanceof AggregateError && at.errors.length > 0) return reasonOf(at.errors[0]);
    if (!(at.cause instanceof Error)) return at.message;
  }
  return String(error);
}

/** Aborts `cut` after `ms` unless the returned function is called before. */
function deadline(ms: number, cut: AbortController): () => void {
  const timer = AbortSignal.timeout(ms);
  const fire = (): void => cut.abort(timer.reason);
  timer.addEventListener("abort", fire, { once: true });
  return () => timer.removeEventListener("abort", fire);
}

async function* chunks(body: ReadableStream<Uint8Array>, request: HttpRequest, cut: AbortController): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const clear = deadline(request.idleMs, cut);
      const { done, value } = await reader.read().finally(clear);
      if (done) return;
      yield value;
    }
  } catch (error) {
    request.signal.throwIfAborted();
    throw new Unreachable(request.url, reasonOf(error), { cause: error });
  } finally {
    cut.abort();
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

export function httpTransport(): HttpTransport {
  const overTls = trustingFetch();
  return async (request) => {
    request.signal.throwIfAborted();
    const cut = new AbortController();
    const clear = deadline(request.timeoutMs, cut);
    try {
      const fetchIt = request.url.startsWith("https:") ? overTls(request.trust) : fetch;
      const answer = await fetchIt(request.url, {
        method: request.method,
        headers: request.headers,
        body: request.body === null ? null : Buffer.from(request.body),
        redirect: "manual",
        signal: AbortSignal.any([request.signal, cut.signal]),
      });
      return {
        status: answer.status,
        header: (name) => answer.headers.get(name),
        body: answer.body === null ? nothing() : chunks(answer.body, request, cut),
      };
    } catch (error) {
      request.signal.throwIfAborted();
      throw new Unreachable(request.url, reasonOf(error), { cause: error });
    } finally {
      clear();
    }
  };
}
