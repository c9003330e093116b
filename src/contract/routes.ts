/**
 * The one table of routes: the server registers it, the OpenAPI document is made from it, the client calls by its names.
 * A new route is one entry here plus its function in http/; nothing else knows a path.
 */
import { z } from "zod";
import { AUDIT_ACTIONS } from "../domain/audit.ts";
import { MAX_PATTERN_CHARS } from "../domain/line-pattern.ts";
import type { ProblemCode } from "./problem.ts";
import { ArtifactsWire, ExportWire } from "./artifacts.ts";
import { CatalogWire } from "./catalog.ts";
import { PlanWire } from "./plan.ts";
import { CurvesWire, WhyWire } from "./insight.ts";
import { NodesWire, NodeWire } from "./nodes.ts";
import { ReadyWire } from "./ready.ts";
import * as r from "./resources.ts";

/** open: nobody is asked; any: any valid token (also scope metrics); user: a user's or the admin's; admin: the admin only. */
export type Access = "open" | "any" | "user" | "admin";

export type Route = {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** OpenAPI form; `{task_id}:verb` is a custom method of the resource. */
  readonly path: string;
  readonly access: Access;
  readonly summary: string;
  readonly query: z.ZodObject;
  readonly body: { readonly kind: "json"; readonly schema: z.ZodType } | { readonly kind: "yaml" } | null;
  readonly status: 200 | 201 | 204;
  readonly answer: { readonly kind: "json"; readonly schema: z.ZodType } | { readonly kind: "text" | "bytes" | "sse-or-text" | "none" };
  /** Beyond what every route may answer (bad_parameter, 401, 403, 404, 429, 5xx). */
  readonly errors: readonly ProblemCode[];
};

const json = <Schema extends z.ZodType>(schema: Schema) => ({ kind: "json", schema }) as const;
const none = z.strictObject({});
/** A query parameter that is a number, written as people write one: not empty, no blanks, no 0x10, no 1e1. */
const numeric = <Schema extends z.ZodType>(form: RegExp, schema: Schema) =>
  z.preprocess((text) => (typeof text === "string" && form.test(text) ? Number(text) : text), schema);
const whole = (min: number, max: number = Number.MAX_SAFE_INTEGER) => numeric(/^-?\d{1,16}$/, z.int().min(min).max(max));

const limit = whole(1, 200).default(50).meta({ description: "Rows a page", default: 50 });
const cursor = z.string().max(512).optional().meta({ description: "next_cursor of the page before" });
const label = z
  .union([z.string(), z.array(z.string())])
  .optional()
  .meta({ description: "k=v, repeatable" });
const userParameter = z.string().optional().meta({ description: "Admin only: on behalf of, or only of, this user" });

/** Seconds, to the millisecond, at most a year. */
const seconds = numeric(/^\d{1,8}(\.\d{1,3})?$/, z.number().min(0.001).max(31_536_000));

const flag = z.enum(["true", "false"]).optional();
const timeLimits = { deadline: z.iso.datetime({ offset: true }).optional(), max_runtime_s: seconds.optional() };

const Submission = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(128)
    .regex(/^[\x20-\x7e]+$/, "must be printable ASCII")
    .optional(),
  profile: z.string().max(128).optional(),
  priority: whole(-100, 100).optional().meta({ description: "Bigger = sooner; default 0" }),
  label,
  ...timeLimits,
  user: userParameter,
});
export type Submission = z.infer<typeof Submission>;

/** Any script, but no control characters and no half of a surrogate pair, which no database keeps. */
const personName = z
  .string()
  .min(1)
  .max(128)
  // oxlint-disable-next-line no-control-regex
  .regex(/^[^\u0000-\u001f\u007f-\u009f\ud800-\udfff]+$/u, "must hold no control characters");
const CreateUser = z.strictObject({ user_id: z.string().max(128), display_name: personName.nullable().optional() });
const CreateToken = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[\x20-\x7e]+$/, "must be printable ASCII"),
  scope: r.TokenScopeWire.optional(),
  expires_at: z.iso.datetime({ offset: true }).nullable().optional(),
});
/** A week: long enough to bring the new token to every machine, short enough to be an end. */
const MAX_OVERLAP_S = 7 * 86_400;
const RotateToken = z.strictObject({
  overlap_s: z
    .int()
    .min(0)
    .max(MAX_OVERLAP_S, "must be at most 604800, 7 days")
    .default(0)
    .meta({ description: "How long the old token stays valid", default: 0 }),
  expires_at: z.iso
    .datetime({ offset: true })
    .nullable()
    .optional()
    .meta({ description: "Of the new token; null = never; absent = as long a life as the old one was given, from now on" }),
});
/** Beyond these a number is a mistake. A limit a minute is counted by so many entries of an index with each submission. */
const SetLimits = z.strictObject({
  max_queued: z.int().min(0).max(1_000_000).nullable().optional(),
  max_running: z.int().min(0).max(100_000).nullable().optional(),
  max_gpus: z.int().min(0).max(1_000_000).nullable().optional(),
  submits_per_minute: z.int().min(0).max(10_000).nullable().optional(),
  max_storage_gib: z.number().min(0).max(1_000_000_000).nullable().optional(),
  max_priority: z.int().min(-100).max(100).optional(),
});
const Prioritize = z.strictObject({ priority: z.int().min(-100).max(100) });

/** Why an operator did something: one line, for those who read it later. */
const reason = z
  .string()
  .min(1)
  .max(500)
  // oxlint-disable-next-line no-control-regex
  .regex(/^[^\u0000-\u001f\u007f-\u009f\ud800-\udfff]+$/u, "must be one line without control characters");

const page = { limit, cursor };

export const ROUTES = {
  createUser: {
    method: "POST",
    path: "/api/v2/users",
    access: "admin",
    summary: "Create a user",
    query: none,
    body: json(CreateUser),
    status: 201,
    answer: json(r.UserWire),
    errors: ["user_exists"],
  },
  listUsers: {
    method: "GET",
    path: "/api/v2/users",
    access: "admin",
    summary: "List users",
    query: z.strictObject(page),
    body: null,
    status: 200,
    answer: json(r.UserListWire),
    errors: ["bad_cursor"],
  },
  disableUser: {
    method: "POST",
    path: "/api/v2/users/{user_id}:disable",
    access: "admin",
    summary: "Disable a user: queued tasks are held, running ones finish",
    query: z.strictObject({ cancel_tasks: z.enum(["true", "false"]).optional() }),
    body: null,
    status: 200,
    answer: json(r.UserWire),
    errors: [],
  },
  enableUser: {
    method: "POST",
    path: "/api/v2/users/{user_id}:enable",
    access: "admin",
    summary: "Enable a user again",
    query: none,
    body: null,
    status: 200,
    answer: json(r.UserWire),
    errors: [],
  },
  setLimits: {
    method: "PUT",
    path: "/api/v2/users/{user_id}/limits",
    access: "admin",
    summary: "Set a user's limits",
    query: none,
    body: json(SetLimits),
    status: 200,
    answer: json(r.UserWire),
    errors: [],
  },
  createToken: {
    method: "POST",
    path: "/api/v2/users/{user_id}/tokens",
    access: "admin",
    summary: "Issue a token, shown once",
    query: none,
    body: json(CreateToken),
    status: 201,
    answer: json(r.NewTokenWire),
    errors: ["wrong_state"],
  },
  listTokens: {
    method: "GET",
    path: "/api/v2/users/{user_id}/tokens",
    access: "admin",
    summary: "List a user's tokens",
    query: z.strictObject(page),
    body: null,
    status: 200,
    answer: json(r.TokenListWire),
    errors: ["bad_cursor"],
  },
  revokeToken: {
    method: "DELETE",
    path: "/api/v2/users/{user_id}/tokens/{token_id}",
    access: "admin",
    summary: "Revoke a token",
    query: none,
    body: null,
    status: 204,
    answer: { kind: "none" },
    errors: [],
  },
  rotateToken: {
    method: "POST",
    path: "/api/v2/users/{user_id}/tokens/{token_id}:rotate",
    access: "admin",
    summary: "Issue a token in the place of another, shown once",
    query: none,
    body: json(RotateToken),
    status: 201,
    answer: json(r.NewTokenWire),
    errors: ["wrong_state"],
  },
  listAudit: {
    method: "GET",
    path: "/api/v2/audit",
    access: "admin",
    summary: "Who did what to whom, newest first",
    query: z.strictObject({
      ...page,
      actor: z.string().min(1).max(64).optional().meta({ description: "user:<id>, admin or system" }),
      action: z.enum(AUDIT_ACTIONS).optional(),
      target: z.string().min(1).max(160).optional().meta({ description: "The id of a user, token or task" }),
      user: z.string().min(1).max(64).optional().meta({ description: "Everything that concerned this user" }),
      after: z.iso.datetime({ offset: true }).optional().meta({ description: "At or after this instant" }),
      before: z.iso.datetime({ offset: true }).optional().meta({ description: "Before this instant" }),
    }),
    body: null,
    status: 200,
    answer: json(r.AuditListWire),
    errors: ["bad_cursor"],
  },
  me: {
    method: "GET",
    path: "/api/v2/me",
    access: "any",
    summary: "Who am I, where my files are, my limits",
    query: none,
    body: null,
    status: 200,
    answer: json(r.MeWire),
    errors: [],
  },
  createTask: {
    method: "POST",
    path: "/api/v2/tasks",
    access: "user",
    summary: "Submit a TaskSpec",
    query: Submission,
    body: { kind: "yaml" },
    status: 201,
    answer: json(r.CreatedTaskWire),
    errors: [
      "invalid_spec",
      "too_large",
      "unsupported_media_type",
      "preflight_failed",
      "unsupported_verl",
      "unknown_profile",
      "pool_too_small",
      "idempotency_key_reused",
      "user_limit",
      "wrong_state",
    ],
  },
  planTask: {
    method: "POST",
    path: "/api/v2/tasks:plan",
    access: "user",
    summary: "All checks of a submission, without submitting",
    query: Submission,
    body: { kind: "yaml" },
    status: 200,
    answer: json(PlanWire),
    errors: [
      "invalid_spec",
      "too_large",
      "unsupported_media_type",
      "preflight_failed",
      "unsupported_verl",
      "unknown_profile",
      "pool_too_small",
      "wrong_state",
    ],
  },
  listTasks: {
    method: "GET",
    path: "/api/v2/tasks",
    access: "user",
    summary: "List tasks, newest first",
    query: z.strictObject({
      ...page,
      state: z.string().max(128).optional().meta({ description: "One state, or several with commas" }),
      workload: r.WorkloadWire.optional(),
      label,
      user: userParameter,
    }),
    body: null,
    status: 200,
    answer: json(r.TaskListWire),
    errors: ["bad_cursor"],
  },
  getTask: {
    method: "GET",
    path: "/api/v2/tasks/{task_id}",
    access: "user",
    summary: "One task",
    query: none,
    body: null,
    status: 200,
    answer: json(r.TaskWire),
    errors: [],
  },
  getSpec: {
    method: "GET",
    path: "/api/v2/tasks/{task_id}/spec",
    access: "user",
    summary: "The TaskSpec as it was sent, byte for byte",
    query: none,
    body: null,
    status: 200,
    answer: { kind: "text" },
    errors: [],
  },
  listEvents: {
    method: "GET",
    path: "/api/v2/tasks/{task_id}/events",
    access: "user",
    summary: "Events of a task in order",
    query: z.strictObject({
      limit,
      after: whole(0).optional().meta({ description: "Only events with a greater seq" }),
      cursor,
    }),
    body: null,
    status: 200,
    answer: json(r.EventListWire),
    errors: ["bad_cursor"],
  },
  listAttempts: {
    method: "GET",
    path: "/api/v2/tasks/{task_id}/attempts",
    access: "user",
    summary: "Attempts of a task in order",
    query: z.strictObject(page),
    body: null,
    status: 200,
    answer: json(r.AttemptListWire),
    errors: ["bad_cursor"],
  },
  cancelTask: {
    method: "POST",
    path: "/api/v2/tasks/{task_id}:cancel",
    access: "user",
    summary: "Cancel; idempotent",
    query: none,
    body: null,
    status: 200,
    answer: json(r.CancelWire),
    errors: [],
  },
  holdTask: {
    method: "POST",
    path: "/api/v2/tasks/{task_id}:hold",
    access: "user",
    summary: "Keep a waiting task from starting",
    query: none,
    body: null,
    status: 200,
    answer: json(r.TaskWire),
    errors: ["wrong_state"],
  },
  releaseTask: {
    method: "POST",
    path: "/api/v2/tasks/{task_id}:release",
    access: "user",
    summary: "Let a held task start again",
    query: none,
    body: null,
    status: 200,
    answer: json(r.TaskWire),
    errors: ["wrong_state"],
  },
  requeueTask: {
    method: "POST",
    path: "/api/v2/tasks/{task_id}:requeue",
    access: "user",
    summary: "Stop a running task after its next complete checkpoint and put it back into the queue; idempotent",
    query: z.strictObject({
      now: flag.meta({ description: "Stop at once" }),
      hold: flag.meta({ description: "Hold it once it is back in the queue" }),
    }),
    body: null,
    status: 200,
    answer: json(r.TaskWire),
    errors: ["wrong_state"],
  },
  retryTask: {
    method: "POST",
    path: "/api/v2/tasks/{task_id}:retry",
    access: "user",
    summary: "A new task from an ended one, which goes on from its last complete checkpoint",
    query: z.strictObject({
      ...timeLimits,
      from_scratch: flag.meta({ description: "Begin anew instead" }),
    }),
    body: null,
    status: 201,
    answer: json(r.CreatedTaskWire),
    errors: [
      "files_gone",
      "preflight_failed",
      "unsupported_verl",
      "unknown_profile",
      "pool_too_small",
      "idempotency_key_reused",
      "user_limit",
      "wrong_state",
    ],
  },
  exportTask: {
    method: "POST",
    path: "/api/v2/tasks/{task_id}:export",
    access: "user",
    summary: "Merge a checkpoint into a Hugging Face folder, by a task of its own; idempotent",
    query: z.strictObject({
      step: whole(1, 999_999_999).optional().meta({ description: "Not the newest complete checkpoint, but this one" }),
    }),
    body: null,
    status: 200,
    answer: json(ExportWire),
    errors: ["wrong_state", "files_gone", "unknown_profile", "unsupported_verl", "user_limit", "storage_unavailable"],
  },
  keepTask: {
    method: "POST",
    path: "/api/v2/tasks/{task_id}:keep",
    access: "user",
    summary: "Keep the files of a task from retention; idempotent",
    query: none,
    body: null,
    status: 200,
    answer: json(r.TaskWire),
    errors: ["files_gone"],
  },
  unkeepTask: {
    method: "POST",
    path: "/api/v2/tasks/{task_id}:unkeep",
    access: "user",
    summary: "Leave the files of a task to retention again; idempotent",
    query: none,
    body: null,
    status: 200,
    answer: json(r.TaskWire),
    errors: [],
  },
  prioritizeTask: {
    method: "POST",
    path: "/api/v2/tasks/{task_id}:prioritize",
    access: "user",
    summary: "Set the priority, up to the user's limit",
    query: none,
    body: json(Prioritize),
    status: 200,
    answer: json(r.TaskWire),
    errors: ["wrong_state"],
  },
  readLogs: {
    method: "GET",
    path: "/api/v2/tasks/{task_id}/logs",
    access: "user",
    summary: "The driver's log: raw bytes, or SSE with follow=true",
    query: z.strictObject({
      attempt: z
        .string()
        .regex(/^(latest|all|[1-9]\d{0,5})$/)
        .default("latest")
        .meta({ description: "latest, all, or a number", default: "latest" }),
      tail: whole(0, 10_000).optional().meta({ description: "Only the last lines" }),
      offset: whole(0).optional().meta({ description: "From this byte on" }),
      limit: whole(1, 1_048_576).optional().meta({ description: "At most so many bytes" }),
      since: z.iso.datetime({ offset: true }).optional().meta({ description: "Only what was written after this instant, to 5 s" }),
      grep: z
        .string()
        .min(1)
        .max(MAX_PATTERN_CHARS)
        .optional()
        .meta({ description: "Only lines that match: text, or a regular expression without references and look-around" }),
      follow: z.enum(["true", "false"]).default("false"),
    }),
    body: null,
    status: 200,
    answer: { kind: "sse-or-text" },
    errors: ["files_gone", "storage_unavailable"],
  },
  listArtifacts: {
    method: "GET",
    path: "/api/v2/tasks/{task_id}/artifacts",
    access: "user",
    summary: "Checkpoints, configuration, logs and debug files of a task, with sizes and paths",
    query: none,
    body: null,
    status: 200,
    answer: json(ArtifactsWire),
    errors: ["storage_unavailable"],
  },
  readArtifact: {
    method: "GET",
    path: "/api/v2/tasks/{task_id}/artifacts/{path}",
    access: "user",
    summary: "One file of at most 8 MiB as bytes, or with offset a part of any file; path as listed",
    query: z.strictObject({ offset: whole(0).optional().meta({ description: "From this byte on, at most 8 MiB of it" }) }),
    body: null,
    status: 200,
    answer: { kind: "bytes" },
    errors: ["files_gone", "not_found", "storage_unavailable"],
  },
  readCurves: {
    method: "GET",
    path: "/api/v2/tasks/{task_id}/curves",
    access: "user",
    summary: "Training metrics a step, from verl's own file logger",
    query: z.strictObject({
      key: z
        .union([z.string(), z.array(z.string())])
        .optional()
        .meta({ description: "Only these keys (repeat)" }),
      after_step: whole(0).optional().meta({ description: "Only later steps: next_after_step of the answer before" }),
      view: z.enum(["attempts", "line"]).default("attempts").meta({ description: "Each attempt, or all of them as one line" }),
    }),
    body: null,
    status: 200,
    answer: json(CurvesWire),
    errors: ["files_gone", "storage_unavailable"],
  },
  explainTask: {
    method: "GET",
    path: "/api/v2/tasks/{task_id}/why",
    access: "user",
    summary: "Why it waits, how it runs, or how it ended: one answer that fits a screen",
    query: none,
    body: null,
    status: 200,
    answer: json(WhyWire),
    errors: [],
  },
  streamChanges: {
    method: "GET",
    path: "/api/v2/stream",
    access: "user",
    summary: "Ids of tasks as they change, as SSE: `tasks` with task_ids, or `missed` when everything is to be read anew",
    query: none,
    body: null,
    status: 200,
    answer: { kind: "sse-or-text" },
    errors: [],
  },
  readQueue: {
    method: "GET",
    path: "/api/v2/queue",
    access: "user",
    summary: "What runs and what waits, in order",
    query: none,
    body: null,
    status: 200,
    answer: json(r.QueueWire),
    errors: [],
  },
  readUsage: {
    method: "GET",
    path: "/api/v2/usage",
    access: "user",
    summary: "GPU time by user and UTC day, and what it went into, newest first; what runs counts up to now",
    query: z.strictObject({
      days: whole(1, 366).default(7).meta({ description: "So many days, today included", default: 7 }),
      since: z.iso.datetime({ offset: true }).optional().meta({ description: "Instead of `days`: from the UTC day of this instant on" }),
      by: z.enum(["user", "workload", "node", "day"]).optional().meta({ description: "Sums by this as well, in `groups`" }),
      user: userParameter,
    }),
    body: null,
    status: 200,
    answer: json(r.UsageListWire),
    errors: [],
  },
  pauseQueue: {
    method: "POST",
    path: "/api/v2/queue:pause",
    access: "admin",
    summary: "Start nothing for now; what runs goes on; idempotent",
    query: none,
    body: json(z.strictObject({ reason: reason.optional() })),
    status: 200,
    answer: json(r.PausedWire),
    errors: [],
  },
  resumeQueue: {
    method: "POST",
    path: "/api/v2/queue:resume",
    access: "admin",
    summary: "Start tasks again; idempotent",
    query: none,
    body: null,
    status: 200,
    answer: json(r.PausedWire),
    errors: [],
  },
  declareDead: {
    method: "POST",
    path: "/api/v2/attempts/{submission_id}:declare-dead",
    access: "admin",
    summary: "Vouch for the death of a silent attempt whose nodes are off",
    query: none,
    body: json(z.strictObject({ reason })),
    status: 200,
    answer: json(r.AttemptWire),
    errors: ["wrong_state"],
  },
  listNodes: {
    method: "GET",
    path: "/api/v2/nodes",
    access: "user",
    summary: "The pool: nodes, GPUs, head",
    query: z.strictObject(page),
    body: null,
    status: 200,
    answer: json(NodesWire),
    errors: ["bad_cursor"],
  },
  drainNode: {
    method: "POST",
    path: "/api/v2/nodes/{node}:drain",
    access: "admin",
    summary: "Place nothing new on a node; it leaves Ray once nothing runs there; idempotent",
    query: none,
    body: json(z.strictObject({ reason: reason.optional() })),
    status: 200,
    answer: json(NodeWire),
    errors: ["not_found"],
  },
  cordonNode: {
    method: "POST",
    path: "/api/v2/nodes/{node}:cordon",
    access: "admin",
    summary: "As a drain, and the cordon follows the GPUs to whatever node holds them; idempotent",
    query: none,
    body: json(z.strictObject({ reason: reason.optional() })),
    status: 200,
    answer: json(NodeWire),
    errors: ["not_found"],
  },
  uncordonNode: {
    method: "POST",
    path: "/api/v2/nodes/{node}:uncordon",
    access: "admin",
    summary: "End a drain or a cordon, also one that its GPUs brought; idempotent",
    query: none,
    body: json(z.strictObject({ reason: reason.optional() })),
    status: 200,
    answer: json(NodeWire),
    errors: ["not_found"],
  },
  forgetNode: {
    method: "POST",
    path: "/api/v2/nodes/{node}:forget",
    access: "admin",
    summary: "Take a node that is gone off the list",
    query: none,
    body: json(z.strictObject({ reason: reason.optional() })),
    status: 204,
    answer: { kind: "none" },
    errors: ["not_found", "wrong_state", "storage_unavailable"],
  },
  readCatalog: {
    method: "GET",
    path: "/api/v2/catalog",
    access: "user",
    summary: "What a TaskSpec can name: code trees, models and data sets under /private/common",
    query: none,
    body: null,
    status: 200,
    answer: json(CatalogWire),
    errors: ["storage_unavailable"],
  },
  listProfiles: {
    method: "GET",
    path: "/api/v2/profiles",
    access: "user",
    summary: "The operator's profiles and the built-in ones",
    query: none,
    body: null,
    status: 200,
    answer: json(r.ProfileListWire),
    errors: ["storage_unavailable"],
  },
  healthz: {
    method: "GET",
    path: "/healthz",
    access: "open",
    summary: "The process answers",
    query: none,
    body: null,
    status: 200,
    answer: json(z.object({ status: z.literal("ok") })),
    errors: [],
  },
  readyz: {
    method: "GET",
    path: "/readyz",
    access: "open",
    summary: "What works; 503 when the database does not",
    query: none,
    body: null,
    status: 200,
    answer: json(ReadyWire),
    errors: [],
  },
  metrics: {
    method: "GET",
    path: "/metrics",
    access: "any",
    summary: "Prometheus metrics",
    query: none,
    body: null,
    status: 200,
    answer: { kind: "text" },
    errors: [],
  },
  openapi: {
    method: "GET",
    path: "/openapi.json",
    access: "open",
    summary: "This document",
    query: none,
    body: null,
    status: 200,
    answer: json(z.record(z.string(), z.unknown())),
    errors: [],
  },
} as const satisfies { readonly [id: string]: Route };

export type RouteId = keyof typeof ROUTES;

/** Where no field of the body is needed, a POST without one does: `curl -X POST …/nodes/n1:drain`. */
export function isBodyOptional({ method, body }: Route): boolean {
  return method === "POST" && body?.kind === "json" && body.schema.safeParse({}).success;
}

export const TASKSPEC_CONTENT_TYPES = ["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"] as const;

/** Bytes: a larger TaskSpec is refused before it is parsed (a 477 KiB flat map costs the YAML parser 12 s). */
export const MAX_SPEC_BYTES = 16_384;
