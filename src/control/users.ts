/** Users and their tokens, as the admin keeps them. User ids are never re-used; each change leaves an audit row. */
import { AppError } from "../domain/app-error.ts";
import { userIdProblem } from "../domain/ids.ts";
import type { Limits, Token, TokenScope, User } from "../domain/types.ts";
import type { AuditEntry, Clock, Ids, Page, UserStore } from "./ports.ts";
import { newToken, tokenHash } from "./tokens.ts";

export type UserDeps = { readonly users: UserStore; readonly clock: Clock; readonly ids: Ids; readonly defaultLimits: Limits };

function audit(deps: UserDeps, action: string, target: string, data: AuditEntry["data"] = {}): AuditEntry {
  return { at: deps.clock.now(), actor: "admin", action, target, data };
}

export async function createUser(deps: UserDeps, userId: string, displayName: string | null): Promise<User> {
  const problem = userIdProblem(userId);
  if (problem !== null) throw new AppError("bad_parameter", `user_id ${JSON.stringify(userId)}: ${problem}`);
  const user: User = { userId, displayName, state: "ACTIVE", limits: deps.defaultLimits, createdAt: deps.clock.now() };
  const outcome = await deps.users.insertUser(user, audit(deps, "user.create", userId));
  if (outcome === "exists") throw new AppError("user_exists", `user ${userId} exists, or existed: ids are never re-used`);
  return user;
}

function found<T>(value: T | null, userId: string): T {
  if (value === null) throw new AppError("not_found", `no user ${userId}`);
  return value;
}

export async function getUser(deps: UserDeps, userId: string): Promise<User> {
  return found(await deps.users.getUser(userId), userId);
}

export function listUsers(deps: UserDeps, after: string | null, limit: number): Promise<Page<User>> {
  return deps.users.listUsers(after, limit);
}

export async function setUserState(deps: UserDeps, userId: string, state: User["state"]): Promise<User> {
  return found(
    await deps.users.setUserState(userId, state, audit(deps, state === "ACTIVE" ? "user.enable" : "user.disable", userId)),
    userId,
  );
}

/** Only the limits named change. */
export async function setLimits(deps: UserDeps, userId: string, changes: Partial<Limits>): Promise<User> {
  const user = await getUser(deps, userId);
  const limits = { ...user.limits, ...changes };
  return found(await deps.users.setUserLimits(userId, limits, audit(deps, "user.limits", userId, { ...changes })), userId);
}

/** The token in clear is in the answer and nowhere else. */
export async function issueToken(
  deps: UserDeps,
  userId: string,
  name: string,
  scope: TokenScope,
  expiresAt: number | null,
): Promise<{ readonly token: Token; readonly secret: string }> {
  const user = await getUser(deps, userId);
  if (user.state === "DISABLED") throw new AppError("wrong_state", `user ${userId} is disabled; enable it first`);
  if (expiresAt !== null && expiresAt <= deps.clock.now()) throw new AppError("bad_parameter", "expires_at lies in the past");
  const secret = newToken();
  const tokenId = `tok_${deps.ids.hex(8)}`;
  const token: Token = {
    tokenId,
    userId,
    name,
    scope,
    last4: secret.slice(-4),
    createdAt: deps.clock.now(),
    expiresAt,
    revokedAt: null,
    lastUsedAt: null,
  };
  await deps.users.insertToken(token, tokenHash(secret), audit(deps, "token.create", tokenId, { user_id: userId, name, scope }));
  return { token, secret };
}

export async function listTokens(deps: UserDeps, userId: string): Promise<readonly Token[]> {
  await getUser(deps, userId);
  return deps.users.listTokens(userId);
}

/** Idempotent for a token that exists; works from the next request on. */
export async function revokeToken(deps: UserDeps, userId: string, tokenId: string): Promise<void> {
  const done = await deps.users.revokeToken(userId, tokenId, deps.clock.now(), audit(deps, "token.revoke", tokenId, { user_id: userId }));
  if (!done) throw new AppError("not_found", `user ${userId} has no token ${tokenId}`);
}
