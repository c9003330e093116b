/** The OpenAPI 3.1 document, made from the route table; nothing is written by hand twice. */
import { z } from "zod";
import { Problem, PROBLEMS, type ProblemCode } from "./problem.ts";
import { isBodyOptional, ROUTES, type Route, TASKSPEC_CONTENT_TYPES } from "./routes.ts";

type Json = { [key: string]: unknown };

const ALWAYS: readonly ProblemCode[] = ["bad_parameter", "bad_request", "rate_limited", "internal", "database_unavailable"];
const WITH_TOKEN: readonly ProblemCode[] = ["missing_token", "invalid_token", "user_disabled", "scope_required"];

function errorCodes(route: Route): readonly ProblemCode[] {
  const codes: ProblemCode[] = [...ALWAYS, ...route.errors];
  if (route.access !== "open") codes.push(...WITH_TOKEN);
  if (route.access === "admin") codes.push("admin_required");
  if (Object.hasOwn(route.query.shape, "user")) codes.push("admin_required", "not_found");
  if (route.path.includes("{task_id}")) codes.push("task_not_found");
  else if (route.path.includes("{")) codes.push("not_found");
  if (route.body?.kind === "json") codes.push("too_large", "unsupported_media_type");
  return codes;
}

function toSchema(schema: z.ZodType, io: "input" | "output"): Json {
  const made = z.toJSONSchema(schema, { io }) as Json;
  delete made["$schema"];
  return made;
}

/** Named shapes are lifted into components, so that the document reads like the docs. */
function lift(schema: Json, components: Json): Json {
  const defs = schema["$defs"] as Json | undefined;
  if (defs !== undefined) {
    for (const [name, def] of Object.entries(defs)) {
      const { id: _, ...body } = def as Json;
      components[name] ??= rewriteRefs(body);
    }
    delete schema["$defs"];
  }
  const { id, ...body } = schema;
  if (typeof id !== "string") return rewriteRefs(body) as Json;
  components[id] ??= rewriteRefs(body);
  return { $ref: `#/components/schemas/${id}` };
}

function rewriteRefs(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(rewriteRefs);
  if (value === null || typeof value !== "object") return value;
  const out: Json = {};
  for (const [key, inner] of Object.entries(value)) {
    out[key] = key === "$ref" && typeof inner === "string" ? inner.replace(/^#\/\$defs\//, "#/components/schemas/") : rewriteRefs(inner);
  }
  return out;
}

const MAKES_A_TASK: readonly Route[] = [ROUTES.createTask, ROUTES.retryTask];

function parameters(route: Route, components: Json): Json[] {
  const path = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: "path", required: true, schema: { type: "string" } }));
  const query = Object.entries(route.query.shape).map(([name, schema]) => {
    const { description, ...body } = lift(toSchema(schema as z.ZodType, "input"), components);
    return { name, in: "query", required: false, schema: body, ...(description === undefined ? {} : { description }) };
  });
  const key = {
    name: "Idempotency-Key",
    in: "header",
    required: false,
    schema: { type: "string", minLength: 1, maxLength: 255, pattern: "^[\\x20-\\x7e]+$" },
  };
  return [...path, ...query, ...(MAKES_A_TASK.some(({ path, method }) => path === route.path && method === route.method) ? [key] : [])];
}

function responses(route: Route, components: Json): Json {
  const out: Json = {};
  const { answer } = route;
  const content: Json =
    answer.kind === "json"
      ? { "application/json": { schema: lift(toSchema(answer.schema, "output"), components) } }
      : answer.kind === "none"
        ? {}
        : answer.kind === "bytes"
          ? { "application/octet-stream": {} }
          : {
              "text/plain": { schema: { type: "string" } },
              ...(answer.kind === "sse-or-text"
                ? {
                    // No schema: OpenAPI 3.1 has no word for one event of a stream.
                    "text/event-stream": {},
                  }
                : {}),
            };
  out[String(route.status)] = { description: route.summary, ...(answer.kind === "none" ? {} : { content }) };
  const byStatus = Map.groupBy(new Set(errorCodes(route)), (code) => PROBLEMS[code].status);
  for (const [status, codes] of [...byStatus].toSorted(([a], [b]) => a - b)) {
    out[String(status)] = {
      description: [...codes].join(", "),
      content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
    };
  }
  if (route.path === "/readyz") out["503"] = { description: "not ready", content };
  return out;
}

function operation(id: string, route: Route, components: Json): Json {
  const { body } = route;
  const requestBody =
    body === null
      ? undefined
      : body.kind === "json"
        ? {
            required: !isBodyOptional(route),
            content: { "application/json": { schema: lift(toSchema(body.schema, "input"), components) } },
          }
        : { required: true, content: Object.fromEntries(TASKSPEC_CONTENT_TYPES.map((type) => [type, { schema: { type: "string" } }])) };
  return {
    operationId: id,
    summary: route.summary,
    parameters: parameters(route, components),
    ...(requestBody === undefined ? {} : { requestBody }),
    responses: responses(route, components),
    security: route.access === "open" ? [] : [{ bearer: [] }],
  };
}

export function openApiDocument(version: string): Json {
  const components: Json = {};
  lift(toSchema(Problem, "output"), components);
  const paths: { [path: string]: Json } = {};
  for (const [id, route] of Object.entries(ROUTES))
    (paths[route.path] ??= {})[route.method.toLowerCase()] = operation(id, route, components);
  return {
    openapi: "3.1.0",
    info: { title: "verlpool", version, description: "Queue, run and follow verl post-training tasks on a Ray pool." },
    paths,
    components: { schemas: components, securitySchemes: { bearer: { type: "http", scheme: "bearer" } } },
  };
}
