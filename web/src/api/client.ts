/** Calls of the API, typed by its route table: a path or method that is not there does not compile. No rule of the product lives here. */
import type { z } from "zod";
import type { Problem } from "../../../src/contract/problem.ts";
import type { Route, RouteId, ROUTES } from "../../../src/contract/routes.ts";
import { connection } from "./connection.ts";
import { session } from "../session.ts";

type Table = typeof ROUTES;
type JsonRoute = { [Id in RouteId]: Table[Id]["answer"] extends { readonly kind: "json" } ? Id : never }[RouteId];
type Answer<Id extends RouteId> = Table[Id]["answer"] extends { readonly kind: "json"; readonly schema: infer Schema extends z.ZodType }
  ? z.output<Schema>
  : never;
type JsonBody<Id extends RouteId> = Table[Id]["body"] extends { readonly kind: "json"; readonly schema: infer Schema extends z.ZodType }
  ? z.input<Schema>
  : never;
type Query<Id extends RouteId> = { readonly [name in keyof Table[Id]["query"]["shape"]]?: string | number | readonly string[] | undefined };

export type CallOptions<Id extends RouteId> = {
  readonly path?: { readonly [name: string]: string };
  readonly query?: Query<Id>;
  readonly json?: JsonBody<Id>;
  readonly yaml?: string;
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal | undefined;
  /** Instead of the session's, to try one. */
  readonly token?: string;
};

/** The API said no. */
export class ApiError extends Error {
  readonly problem: Problem;
  readonly retryAfterS: number | null;
  constructor(problem: Problem, retryAfterS: number | null) {
    super(problem.detail);
    this.problem = problem;
    this.retryAfterS = retryAfterS;
  }
}

/** No answer came: the network or the server is away. */
export class Unreachable extends Error {}

export async function call<Id extends JsonRoute>(
  id: Id,
  method: NoInfer<Table[Id]["method"]>,
  path: NoInfer<Table[Id]["path"]>,
  options: CallOptions<NoInfer<Id>> = {},
): Promise<Answer<Id>> {
  const answer = await send(id, method, path, options);
  return (await answer.json()) as Answer<Id>;
}

/** The same for an answer that is text or empty; the caller reads it. Throws ApiError for every problem, Unreachable for none. */
export async function send<Id extends RouteId>(
  _id: Id,
  method: NoInfer<Route["method"] & Table[Id]["method"]>,
  path: NoInfer<Table[Id]["path"]>,
  options: CallOptions<NoInfer<Id>> & { readonly headers?: { readonly [name: string]: string } } = {},
): Promise<Response> {
  const token = options.token ?? session.token();
  const body = options.yaml ?? (options.json === undefined ? null : JSON.stringify(options.json));
  const headers: { [name: string]: string } = { ...options.headers };
  if (token !== null) headers["Authorization"] = `Bearer ${token}`;
  if (options.yaml !== undefined) headers["Content-Type"] = "application/yaml";
  else if (body !== null) headers["Content-Type"] = "application/json";
  if (options.idempotencyKey !== undefined) headers["Idempotency-Key"] = options.idempotencyKey;
  const answer = await fetchAnswer(addressOf(path, options.path, options.query), {
    method,
    headers,
    body,
    cache: "no-store",
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  if (answer.ok) return answer;
  const problem = await problemOf(answer);
  // A token that was never the session's says nothing of the session.
  if (answer.status === 401 && options.token === undefined) session.end("ended");
  if (problem.code === "user_disabled" && options.token === undefined) session.end("disabled");
  throw new ApiError(problem, Number(answer.headers.get("Retry-After")) || null);
}

async function fetchAnswer(url: string, init: RequestInit): Promise<Response> {
  try {
    const answer = await fetch(url, init);
    connection.answered();
    return answer;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    connection.failed();
    throw new Unreachable("the server does not answer", { cause: error });
  }
}

async function problemOf(answer: Response): Promise<Problem> {
  try {
    return (await answer.json()) as Problem;
  } catch {
    // A proxy's own page, not ours.
    return {
      type: "about:blank#internal",
      title: answer.statusText,
      status: answer.status,
      detail: `HTTP ${answer.status}`,
      code: "internal",
    };
  }
}

export function addressOf(
  path: string,
  parts: { readonly [name: string]: string } = {},
  query: { readonly [name: string]: string | number | readonly string[] | undefined } = {},
): string {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => (parts[name] ?? "").split("/").map(encodeURIComponent).join("/"));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === "") continue;
    for (const one of typeof value === "object" ? value : [value]) search.append(name, String(one));
  }
  const text = search.toString();
  return text === "" ? filled : `${filled}?${text}`;
}
