/** Users and their tokens, as the admin keeps them. User ids are never re-used; each change leaves one audit row, and what changes nothing none. */
import { AppError } from "../domain/app-error.ts";
import type { AuditAction, AuditEntry } from "../domain/audit.ts";
import { userIdProblem } from "../domain/ids.ts";
import type { Limits, Token, TokenScope, User } from "../domain/types.ts";
import { auditEntry, type Caller } from "./audit.ts";
import type { Clock, Ids, Page, RotateOutcome, UserStore } from "./ports.ts";
import { newToken, tokenHash } from "./tokens.ts";

export type UserDeps = { readonly users: UserStore; readonly clock: Clock; readonly ids: Ids; readonly defaultLimits: Limits };

function ofUser(deps: UserDeps, by: Caller, action: AuditAction, userId: string, data: AuditEntry["data"] = {}): AuditEntry {
  return auditEntry(by, deps.clock.now(), action, userId, userId, data);
}

/** `user_id` stands in the data too, for who reads rows without columns. */
function ofToken(
  deps: UserDeps,
  by: Caller,
  action: AuditAction,
  userId: string,
  tokenId: string,
  data: AuditEntry["data"] = {},
): AuditEntry {
  return auditEntry(by, deps.clock.now(), action, tokenId, userId, { user_id: userId, ...data });
}

export async function createUser(deps: UserDeps, userId: string, displayName: string | null, by: Caller): Promise<User> {
  const problem = userIdProblem(userId);
  if (problem !== null) throw new AppError("bad_parameter", `user_id ${JSON.stringify(userId)}: ${problem}`);
  const user: User = { userId, displayName, state: "ACTIVE", limits: deps.defaultLimits, createdAt: deps.clock.now() };
  const outcome = await deps.users.insertUser(user, ofUser(deps, by, "user.create", userId));
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

export async function setUserState(
  deps: UserDeps,
  userId: string,
  state: User["state"],
  by: Caller,
  data: AuditEntry["data"] = {},
): Promise<User> {
  const action = state === "ACTIVE" ? "user.enable" : "user.disable";
  return found(await deps.users.setUserState(userId, state, ofUser(deps, by, action, userId, data)), userId);
}

/** Only the limits named change. */
export async function setLimits(deps: UserDeps, userId: string, changes: Partial<Limits>, by: Caller): Promise<User> {
  return found(
    await deps.users.setUserLimits(userId, changes, (before, after) =>
      ofUser(deps, by, "user.limits", userId, changedLimits(before.limits, after.limits)),
    ),
    userId,
  );
}

function changedLimits(before: Limits, after: Limits): AuditEntry["data"] {
  const names = (Object.keys(after) as (keyof Limits)[]).filter((name) => before[name] !== after[name]);
  return Object.fromEntries(names.map((name) => [name, { from: before[name], to: after[name] }]));
}

export type IssuedToken = { readonly token: Token; readonly secret: string };

/** The token in clear is in the answer and nowhere else. */
export async function issueToken(
  deps: UserDeps,
  userId: string,
  name: string,
  scope: TokenScope,
  expiresAt: number | null,
  by: Caller,
): Promise<IssuedToken> {
  const user = await getUser(deps, userId);
  if (user.state === "DISABLED") throw disabled(userId);
  checkExpiry(deps, expiresAt);
  const secret = newToken();
  const tokenId = newTokenId(deps);
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
    replacedBy: null,
  };
  await deps.users.insertToken(
    token,
    tokenHash(secret),
    ofToken(deps, by, "token.create", userId, tokenId, { name, scope, expires_at: expiryText(expiresAt) }),
  );
  return { token, secret };
}

function newTokenId(deps: UserDeps): string {
  return `tok_${deps.ids.hex(8)}`;
}

function disabled(userId: string): AppError {
  return new AppError("wrong_state", `user ${userId} is disabled; enable it first`);
}

function checkExpiry(deps: UserDeps, expiresAt: number | null): void {
  if (expiresAt !== null && expiresAt <= deps.clock.now()) throw new AppError("bad_parameter", "expires_at lies in the past");
}

function expiryText(expiresAt: number | null): string | null {
  return expiresAt === null ? null : new Date(expiresAt).toISOString();
}

export async function listTokens(deps: UserDeps, userId: string): Promise<readonly Token[]> {
  await getUser(deps, userId);
  return deps.users.listTokens(userId);
}

/**
 * A new token with the name and scope of one that is in force, which stays valid for `overlapMs` more, and never beyond its own expiry.
 * `expiresAt` undefined = as long a life as the old one was given, from now on.
 */
export async function rotateToken(
  deps: UserDeps,
  userId: string,
  tokenId: string,
  overlapMs: number,
  expiresAt: number | null | undefined,
  by: Caller,
): Promise<IssuedToken> {
  await getUser(deps, userId);
  checkExpiry(deps, expiresAt ?? null);
  const now = deps.clock.now();
  const secret = newToken();
  const successor = { tokenId: newTokenId(deps), hash: tokenHash(secret), last4: secret.slice(-4), expiresAt };
  const audit = ofToken(deps, by, "token.rotate", userId, tokenId, { new_token_id: successor.tokenId, overlap_s: overlapMs / 1000 });
  const outcome = await deps.users.rotateToken(userId, tokenId, now, now + overlapMs, successor, audit);
  if (outcome.kind === "not_found") throw noToken(userId, tokenId);
  if (outcome.kind === "refused") throw notRotated(outcome, userId);
  return { token: outcome.token, secret };
}

function notRotated({ why, old }: Extract<RotateOutcome, { kind: "refused" }>, userId: string): AppError {
  switch (why) {
    case "disabled":
      return disabled(userId);
    case "replaced":
      return new AppError("wrong_state", `token ${old.tokenId} was replaced by ${old.replacedBy ?? ""}; rotate that one`);
    case "revoked":
    case "expired":
      return new AppError("wrong_state", `token ${old.tokenId} is ${why}, so there is nothing to rotate; create a new one`);
  }
}

function noToken(userId: string, tokenId: string): AppError {
  return new AppError("not_found", `user ${userId} has no token ${tokenId}`);
}

/** Idempotent for a token that exists; works from the next request on. */
export async function revokeToken(deps: UserDeps, userId: string, tokenId: string, by: Caller): Promise<void> {
  const done = await deps.users.revokeToken(userId, tokenId, deps.clock.now(), ofToken(deps, by, "token.revoke", userId, tokenId));
  if (!done) throw noToken(userId, tokenId);
}
