/** Users, tokens, who am I. */
import { renderToken, renderUser } from "../contract/render.ts";
import { AppError } from "../domain/app-error.ts";
import type { Limits } from "../domain/types.ts";
import { cancelTask } from "../control/change-task.ts";
import {
  createUser,
  getUser,
  type IssuedToken,
  issueToken,
  listTokens,
  listUsers,
  revokeToken,
  rotateToken,
  setLimits,
  setUserState,
} from "../control/users.ts";
import type { Caller } from "../control/audit.ts";
import { pageOf } from "../control/cursors.ts";
import { callerOf, ok, pageRequest, type RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";

type UserRoutes = Pick<
  RouteFunctions,
  | "createUser"
  | "listUsers"
  | "disableUser"
  | "enableUser"
  | "setLimits"
  | "createToken"
  | "listTokens"
  | "revokeToken"
  | "rotateToken"
  | "me"
>;

function param(params: { readonly [name: string]: string }, name: string): string {
  const value = params[name];
  if (value === undefined) throw new AppError("not_found", "not found");
  return value;
}

export function userRoutes(deps: HttpDeps): UserRoutes {
  const created = (value: unknown) => ({ ...ok(value), status: 201 });
  const shownOnce = ({ token, secret }: IssuedToken) => {
    const { revoked_at: _, last_used_at: __, replaced_by: ___, ...wire } = renderToken(token);
    return created({ ...wire, token: secret });
  };
  return {
    createUser: async (call) =>
      created(renderUser(await createUser(deps.users, call.body.user_id, call.body.display_name ?? null, callerOf(call)))),
    listUsers: async ({ query }) => {
      const after = query.cursor === undefined ? null : deps.cursors.read(query.cursor, "users");
      const page = await listUsers(deps.users, after, query.limit);
      const last = page.rows.at(-1);
      return ok({
        users: page.rows.map(renderUser),
        next_cursor: page.hasMore && last !== undefined ? deps.cursors.make(last.userId, "users") : null,
      });
    },
    disableUser: async (call) => {
      const cancels = call.query.cancel_tasks === "true";
      const data = { cancel_tasks: cancels };
      const user = await setUserState(deps.users, param(call.params, "user_id"), "DISABLED", callerOf(call), data);
      if (cancels) await cancelAll(deps, user.userId, callerOf(call));
      deps.loop.wake();
      return ok(renderUser(user));
    },
    enableUser: async (call) => {
      const user = await setUserState(deps.users, param(call.params, "user_id"), "ACTIVE", callerOf(call));
      deps.loop.wake();
      return ok(renderUser(user));
    },
    setLimits: async (call) => {
      const names: { readonly [wire: string]: keyof Limits } = {
        max_queued: "maxQueued",
        max_running: "maxRunning",
        max_gpus: "maxGpus",
        submits_per_minute: "submitsPerMinute",
        max_storage_gib: "maxStorageGib",
        max_priority: "maxPriority",
      };
      const changes = Object.fromEntries(
        Object.entries(call.body).flatMap(([wire, value]) =>
          names[wire] === undefined || value === undefined ? [] : [[names[wire], value]],
        ),
      ) as Partial<Limits>;
      return ok(renderUser(await setLimits(deps.users, param(call.params, "user_id"), changes, callerOf(call))));
    },
    createToken: async (call) => {
      const { name, scope, expires_at } = call.body;
      const userId = param(call.params, "user_id");
      return shownOnce(await issueToken(deps.users, userId, name, scope ?? "full", instantOf(expires_at) ?? null, callerOf(call)));
    },
    rotateToken: async (call) => {
      const { overlap_s, expires_at } = call.body;
      const [userId, tokenId] = [param(call.params, "user_id"), param(call.params, "token_id")];
      return shownOnce(await rotateToken(deps.users, userId, tokenId, overlap_s * 1000, instantOf(expires_at), callerOf(call)));
    },
    listTokens: async ({ params, query }) => {
      const userId = param(params, "user_id");
      const tokens = await listTokens(deps.users, userId);
      const page = pageOf(tokens, (token) => token.tokenId, pageRequest(query), deps.cursors, `tokens ${userId}`);
      return ok({ tokens: page.rows.map(renderToken), next_cursor: page.nextCursor });
    },
    revokeToken: async (call) => {
      await revokeToken(deps.users, param(call.params, "user_id"), param(call.params, "token_id"), callerOf(call));
      return { status: 204, body: { kind: "none" } };
    },
    me: async ({ principal }) => {
      if (principal.kind === "admin")
        return ok({
          role: "admin",
          user_id: null,
          display_name: null,
          state: null,
          scope: null,
          limits: null,
          storage: null,
          jobs_dir: null,
          version: deps.version,
        });
      const user = renderUser(await getUser(deps.users, principal.userId));
      const use = await deps.store.retention.use(user.user_id);
      return ok({
        role: "user",
        user_id: user.user_id,
        display_name: user.display_name,
        state: user.state,
        scope: principal.scope,
        limits: user.limits,
        storage: use === null ? null : { bytes: use.bytes, measured_at: new Date(use.at).toISOString() },
        jobs_dir: `/private/users/${user.user_id}/jobs`,
        version: deps.version,
      });
    },
  };
}

function instantOf(text: string | null | undefined): number | null | undefined {
  return typeof text === "string" ? Date.parse(text) : text;
}

async function cancelAll(deps: HttpDeps, userId: string, by: Caller): Promise<void> {
  const open = await deps.store.tasks.listOpen();
  for (const task of open.filter((one) => one.userId === userId))
    await cancelTask({ store: deps.store, clock: deps.clock }, task.taskId, by);
}
