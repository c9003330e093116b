/** What holds for every connection and every answer, whatever the route: limits, headers, and the answer to bytes that are no HTTP request. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { problem, type ProblemCode } from "../contract/problem.ts";
import type { Log } from "../control/ports.ts";
import { AppError } from "../domain/app-error.ts";

export type ConnectionLimits = {
  /** Until a request's header fields are there, and until its body is there too. */
  readonly headersMs: number;
  readonly requestMs: number;
  /** Node looks at both only so often; its own 30 s would make 40 s of the 10. */
  readonly checkEveryMs: number;
  readonly keepAliveMs: number;
  readonly headerBytes: number;
  /** A client that takes nothing of its answer for so long is cut off. */
  readonly stalledMs: number;
  /** Open connections: of one address that wait for a request, and of all. */
  readonly waitingOfOneAddress: number;
  readonly connections: number;
};

export const CONNECTION_LIMITS: ConnectionLimits = {
  headersMs: 10_000,
  requestMs: 15_000,
  checkEveryMs: 1_000,
  keepAliveMs: 5_000,
  headerBytes: 16_384,
  stalledMs: 60_000,
  waitingOfOneAddress: 1_000,
  connections: 3_000,
};

const SECURITY_HEADERS = {
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
} as const;

/** Only where there is TLS (RFC 6797, 7.2); a year. */
const TLS_HEADERS = { "Strict-Transport-Security": "max-age=31536000" } as const;

export type AnswerHeaders = { readonly [name: string]: string };

export function answerHeaders(overTls: boolean): AnswerHeaders {
  return overTls ? { ...SECURITY_HEADERS, ...TLS_HEADERS } : SECURITY_HEADERS;
}

/** A second one of these is how a proxy and a server are made to read one request differently. */
const ONCE: ReadonlySet<string> = new Set(["host", "content-type", "content-encoding"]);

/** Null, or why the header fields of a request are refused before anything else is looked at. */
export function headerProblem(request: IncomingMessage): AppError | null {
  const { httpVersion: version } = request;
  if (version !== "1.1" && version !== "1.0") return new AppError("bad_parameter", `HTTP/${version} is not spoken here; send HTTP/1.1`);
  // Node's own answer to this would have no body (`requireHostHeader`).
  if (request.headers.host === undefined && version === "1.1") return new AppError("bad_parameter", "the header host is missing");
  const seen = new Set<string>();
  for (const [index, text] of request.rawHeaders.entries()) {
    const name = text.toLowerCase();
    if (index % 2 === 1 || !ONCE.has(name)) continue;
    if (seen.has(name)) return new AppError("bad_parameter", `the header ${name} is given twice`);
    seen.add(name);
  }
  const encoding = request.headers["content-encoding"] ?? "identity";
  if (encoding.toLowerCase() === "identity") return null;
  return new AppError("unsupported_media_type", "send the body as it is, without Content-Encoding");
}

/** By the codes of Node and its parser (nodejs.org/api/http.html, event `clientError`). */
const CLIENT_PROBLEMS: { readonly [code: string]: readonly [ProblemCode, string] } = {
  ERR_HTTP_REQUEST_TIMEOUT: ["request_timeout", "the request did not arrive in time"],
  HPE_HEADER_OVERFLOW: ["headers_too_large", "the header fields are too large"],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ["too_large", "the extensions of a chunk are too large"],
};

type AnsweringSocket = Socket & { readonly _httpMessage?: ServerResponse | null };

/** For Node's `clientError`: a problem document, then the end of the connection, whose bytes mean nothing any more. */
export function clientErrorAnswer(headers: AnswerHeaders, newId: () => string, log: Log) {
  return (error: Error & { readonly code?: string }, socket: Socket): void => {
    const isAnswering = (socket as AnsweringSocket)._httpMessage?.headersSent === true;
    if (error.code === "ECONNRESET" || isTlsFailure(error) || !socket.writable || isAnswering) {
      socket.destroy();
      return;
    }
    const answer = problem(...(CLIENT_PROBLEMS[error.code ?? ""] ?? (["bad_request", "this is no HTTP/1.1 request"] as const)));
    const id = newId();
    log.debug({ request_id: id, status: answer.status, from: socket.remoteAddress, code: error.code }, "no request could be read");
    const body = JSON.stringify(answer);
    const head = [
      `HTTP/1.1 ${answer.status} ${answer.title}`,
      "Connection: close",
      "Content-Type: application/problem+json; charset=utf-8",
      `Content-Length: ${Buffer.byteLength(body)}`,
      `X-Request-Id: ${id}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ];
    socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
  };
}

/** Before there is a secure connection nothing can be said on it: a request in clear, a version or a cipher that is too old. */
function isTlsFailure(error: Error & { readonly code?: string }): boolean {
  return error.code?.startsWith("ERR_SSL_") === true || error.code?.startsWith("ERR_TLS_") === true;
}
