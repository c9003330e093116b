import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AUDIT } from "../../test/support/audit-samples.ts";
import { openTestStore } from "../../test/support/databases.ts";
import { AppError } from "../domain/app-error.ts";
import type { Token, User } from "../domain/types.ts";
import { authenticator } from "./authenticate.ts";
import type { UserStore } from "./ports.ts";
import { newToken, tokenHash } from "./tokens.ts";

const limits = { maxQueued: null, maxRunning: null, maxGpus: null, submitsPerMinute: null, maxStorageGib: null, maxPriority: 0 };
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

const never: UserStore["touchToken"] = async () => undefined;

test("an admin token that looks like a user's is the admin's, and is never looked up", async () => {
  const admin = newToken();
  const authenticate = authenticator(
    usersThat(never, () => Promise.reject(new Error("looked up"))),
    clock,
    admin,
  );
  expect(await authenticate(`Bearer ${admin}`)).toEqual({ kind: "admin" });
});

test("no beginning of a token, and no continuation, is the token: the admin's or a user's", async () => {
  const admin = "the-admin-token-of-this-test";
  const good = newToken();
  const authenticate = authenticator(
    usersThat(never, async (hash) => (hash === tokenHash(good) ? { token, user } : null)),
    clock,
    admin,
  );
  const refused = async (text: string): Promise<void> =>
    await expect(authenticate(`Bearer ${text}`), text).rejects.toMatchObject({ code: "invalid_token" });
  for (const whole of [admin, good]) {
    for (let length = 1; length < whole.length; length += 1) await refused(whole.slice(0, length));
    for (const more of ["x", whole, "\u0000", "="]) await refused(whole + more);
    await refused(whole.toUpperCase());
  }
  await refused(tokenHash(good));
  await refused(newToken());
});

test("where no admin token is set, an absent header is not it", async () => {
  const authenticate = authenticator(
    usersThat(never, async () => null),
    clock,
    "",
  );
  for (const header of [undefined, "", "Bearer", "Bearer ", "Bearer  "])
    await expect(authenticate(header), String(header)).rejects.toMatchObject({
      code: header === undefined || header === "" ? "missing_token" : "invalid_token",
    });
});

test("a token that is revoked through one server is refused by another of the same database, at its next call", async () => {
  const folder = mkdtempSync(join(tmpdir(), "verlpool-two-servers-"));
  const url = join(folder, "mvp.sqlite3");
  const one = await openTestStore({ url });
  const two = await openTestStore({ url });
  try {
    const [kept, revoked] = [newToken(), newToken()];
    await one.users.insertUser(user, AUDIT);
    await one.users.insertToken(token, tokenHash(kept), AUDIT);
    await one.users.insertToken({ ...token, tokenId: "tok_2" }, tokenHash(revoked), AUDIT);
    const authenticate = authenticator(two.users, clock, "the-admin-token-of-this-test");
    expect(await authenticate(`Bearer ${revoked}`)).toMatchObject({ tokenId: "tok_2" });
    await one.users.revokeToken("alice", "tok_2", 5, AUDIT);
    await expect(authenticate(`Bearer ${revoked}`)).rejects.toMatchObject({ code: "invalid_token" });
    expect(await authenticate(`Bearer ${kept}`)).toMatchObject({ tokenId: "tok_1" });
    await one.users.setUserState("alice", "DISABLED", AUDIT);
    await expect(authenticate(`Bearer ${kept}`)).rejects.toMatchObject({ code: "user_disabled" });
  } finally {
    await one.close();
    await two.close();
    rmSync(folder, { recursive: true });
  }
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
