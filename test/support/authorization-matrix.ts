/**
 * Who may call what: one reviewed row for each route. Nothing here is derived from the route table, so that a route that is declared open by
 * mistake, or a new one that nobody thought about, fails against its row or for want of one. docs/authorization.md shows it as a table.
 */
import { type RouteId, ROUTES } from "../../src/contract/routes.ts";
import { SPEC } from "./http-world.ts";

/** alice owns the object, bob is the other user; the tokens with a scope are alice's. */
export const CALLERS = [
  "none",
  "malformed",
  "unknown",
  "revoked",
  "replaced",
  "expired",
  "disabled",
  "metrics scope",
  "read scope",
  "other",
  "owner",
  "admin",
] as const;
export type Caller = (typeof CALLERS)[number];

/** Who has no token that is in force. All but `none` get the same bytes. */
const NOBODIES = ["none", "malformed", "unknown", "revoked", "replaced", "expired"] as const satisfies readonly Caller[];
type Nobody = (typeof NOBODIES)[number];

type Column = "nobody" | Exclude<Caller, Nobody>;
type Kind = { readonly [column in Column]: number | "ok" };

function isNobody(caller: Caller): caller is Nobody {
  return NOBODIES.some((one) => one === caller);
}

const KINDS = {
  open: { nobody: "ok", disabled: "ok", "metrics scope": "ok", "read scope": "ok", other: "ok", owner: "ok", admin: "ok" },
  "any token": { nobody: 401, disabled: 403, "metrics scope": "ok", "read scope": "ok", other: "ok", owner: "ok", admin: "ok" },
  /** Each gets what is his; what is another's is at most a count. */
  "own, read": { nobody: 401, disabled: 403, "metrics scope": 403, "read scope": "ok", other: "ok", owner: "ok", admin: "ok" },
  /** The admin has nothing of his own: he says for whom, or gets a 400. */
  "own, made": { nobody: 401, disabled: 403, "metrics scope": 403, "read scope": 403, other: "ok", owner: "ok", admin: 400 },
  "task, read": { nobody: 401, disabled: 403, "metrics scope": 403, "read scope": "ok", other: 404, owner: "ok", admin: "ok" },
  "task, changed": { nobody: 401, disabled: 403, "metrics scope": 403, "read scope": 403, other: 404, owner: "ok", admin: "ok" },
  admin: { nobody: 401, disabled: 403, "metrics scope": 403, "read scope": 403, other: 403, owner: 403, admin: "ok" },
} as const satisfies { readonly [kind: string]: Kind };

export type Row = {
  readonly kind: keyof typeof KINDS;
  /** The status of a call that is allowed. */
  readonly ok: 200 | 201 | 204;
  /** A valid body where the route takes one; `caller` makes it unique. */
  readonly body?: (caller: Caller) => unknown;
  /** The task in the path must have ended for the call to be allowed. */
  readonly ended?: true;
  /** The task in the path must have ended with a complete checkpoint. */
  readonly saved?: true;
};

const row = (kind: Row["kind"], ok: Row["ok"] = 200, body?: Row["body"]): Row => ({ kind, ok, ...(body === undefined ? {} : { body }) });

export const MATRIX: { readonly [id in RouteId]: Row } = {
  createUser: row("admin", 201, (caller) => ({ user_id: `u-${caller.replace(" ", "-")}` })),
  listUsers: row("admin"),
  disableUser: row("admin"),
  enableUser: row("admin"),
  setLimits: row("admin", 200, () => ({ max_queued: 500 })),
  createToken: row("admin", 201, () => ({ name: "laptop" })),
  listTokens: row("admin"),
  revokeToken: row("admin", 204),
  rotateToken: row("admin", 201, () => ({ overlap_s: 60 })),
  listAudit: row("admin"),
  me: row("any token"),
  createTask: row("own, made", 201, () => SPEC),
  planTask: row("own, made", 200, () => SPEC),
  listTasks: row("own, read"),
  getTask: row("task, read"),
  getSpec: row("task, read"),
  listEvents: row("task, read"),
  listAttempts: row("task, read"),
  cancelTask: row("task, changed"),
  holdTask: row("task, changed"),
  releaseTask: row("task, changed"),
  requeueTask: row("task, changed"),
  retryTask: { ...row("task, changed", 201), ended: true },
  exportTask: { ...row("task, changed"), saved: true },
  keepTask: row("task, changed"),
  unkeepTask: row("task, changed"),
  prioritizeTask: row("task, changed", 200, () => ({ priority: -1 })),
  readLogs: row("task, read"),
  readCurves: row("task, read"),
  explainTask: row("task, read"),
  listArtifacts: row("task, read"),
  readArtifact: row("task, read"),
  streamChanges: row("own, read"),
  readQueue: row("own, read"),
  readUsage: row("own, read"),
  pauseQueue: row("admin", 200, () => ({ reason: "maintenance" })),
  resumeQueue: row("admin"),
  declareDead: row("admin", 200, () => ({ reason: "its node is off" })),
  listNodes: row("own, read"),
  drainNode: row("admin", 200, () => ({ reason: "new drivers" })),
  cordonNode: row("admin", 200, () => ({ reason: "Xid 79" })),
  uncordonNode: row("admin", 200, () => ({ reason: "new GPU" })),
  forgetNode: row("admin", 204, () => ({ reason: "sold" })),
  listProfiles: row("own, read"),
  readCatalog: row("own, read"),
  healthz: row("open"),
  readyz: row("open"),
  metrics: row("any token"),
  openapi: row("open"),
};

export function expectedStatus({ kind, ok }: Row, caller: Caller): number {
  const answers: Kind = KINDS[kind];
  const status = answers[isNobody(caller) ? "nobody" : caller];
  return status === "ok" ? ok : status;
}

/** The matrix as a Markdown table: one line a route, those that are nobody in one column. */
export function renderMatrix(): string {
  const columns: readonly (readonly [head: string, caller: Caller])[] = [
    [NOBODIES.join(", "), "none"],
    ["disabled", "disabled"],
    ["metrics scope", "metrics scope"],
    ["read scope", "read scope"],
    ["other user", "other"],
    ["owner", "owner"],
    ["admin", "admin"],
  ];
  const head = ["route", "object", ...columns.map(([name]) => name)];
  const rows = (Object.entries(MATRIX) as [RouteId, Row][]).map(([id, one]) => {
    const { method, path } = ROUTES[id];
    return [`\`${method} ${path}\``, one.kind, ...columns.map(([, caller]) => cell(one, caller))];
  });
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function cell(one: Row, caller: Caller): string {
  const status = String(expectedStatus(one, caller));
  return one.kind === "own, made" && caller === "admin" ? `${status}; ${one.ok} with \`?user=\`` : status;
}
