/** The HTTP server: one pass over the route table. Auth, limits, validation and problem details are the same for every route. */
import type { IncomingMessage, ServerResponse } from "node:http";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifyServerOptions } from "fastify";
import type { z } from "zod";
import { parameterProblems, type Place } from "../contract/parameter-problems.ts";
import { problem } from "../contract/problem.ts";
import { isBodyOptional, MAX_SPEC_BYTES, type Route, type RouteId, ROUTES, TASKSPEC_CONTENT_TYPES } from "../contract/routes.ts";
import { AppError } from "../domain/app-error.ts";
import type { Principal } from "../domain/types.ts";
import { type Admit, admission } from "./admission.ts";
import { catalogRoutes } from "./catalog-routes.ts";
import { artifactRoutes } from "./artifact-routes.ts";
import { auditRoutes } from "./audit-routes.ts";
import type { Answer, RouteFunctions } from "./call.ts";
import {
  type AnswerHeaders,
  answerHeaders,
  clientErrorAnswer,
  CONNECTION_LIMITS,
  type ConnectionLimits,
  headerProblem,
} from "./connection.ts";
import { keepRoom } from "./connection-room.ts";
import { curveRoutes } from "./curve-routes.ts";
import type { HttpDeps } from "./deps.ts";
import { eventStreams, type SendEvents } from "./event-stream.ts";
import { logRoutes } from "./log-routes.ts";
import { againRoutes } from "./again-routes.ts";
import { nodeRoutes } from "./node-routes.ts";
import { operatorRoutes } from "./operator-routes.ts";
import { registerPage } from "./page-routes.ts";
import { poolRoutes } from "./pool-routes.ts";
import { adminRequired } from "./refusal-log.ts";
import { refusalFor, sendRefusal } from "./problem-reply.ts";
import { parseJsonBody } from "./json-body.ts";
import { streamRoutes } from "./stream-routes.ts";
import { sourceAddress } from "./source-address.ts";
import { singleHeader } from "./single-header.ts";
import { taskRoutes } from "./task-routes.ts";
import { MIN_TLS_VERSION, type TlsIdentity } from "./tls-identity.ts";
import { usageRoutes } from "./usage-routes.ts";
import { userRoutes } from "./user-routes.ts";
import { whyRoutes } from "./why-routes.ts";

type AnyRouteFunction = (call: {
  principal: Principal;
  params: { readonly [name: string]: string };
  query: unknown;
  body: unknown;
  header: (name: string) => string | undefined;
  from: string | null;
  requestId: string;
  signal: AbortSignal;
}) => Promise<Answer>;

/** `tls` null = plain HTTP. */
export function createApp(deps: HttpDeps, limits: ConnectionLimits = CONNECTION_LIMITS, tls: TlsIdentity | null = null): FastifyInstance {
  const headers = answerHeaders(tls !== null);
  const node = {
    headersTimeout: limits.headersMs,
    maxHeaderSize: limits.headerBytes,
    connectionsCheckingInterval: limits.checkEveryMs,
    requireHostHeader: false,
  };
  const options: FastifyServerOptions = {
    bodyLimit: MAX_SPEC_BYTES,
    requestTimeout: limits.requestMs,
    connectionTimeout: limits.stalledMs,
    keepAliveTimeout: limits.keepAliveMs,
    exposeHeadRoutes: false,
    trustProxy: false,
    requestIdHeader: false,
    genReqId: () => deps.ids.hex(8),
    // Any id that fits the header fields reaches its route: whether it exists is the route's to say, after the token was looked at.
    routerOptions: { maxParamLength: limits.headerBytes },
    clientErrorHandler: clientErrorAnswer(headers, () => deps.ids.hex(8), deps.log),
    frameworkErrors: (error, request, reply) => {
      void reply.headers(headers).header("X-Request-Id", request.id);
      void sendRefusal(reply, refusalFor(error, request.id));
    },
    forceCloseConnections: true,
  };
  // Over TLS only the server's type differs, by methods that nothing here calls.
  const transport =
    tls === null ? { http: node } : { https: { ...node, ...tls, minVersion: MIN_TLS_VERSION, handshakeTimeout: limits.headersMs } };
  const app: FastifyInstance = fastify({ ...options, ...transport });
  boundServer(app, limits, deps.meters.connectionClosed);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.addContentTypeParser([...TASKSPEC_CONTENT_TYPES], { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  addHooks(app, deps, headers);
  const functions: RouteFunctions = {
    ...userRoutes(deps),
    ...taskRoutes(deps),
    ...logRoutes(deps),
    ...curveRoutes(deps),
    ...whyRoutes(deps),
    ...poolRoutes(deps),
    ...nodeRoutes(deps),
    ...artifactRoutes(deps),
    ...catalogRoutes(deps),
    ...againRoutes(deps),
    ...operatorRoutes(deps),
    ...usageRoutes(deps),
    ...auditRoutes(deps),
    ...streamRoutes(deps),
  };
  const common: Common = {
    admit: admission(deps),
    sendEvents: eventStreams(deps, limits.stalledMs),
    adminRequired: (request, principal) => adminRequired(deps.log, request, principal),
  };
  for (const [id, route] of Object.entries(ROUTES) as [RouteId, Route][]) register(app, common, route, functions[id] as AnyRouteFunction);
  registerPage(app, deps.page, common.admit);
  return app;
}

function boundServer(app: FastifyInstance, limits: ConnectionLimits, closed: () => void): void {
  const { server } = app;
  // Node drops header fields over this number unseen, a second Host or Authorization among them; `headerBytes` is bound enough.
  server.maxHeadersCount = 0;
  keepRoom(server, limits, closed);
  // The body is asked for only once its sender may send it; what else a client expects is his own matter (RFC 9110, 10.1.1).
  const answer = (request: IncomingMessage, response: ServerResponse): void => void server.emit("request", request, response);
  server.on("checkContinue", answer).on("checkExpectation", answer);
}

function addHooks(app: FastifyInstance, deps: HttpDeps, headers: AnswerHeaders): void {
  app.addHook("onRequest", (request, reply, done) => {
    void reply.headers(headers).header("X-Request-Id", request.id);
    // Before a body is read: what can't be sent here is no matter of its type or size.
    if (request.is404) void refuseUnknown(request, reply);
    else done(headerProblem(request.raw) ?? undefined);
  });
  app.addHook("onResponse", (request, reply, done) => {
    const route = request.routeOptions.url ?? "unknown";
    deps.meters.http(route, reply.statusCode, reply.elapsedTime / 1000);
    deps.log.debug(
      { request_id: request.id, method: request.method, route, status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      "request",
    );
    done();
  });
  app.setErrorHandler((error, request, reply) => {
    const refusal = refusalFor(error, request.id);
    if (refusal.unexpected)
      deps.log.error(
        { request_id: request.id, error: String(error), stack: error instanceof Error ? error.stack : undefined },
        "a request failed",
      );
    return sendRefusal(reply, refusal);
  });
}

function refuseUnknown(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const allowed = allowedMethods(request.url.split("?")[0] ?? "");
  // An id that no route takes, such as one with an encoded colon before `:cancel`, is not the method's fault.
  if (allowed.length === 0 || allowed.includes(request.method)) {
    const body = problem("not_found", "no such route; GET /openapi.json lists them");
    return sendRefusal(reply, { body, headers: {}, unexpected: false });
  }
  const headers = { Allow: allowed.join(", ") };
  const body = problem("method_not_allowed", `${request.method} is not possible here; ${headers.Allow} is`);
  return sendRefusal(reply, { body, headers, unexpected: false });
}

/** `{task_id}:cancel` of the table as the router spells it: a parameter up to the colon, then a literal colon; `{path}` at the end takes the rest. */
export function routerPath(path: string): string {
  return path
    .replaceAll(":", "::")
    .replace(/\{path\}$/, "*")
    .replaceAll(/\{(\w+)\}(?=::)/g, ":$1(^[^:/]+)")
    .replaceAll(/\{(\w+)\}/g, ":$1");
}

function allowedMethods(path: string): string[] {
  const routes: Route[] = Object.values(ROUTES);
  return routes
    .filter((route) =>
      new RegExp(
        `^${route.path
          .replaceAll(".", "\\.")
          .replace(/\{path\}$/, ".+")
          .replaceAll(/\{\w+\}/g, "[^/:]+")}$`,
      ).test(path),
    )
    .map((route) => route.method);
}

/** The same for every route. */
type Common = {
  readonly admit: Admit;
  readonly sendEvents: SendEvents;
  readonly adminRequired: (request: FastifyRequest, principal: Principal) => AppError;
};

function register(app: FastifyInstance, common: Common, route: Route, run: AnyRouteFunction): void {
  const needsNoBody = route.body === null || isBodyOptional(route);
  const callers = new WeakMap<FastifyRequest, { readonly principal: Principal; readonly from: string | null }>();
  app.route({
    method: route.method,
    url: routerPath(route.path),
    onRequest: async (request, reply) => {
      // Asked for before anything is waited for: a socket that was closed since has no address.
      const from = sourceAddress(request);
      callers.set(request, { principal: await common.admit(route, request), from });
      // `curl -d ''` and form libraries name a type for no body at all.
      if (needsNoBody && request.headers["content-length"] === "0") delete request.headers["content-type"];
      if (/^100-continue$/i.test(request.headers.expect ?? "")) reply.raw.writeContinue();
    },
    handler: async (request, reply) => {
      const caller = callers.get(request);
      if (caller === undefined) throw new Error(`${route.path} was reached without admission`);
      const { principal, from } = caller;
      if (namesUser(route, request.query) && principal.kind !== "admin") throw common.adminRequired(request, principal);
      const query = parseQuery(route, request.query);
      const body = parseBody(route, request);
      const gone = new AbortController();
      reply.raw.once("close", () => gone.abort());
      const answer = await run({
        principal,
        params: request.params as { [name: string]: string },
        query,
        body,
        header: (name) => singleHeader(request, name),
        from,
        requestId: request.id,
        signal: gone.signal,
      });
      return send(common, principal, request, reply, answer, route.status);
    },
  });
}

/** The admin alone may say for whom, and nobody else not even for himself. */
function namesUser(route: Route, query: unknown): boolean {
  return Object.hasOwn(query as object, "user") && Object.hasOwn(route.query.shape, "user");
}

function parseQuery(route: Route, query: unknown): unknown {
  return checked(route.query, query, "parameter");
}

function parseBody(route: Route, request: FastifyRequest): unknown {
  const bytes = request.body as Buffer | undefined;
  const isJson = /^application\/json\b/i.test(request.headers["content-type"] ?? "");
  if (route.body === null) {
    if (bytes !== undefined && bytes.length > 0 && !(isJson && bytes.toString().trim() === "{}"))
      throw new AppError("bad_parameter", "this call takes no body");
    return null;
  }
  if (route.body.kind === "yaml") {
    if (isJson || bytes === undefined) throw unsupported("send the TaskSpec as Content-Type: application/yaml");
    return bytes;
  }
  const { schema } = route.body;
  if ((bytes === undefined || bytes.length === 0) && isBodyOptional(route)) return checked(schema, {}, "field");
  if (!isJson || bytes === undefined) throw unsupported("send the body as Content-Type: application/json");
  return checked(schema, parseJsonBody(bytes), "field");
}

function checked(schema: z.ZodType, value: unknown, place: Place): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { detail, fields } = parameterProblems(schema, value, place);
  throw new AppError("bad_parameter", detail, { fields });
}

function unsupported(detail: string): AppError {
  return new AppError("unsupported_media_type", detail);
}

async function send(
  common: Common,
  principal: Principal,
  request: FastifyRequest,
  reply: FastifyReply,
  answer: Answer,
  status: number,
): Promise<FastifyReply> {
  void reply.code(answer.status ?? status).headers(answer.headers ?? {});
  switch (answer.body.kind) {
    case "none":
      return reply.send();
    case "json":
      return reply.header("Content-Type", "application/json; charset=utf-8").send(JSON.stringify(answer.body.value));
    case "raw":
      return reply
        .header("Content-Type", answer.body.type)
        .send(typeof answer.body.bytes === "string" ? answer.body.bytes : Buffer.from(answer.body.bytes));
    case "sse":
      return common.sendEvents(request, reply, principal, answer.body.events);
  }
}
