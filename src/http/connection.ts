/** What holds for every connection and every answer, whatever the route: limits, headers, and the answer to bytes that are no HTTP request. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { problem, type ProblemCode } from "../contract/problem.ts";
import { AppError } from "../domain/app-error.ts";

export type ConnectionLimits = {
  /** Until a request's header fields are there, and until its body is there too. */
  readonly headersMs: number;
  readonly requestMs: number;
  /** Node looks at both only so often; its own 30 s would make 40 s of the 10. */
  readonly checkEveryMs: number;
  readonly keepAliveMs: number;
  readonly headerBytes: number;
};

export const CONNECTION_LIMITS: ConnectionLimits = {
  headersMs: 10_000,
  requestMs: 15_000,
  checkEveryMs: 1_000,
  keepAliveMs: 5_000,
  headerBytes: 16_384,
};

export const SECURITY_HEADERS = {
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
} as const;

/** A second one of these is how a proxy and a server are made to read one request differently. */
const ONCE: ReadonlySet<string> = new Set(["host", "content-type", "content-encoding"]);

/** Null, or why the header fields of a request are refused before anything else is looked at. */
export function headerProblem(request: IncomingMessage): AppError | null {
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
export function answerClientError(error: Error & { readonly code?: string }, socket: Socket): void {
  const isAnswering = (socket as AnsweringSocket)._httpMessage?.headersSent === true;
  if (error.code === "ECONNRESET" || !socket.writable || isAnswering) {
    socket.destroy();
    return;
  }
  const answer = problem(...(CLIENT_PROBLEMS[error.code ?? ""] ?? (["bad_request", "this is no HTTP/1.1 request"] as const)));
  const body = JSON.stringify(answer);
  const head = [
    `HTTP/1.1 ${answer.status} ${answer.title}`,
    "Connection: close",
    "Content-Type: application/problem+json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...Object.entries(SECURITY_HEADERS).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}
