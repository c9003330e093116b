/** Users, tokens, who am I. */
import { renderToken, renderUser } from "../contract/render.ts";
import { AppError } from "../domain/app-error.ts";
import type { Limits } from "../domain/types.ts";
import { cancelTask } from "../control/change-task.ts";
import { createUser, getUser, issueToken, listTokens, listUsers, revokeToken, setLimits, setUserState } from "../control/users.ts";
import { pageOf } from "../control/cursors.ts";
import { ok, pageRequest, type RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";

type UserRoutes = Pick<
  RouteFunctions,
  "createUser" | "listUsers" | "disableUser" | "enableUser" | "setLimits" | "createToken" | "listTokens" | "revokeToken" | "me"
>;

function param(params: { readonly [name: string]: string }, name: string): string {
  const value = params[name];
  if (value === undefined) throw new AppError("not_found", "not found");
  return value;
}

export function userRoutes(deps: HttpDeps): UserRoutes {
  const created = (value: unknown) => ({ ...ok(value), status: 201 });
  return {
    createUser: async ({ body }) => created(renderUser(await createUser(deps.users, body.user_id, body.display_name ?? null))),
    listUsers: async ({ query }) => {
      const after = query.cursor === undefined ? null : deps.cursors.read(query.cursor, "users");
      const page = await listUsers(deps.users, after, query.limit);
      const last = page.rows.at(-1);
      return ok({
        users: page.rows.map(renderUser),
        next_cursor: page.hasMore && last !== undefined ? deps.cursors.make(last.userId, "users") : null,
      });
    },
    disableUser: async ({ params, query }) => {
      const user = await setUserState(deps.users, param(params, "user_id"), "DISABLED");
      if (query.cancel_tasks === "true") await cancelAll(deps, user.userId);
      deps.loop.wake();
      return ok(renderUser(user));
    },
    enableUser: async ({ params }) => {
      const user = await setUserState(deps.users, param(params, "user_id"), "ACTIVE");
      deps.loop.wake();
      return ok(renderUser(user));
    },
    setLimits: async ({ params, body }) => {
      const names: { readonly [wire: string]: keyof Limits } = {
        max_queued: "maxQueued",
        max_running: "maxRunning",
        max_gpus: "maxGpus",
        submits_per_minute: "submitsPerMinute",
        max_priority: "maxPriority",
      };
      const changes = Object.fromEntries(
        Object.entries(body).flatMap(([wire, value]) => (names[wire] === undefined || value === undefined ? [] : [[names[wire], value]])),
      ) as Partial<Limits>;
      return ok(renderUser(await setLimits(deps.users, param(params, "user_id"), changes)));
    },
    createToken: async ({ params, body }) => {
      const expires = body.expires_at === undefined || body.expires_at === null ? null : Date.parse(body.expires_at);
      const { token, secret } = await issueToken(deps.users, param(params, "user_id"), body.name, body.scope ?? "full", expires);
      const { revoked_at: _, last_used_at: __, ...wire } = renderToken(token);
      return created({ ...wire, token: secret });
    },
    listTokens: async ({ params, query }) => {
      const userId = param(params, "user_id");
      const tokens = await listTokens(deps.users, userId);
      const page = pageOf(tokens, (token) => token.tokenId, pageRequest(query), deps.cursors, `tokens ${userId}`);
      return ok({ tokens: page.rows.map(renderToken), next_cursor: page.nextCursor });
    },
    revokeToken: async ({ params }) => {
      await revokeToken(deps.users, param(params, "user_id"), param(params, "token_id"));
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
          jobs_dir: null,
          version: deps.version,
        });
      const user = renderUser(await getUser(deps.users, principal.userId));
      return ok({
        role: "user",
        user_id: user.user_id,
        display_name: user.display_name,
        state: user.state,
        scope: principal.scope,
        limits: user.limits,
        jobs_dir: `/private/users/${user.user_id}/jobs`,
        version: deps.version,
      });
    },
  };
}

async function cancelAll(deps: HttpDeps, userId: string): Promise<void> {
  const open = await deps.store.tasks.listOpen();
  for (const task of open.filter((one) => one.userId === userId))
    await cancelTask({ store: deps.store, clock: deps.clock }, task.taskId, "admin");
}
