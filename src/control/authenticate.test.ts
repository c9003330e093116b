import { expect, test } from "vitest";
import { AppError } from "../domain/app-error.ts";
import type { Token, User } from "../domain/types.ts";
import { authenticator } from "./authenticate.ts";
import type { UserStore } from "./ports.ts";
import { newToken } from "./tokens.ts";

const limits = { maxQueued: null, maxRunning: null, maxGpus: null, submitsPerMinute: null, maxPriority: 0 };
const user: User = { userId: "alice", displayName: null, state: "ACTIVE", limits, createdAt: 0 };
const token: Token = {
  tokenId: "tok_1",
  userId: "alice",
  name: "laptop",
  scope: "full",
  last4: "abcd",
  createdAt: 0,
  expiresAt: null,
  revokedAt: null,
  lastUsedAt: null,
  replacedBy: null,
};
const clock = { now: () => 1_000_000, monotonicMs: () => 0, sleep: () => Promise.resolve() };

function usersThat(touchToken: UserStore["touchToken"], findByTokenHash: UserStore["findByTokenHash"]): UserStore {
  return { touchToken, findByTokenHash } satisfies Partial<UserStore> as unknown as UserStore;
}

test("a database without space keeps nobody out: when a token was last used is not worth a refusal", async () => {
  const full = () => Promise.reject(new AppError("storage_full", "the database has no space left"));
  const authenticate = authenticator(
    usersThat(full, async () => ({ token, user })),
    clock,
    "the-admin-token-of-this-test",
  );
  expect(await authenticate(`Bearer ${newToken()}`)).toEqual({ kind: "user", userId: "alice", tokenId: "tok_1", scope: "full" });
});

test("a token whose checksum is wrong costs no look-up", async () => {
  let looks = 0;
  const find: UserStore["findByTokenHash"] = async () => {
    looks += 1;
    return { token, user };
  };
  const authenticate = authenticator(
    usersThat(async () => undefined, find),
    clock,
    "the-admin-token-of-this-test",
  );
  const good = newToken();
  const mistyped = `${good.slice(0, 10)}${good[10] === "x" ? "y" : "x"}${good.slice(11)}`;
  for (const bad of [mistyped, good.slice(0, -1), `${good}x`, good.toUpperCase(), "x"])
    await expect(authenticate(`Bearer ${bad}`)).rejects.toMatchObject({ code: "invalid_token" });
  expect(looks).toBe(0);
  expect(await authenticate(`Bearer ${good}`)).toMatchObject({ userId: "alice" });
  expect(looks).toBe(1);
});
