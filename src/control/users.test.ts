/** Users, their tokens and who is calling, on a real store. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BY_ADMIN } from "../../test/support/audit-samples.ts";
import { manualClock, type ManualClock } from "../../test/support/manual-clock.ts";
import { NOW } from "../../test/support/task-samples.ts";
import { openStore } from "../store/open-store.ts";
import { authenticator, type Authenticate } from "./authenticate.ts";
import type { Store } from "./ports.ts";
import { createUser, getUser, issueToken, listTokens, revokeToken, setLimits, setUserState, type UserDeps } from "./users.ts";
import { newToken } from "./tokens.ts";

const ADMIN = "admin-token-0123456789";
const LIMITS = { maxQueued: 50, maxRunning: null, maxGpus: null, submitsPerMinute: null, maxStorageGib: null, maxPriority: 0 };

let clock: ManualClock;
let store: Store;
let deps: UserDeps;
let authenticate: Authenticate;

beforeEach(async () => {
  clock = manualClock(NOW);
  let serial = 0;
  const ids = { hex: (bytes: number) => (serial += 1).toString(16).padStart(bytes * 2, "0") };
  store = await openStore({ url: ":memory:", ids, clock });
  deps = { users: store.users, clock, ids, defaultLimits: LIMITS };
  authenticate = authenticator(store.users, clock, ADMIN);
});
afterEach(() => store.close());

function code(expected: string): Error {
  return expect.objectContaining({ code: expected }) as Error;
}

async function tokenOf(userId: string, expiresAt: number | null = null): Promise<{ readonly secret: string; readonly tokenId: string }> {
  const { secret, token } = await issueToken(deps, userId, "laptop", "full", expiresAt, BY_ADMIN);
  return { secret, tokenId: token.tokenId };
}

describe("users", () => {
  it("are created ACTIVE with the operator's limits; an id exists once, for ever", async () => {
    expect(await createUser(deps, "alice", "Alice", BY_ADMIN)).toEqual({
      userId: "alice",
      displayName: "Alice",
      state: "ACTIVE",
      limits: LIMITS,
      createdAt: NOW,
    });
    await expect(createUser(deps, "alice", null, BY_ADMIN)).rejects.toThrow(code("user_exists"));
  });

  it.each(["admin", "root", "common", "A", "", "a--b"])("%j is no user id", async (userId) => {
    await expect(createUser(deps, userId, null, BY_ADMIN)).rejects.toThrow(code("bad_parameter"));
  });

  it("that do not exist are not found, for every call", async () => {
    const calls = [
      () => getUser(deps, "x"),
      () => setUserState(deps, "x", "DISABLED", BY_ADMIN),
      () => setLimits(deps, "x", {}, BY_ADMIN),
      () => listTokens(deps, "x"),
      () => revokeToken(deps, "x", "tok_1", BY_ADMIN),
    ];
    for (const call of calls) await expect(call()).rejects.toThrow(code("not_found"));
  });

  it("keep the limits that were not named", async () => {
    await createUser(deps, "alice", null, BY_ADMIN);
    await setLimits(deps, "alice", { maxGpus: 4 }, BY_ADMIN);
    expect((await setLimits(deps, "alice", { maxPriority: 9 }, BY_ADMIN)).limits).toEqual({ ...LIMITS, maxGpus: 4, maxPriority: 9 });
  });
});

describe("who is calling", () => {
  beforeEach(() => createUser(deps, "alice", null, BY_ADMIN));

  it("the admin by his token, a user by hers", async () => {
    const { secret, tokenId } = await tokenOf("alice");
    expect(await authenticate(`Bearer ${ADMIN}`)).toEqual({ kind: "admin" });
    expect(await authenticate(`Bearer ${secret}`)).toEqual({ kind: "user", userId: "alice", tokenId, scope: "full" });
  });

  it("nobody: a missing token and a bad one are told apart, and no bad one from another", async () => {
    for (const header of [undefined, ""]) await expect(authenticate(header)).rejects.toThrow(code("missing_token"));
    const expired = await tokenOf("alice", NOW + 5);
    const revoked = await tokenOf("alice");
    await revokeToken(deps, "alice", revoked.tokenId, BY_ADMIN);
    clock.advance(5);
    const messages = new Set<string>();
    for (const text of ["x", newToken(), expired.secret, revoked.secret, `${ADMIN}x`, `Basic ${ADMIN}`, "Bearer ", `Bearer ${ADMIN} `]) {
      const header = text.startsWith("B") ? text : `Bearer ${text}`;
      const error = await authenticate(header).then(
        () => null,
        (thrown: unknown) => thrown,
      );
      expect(error, header).toMatchObject({ code: "invalid_token" });
      messages.add((error as Error).message);
    }
    expect([...messages]).toEqual(["invalid token"]);
  });

  it("a disabled user is told so, and is back when enabled", async () => {
    const { secret } = await tokenOf("alice");
    await setUserState(deps, "alice", "DISABLED", BY_ADMIN);
    await expect(authenticate(`Bearer ${secret}`)).rejects.toThrow(code("user_disabled"));
    await expect(tokenOf("alice")).rejects.toThrow(code("wrong_state"));
    await setUserState(deps, "alice", "ACTIVE", BY_ADMIN);
    await authenticate(`Bearer ${secret}`);
  });

  it("is noted at most once a minute", async () => {
    const { secret } = await tokenOf("alice");
    const used = async () => (await listTokens(deps, "alice"))[0]?.lastUsedAt;
    await authenticate(`Bearer ${secret}`);
    expect(await used()).toBe(NOW);
    clock.advance(59_000);
    await authenticate(`Bearer ${secret}`);
    expect(await used()).toBe(NOW);
    clock.advance(1_000);
    await authenticate(`Bearer ${secret}`);
    expect(await used()).toBe(NOW + 60_000);
  });
});

describe("tokens", () => {
  beforeEach(() => createUser(deps, "alice", null, BY_ADMIN));

  it("are shown once: the list has the last four characters and no secret", async () => {
    const { secret } = await tokenOf("alice");
    const listed = await listTokens(deps, "alice");
    expect(listed).toMatchObject([{ name: "laptop", last4: secret.slice(-4), revokedAt: null }]);
    expect(JSON.stringify(listed)).not.toContain(secret);
  });

  it("revoked twice is revoked; another user's is not found", async () => {
    await createUser(deps, "bob", null, BY_ADMIN);
    const { tokenId } = await tokenOf("alice");
    await expect(revokeToken(deps, "bob", tokenId, BY_ADMIN)).rejects.toThrow(code("not_found"));
    await revokeToken(deps, "alice", tokenId, BY_ADMIN);
    await revokeToken(deps, "alice", tokenId, BY_ADMIN);
  });

  it("can't be made expired", async () => {
    await expect(tokenOf("alice", NOW)).rejects.toThrow(code("bad_parameter"));
  });
});
