/** From an Authorization header to a principal. Every refusal of a bad token reads the same: nothing tells unknown, revoked and expired apart. */
import { AppError } from "../domain/app-error.ts";
import type { Principal } from "../domain/types.ts";
import type { Clock, UserStore } from "./ports.ts";
import { looksLikeToken, sameSecret, tokenHash } from "./tokens.ts";

export type Authenticate = (authorization: string | undefined) => Promise<Principal>;

const BEARER = /^Bearer ([\x21-\x7e]{1,512})$/;
/** last_used_at is for people: once a minute is often enough. */
const TOUCH_EVERY_MS = 60_000;

/** `adminToken` is compared first and never looked up. Throws AppError missing_token, invalid_token or user_disabled. */
export function authenticator(users: UserStore, clock: Clock, adminToken: string): Authenticate {
  const touched = new Map<string, number>();
  return async (authorization) => {
    if (authorization === undefined || authorization === "") throw new AppError("missing_token", "missing bearer token");
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) throw new AppError("invalid_token", "invalid token");
    if (sameSecret(token, adminToken)) return { kind: "admin" };
    if (!looksLikeToken(token)) throw new AppError("invalid_token", "invalid token");
    const found = await users.findByTokenHash(tokenHash(token));
    const now = clock.now();
    if (found === null || found.token.revokedAt !== null || (found.token.expiresAt !== null && found.token.expiresAt <= now)) {
      throw new AppError("invalid_token", "invalid token");
    }
    if (found.user.state === "DISABLED") throw new AppError("user_disabled", "user disabled");
    const { tokenId, userId, scope } = found.token;
    if (now - (touched.get(tokenId) ?? 0) >= TOUCH_EVERY_MS) {
      touched.set(tokenId, now);
      await noteUse(users, tokenId, now);
    }
    return { kind: "user", userId, tokenId, scope };
  };
}

/** A full disk must not refuse who only reads, or cancels to make room: the call itself says what the database can't do. */
async function noteUse(users: UserStore, tokenId: string, at: number): Promise<void> {
  try {
    await users.touchToken(tokenId, at);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
  }
}
