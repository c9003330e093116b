/** Users and their tokens. */
import { describe, expect, it } from "vitest";
import type { Token } from "../../src/domain/types.ts";
import { AUDIT } from "./audit-samples.ts";
import type { StoreFixture } from "./store-fixture.ts";
import { newUser, NOW } from "./task-samples.ts";

export function userSuite(on: StoreFixture): void {
  describe("users and tokens", () => {
    const token: Token = {
      tokenId: "tok1",
      userId: "alice",
      name: "laptop",
      scope: "full",
      last4: "wxyz",
      createdAt: NOW,
      expiresAt: null,
      revokedAt: null,
      lastUsedAt: null,
      replacedBy: null,
    };

    it("an id is given once", async () => {
      expect(await on.store.users.insertUser(newUser("alice"), AUDIT)).toBe("created");
      expect(await on.store.users.insertUser({ ...newUser("alice"), displayName: "other" }, AUDIT)).toBe("exists");
      expect(await on.store.users.getUser("alice")).toEqual(newUser("alice"));
      expect(await on.store.users.getUser("bob")).toBeNull();
    });

    it("are listed in the order of their ids, page by page", async () => {
      for (const id of ["b", "a-2", "a1", "a"]) await on.store.users.insertUser(newUser(id), AUDIT);
      const first = await on.store.users.listUsers(null, 3);
      expect(first).toMatchObject({ rows: [{ userId: "a" }, { userId: "a-2" }, { userId: "a1" }], hasMore: true });
      expect(await on.store.users.listUsers("a1", 3)).toMatchObject({ rows: [{ userId: "b" }], hasMore: false });
    });

    it("change state and limits, and an unknown one does not", async () => {
      const user = newUser("alice");
      await on.store.users.insertUser(user, AUDIT);
      expect(await on.store.users.setUserState("alice", "DISABLED", AUDIT)).toEqual({ ...user, state: "DISABLED" });
      const limits = { ...user.limits, maxGpus: 8 };
      expect(await on.store.users.setUserLimits("alice", limits, () => AUDIT)).toEqual({ ...user, state: "DISABLED", limits });
      expect(await on.store.users.setUserState("bob", "ACTIVE", AUDIT)).toBeNull();
    });

    it("a token is found by its hash only, with its user, also when revoked", async () => {
      await on.store.users.insertUser(newUser("alice"), AUDIT);
      await on.store.users.insertToken(token, "hash1", AUDIT);
      expect(await on.store.users.findByTokenHash("hash1")).toEqual({ token, user: newUser("alice") });
      expect(await on.store.users.findByTokenHash("hash2")).toBeNull();
      expect(await on.store.users.revokeToken("bob", "tok1", NOW, AUDIT)).toBe(false);
      expect(await on.store.users.revokeToken("alice", "tok2", NOW, AUDIT)).toBe(false);
      expect(await on.store.users.revokeToken("alice", "tok1", NOW + 1, AUDIT)).toBe(true);
      expect(await on.store.users.revokeToken("alice", "tok1", NOW + 2, AUDIT)).toBe(true);
      expect((await on.store.users.findByTokenHash("hash1"))?.token.revokedAt).toBe(NOW + 1);
    });

    it("a hash or a token id is given once, and only to a user who exists", async () => {
      await on.store.users.insertUser(newUser("alice"), AUDIT);
      await on.store.users.insertToken(token, "hash1", AUDIT);
      await expect(on.store.users.insertToken({ ...token, tokenId: "tok2" }, "hash1", AUDIT)).rejects.toThrow(/unique/i);
      await expect(on.store.users.insertToken({ ...token, tokenId: "tok3", userId: "bob" }, "hash3", AUDIT)).rejects.toThrow(
        /foreign key/i,
      );
      expect(await on.store.users.listTokens("alice")).toEqual([token]);
    });

    it("the last use of a token only moves forward", async () => {
      await on.store.users.insertUser(newUser("alice"), AUDIT);
      await on.store.users.insertToken(token, "hash1", AUDIT);
      await on.store.users.touchToken("tok1", NOW + 5);
      await on.store.users.touchToken("tok1", NOW + 3);
      expect((await on.store.users.listTokens("alice"))[0]?.lastUsedAt).toBe(NOW + 5);
    });
  });
}
