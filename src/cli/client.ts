/** Calls by the name of a route: path, query and body from the one table, answers checked by its shapes. */
import type { z } from "zod";
import { ROUTES, type Route, type RouteId } from "../contract/routes.ts";
import type { JsonAnswers } from "./answers.ts";
import type { Where } from "./context.ts";
import { type ApiError, apiError, CliError, EXIT, isProblem, parseJson } from "./problem-error.ts";
import type { HttpAnswer, HttpTransport } from "./transport.ts";
import { visible } from "./visible.ts";

type QueryValue = string | number | readonly string[] | null | undefined;

export type CallInput = {
  readonly path?: { readonly [name: string]: string };
  /** null and undefined are left out; an array repeats the parameter. */
  readonly query?: { readonly [name: string]: QueryValue };
  readonly json?: unknown;
  readonly yaml?: Uint8Array;
  readonly headers?: { readonly [name: string]: string };
  /** What the call is about, in the user's words; stands in the error message. */
  readonly about?: string;
  readonly signal?: AbortSignal;
};

export type Answer<T> = {
  readonly value: T;
  /** The API's object as it came, fields of newer servers included: what --json prints. */
  readonly raw: unknown;
  readonly header: (name: string) => string | null;
};

export type Api = {
  readonly where: Where;
  readonly call: <Id extends keyof JsonAnswers>(id: Id, input?: CallInput) => Promise<Answer<JsonAnswers[Id]>>;
  readonly bytes: (
    id: RouteId,
    input: CallInput,
  ) => Promise<{ readonly bytes: Uint8Array; readonly header: (name: string) => string | null }>;
  /** The answer with its body still to be read; only for success. */
  readonly open: (id: RouteId, input: CallInput) => Promise<HttpAnswer>;
};

/** `:plan`, `:cancel` stay as they are; what the caller filled in is encoded, so no id can leave its segment; `{path}` keeps its slashes. */
export function fillPath(template: string, values: { readonly [name: string]: string }): string {
  const encoded = (name: string): string =>
    name === "path" ? (values[name] ?? "").split("/").map(encodeURIComponent).join("/") : encodeURIComponent(values[name] ?? "");
  return template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encoded(name));
}

export function queryText(query: { readonly [name: string]: QueryValue }): string {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined) continue;
    for (const one of typeof value === "object" ? value : [value]) out.append(name, String(one));
  }
  const text = out.toString();
  return text === "" ? "" : `?${text}`;
}

/**
 * A newer server may know a state or a code that this client does not: such a value passes as the text it is, and every view shows it as text.
 * Anything else that does not fit is an error.
 */
function read(schema: z.ZodType, raw: unknown, url: string): unknown {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  if (parsed.error.issues.every((issue) => issue.code === "invalid_value")) return raw;
  const [first] = parsed.error.issues;
  throw new CliError(
    "not_understood",
    `the answer of ${visible(url)} is not what this version expects: ${visible(first?.path.join(".") ?? "")}: ${visible(first?.message ?? "")}`,
    EXIT.error,
    ["is it a verlpool server, and not much older or newer than this client (verlpool --version)?"],
  );
}

const TIMEOUT_MS = 30_000;
/** The server sends a comment every 15 s on a stream. */
const IDLE_MS = 45_000;
const NEVER = new AbortController().signal;

async function collect(answer: HttpAnswer): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of answer.body) parts.push(part);
  return Buffer.concat(parts);
}

/** Waits for as long as the server asked; says so. */
export type Pause = (error: ApiError, first: boolean, signal: AbortSignal) => Promise<void>;

const MOST_PAUSES = 5;
const LONGEST_PAUSE_MS = 10_000;

/** Nothing was done, and it will be soon. A call with a key of its own is sent again by who made the key. */
function isWorthAPause(error: unknown, input: CallInput): error is ApiError {
  return (
    isProblem(error, "rate_limited") &&
    error.retryAfterMs !== null &&
    error.retryAfterMs <= LONGEST_PAUSE_MS &&
    input.headers?.["idempotency-key"] === undefined
  );
}

/** With `pause` a call over the rate limit is tried again a few times; without, it fails at once. */
export function apiClient(where: Where, request: HttpTransport, version: string, pause: Pause | null = null): Api {
  const send = async (id: RouteId, input: CallInput): Promise<HttpAnswer> => {
    for (let pauses = 0; ; pauses += 1) {
      try {
        return await sendOnce(id, input);
      } catch (error) {
        if (pause === null || pauses >= MOST_PAUSES || !isWorthAPause(error, input)) throw error;
        await pause(error, pauses === 0, input.signal ?? NEVER);
      }
    }
  };
  const sendOnce = async (id: RouteId, input: CallInput): Promise<HttpAnswer> => {
    const route: Route = ROUTES[id];
    const url = `${where.url}${fillPath(route.path, input.path ?? {})}${queryText(input.query ?? {})}`;
    const body = input.yaml ?? (input.json === undefined ? null : JSON.stringify(input.json));
    const type = input.yaml === undefined ? "application/json" : "application/yaml";
    const answer = await request({
      method: route.method,
      url,
      headers: {
        authorization: `Bearer ${where.token}`,
        "user-agent": `verlpool/${version}`,
        accept: "application/json, */*;q=0.5",
        ...(body === null ? {} : { "content-type": type }),
        ...input.headers,
      },
      body,
      timeoutMs: TIMEOUT_MS,
      idleMs: IDLE_MS,
      signal: input.signal ?? NEVER,
      trust: where.trust,
    });
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw apiError(answer.status, new TextDecoder().decode(await collect(answer)), answer.header, input.about ?? null);
  };
  return {
    where,
    call: async (id, input = {}) => {
      const answer = await send(id, input);
      const bytes = await collect(answer);
      const route: Route = ROUTES[id];
      type Value = JsonAnswers[typeof id];
      if (route.answer.kind !== "json") return { value: null as Value, raw: null, header: answer.header };
      const raw = parseJson(new TextDecoder().decode(bytes));
      return { value: read(route.answer.schema, raw, where.url) as Value, raw, header: answer.header };
    },
    bytes: async (id, input) => {
      const answer = await send(id, input);
      return { bytes: await collect(answer), header: answer.header };
    },
    open: send,
  };
}
