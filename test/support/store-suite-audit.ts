/** The audit trail, and the rotation of tokens that it tells of. */
import { beforeEach, describe, expect, it } from "vitest";
import type { TokenSuccessor } from "../../src/control/ports.ts";
import type { AuditEntry, AuditFilter, AuditPlace, AuditRow } from "../../src/domain/audit.ts";
import type { Token } from "../../src/domain/types.ts";
import { AUDIT } from "./audit-samples.ts";
import type { StoreFixture } from "./store-fixture.ts";
import { CREATED, moveTo, newTask, newUser, NOW } from "./task-samples.ts";

const ALL: AuditFilter = { actor: null, action: null, target: null, userId: null, after: null, before: null };

export function auditSuite(on: StoreFixture): void {
  const read = async (filter: Partial<AuditFilter> = {}): Promise<readonly AuditRow[]> =>
    (await on.store.audit.list({ ...ALL, ...filter }, null, 200)).rows;
  const targets = async (filter: Partial<AuditFilter> = {}) => (await read(filter)).map((row) => row.target);
  const user = async (userId: string, entry: Partial<AuditEntry> = {}) =>
    await on.store.users.insertUser(newUser(userId), { ...AUDIT, target: userId, userId, ...entry });

  describe("the audit trail", () => {
    it("gives back what was written, whole, with an id", async () => {
      const entry: AuditEntry = {
        at: NOW + 1,
        actor: "user:lead",
        action: "token.create",
        target: "tok_1",
        userId: "alice",
        from: "2001:db8::1",
        tokenId: "tok_9",
        requestId: "ab",
        data: { name: 'it\'s "100%"', nested: { list: [1, null] } },
      };
      await user("alice", entry);
      expect(await read()).toEqual([{ ...entry, id: expect.any(Number) as number }]);
    });

    it("is read newest first, page by page, without gaps or repeats, though many rows share a time", async () => {
      for (let n = 0; n < 12; n += 1) await user(`u${n}`, { at: NOW + (n % 3) });
      const whole = await read();
      expect(whole.map((row) => row.at - NOW)).toEqual([2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0]);
      const paged: AuditRow[] = [];
      for (let place: AuditPlace | null = null, more = true; more;) {
        const page = await on.store.audit.list(ALL, place, 5);
        paged.push(...page.rows);
        place = page.rows.at(-1) ?? null;
        more = page.hasMore;
      }
      expect(paged).toEqual(whole);
    });

    it("is narrowed by each of its columns and by time, the first instant inside, the last outside", async () => {
      await user("a", { at: NOW });
      await user("b", { at: NOW + 1, actor: "user:b" });
      await user("c", { at: NOW + 2, action: "user.limits", userId: "a" });
      expect(await targets({ userId: "a" })).toEqual(["c", "a"]);
      expect(await targets({ actor: "user:b" })).toEqual(["b"]);
      expect(await targets({ action: "user.limits" })).toEqual(["c"]);
      expect(await targets({ target: "a" })).toEqual(["a"]);
      expect(await targets({ after: NOW + 1 })).toEqual(["c", "b"]);
      expect(await targets({ before: NOW + 1 })).toEqual(["a"]);
      expect(await targets({ after: NOW, before: NOW + 2, userId: "a" })).toEqual(["a"]);
      for (const hostile of ["%", "a\0", "a\ud800", "' or 1=1 --"]) expect(await targets({ target: hostile }), hostile).toEqual([]);
    });

    it("has no row for a change that changes nothing, and none for one that was refused", async () => {
      await user("alice");
      await user("alice", { action: "user.enable" });
      await on.store.users.setUserState("alice", "ACTIVE", { ...AUDIT, action: "user.enable" });
      await on.store.users.setUserLimits("alice", newUser("alice").limits, () => ({ ...AUDIT, action: "user.limits" }));
      await on.store.users.setUserState("nobody", "DISABLED", { ...AUDIT, action: "user.disable" });
      expect((await read()).map((row) => row.action)).toEqual(["user.create"]);
    });

    it("has the admin's change of a task in the same transaction: a stale one leaves neither", async () => {
      const audit: AuditEntry = { ...AUDIT, action: "task.submit", target: "t1", userId: "alice" };
      const outcome = await on.store.tasks.insertTask(newTask("t1"), CREATED, null, null, () => "", audit);
      if (outcome.kind !== "created") throw new Error(outcome.kind);
      const cancel = moveTo(outcome.task, "CANCELED", { audit: { ...audit, action: "task.cancel" } });
      await on.applied(cancel);
      expect((await on.store.tasks.change(cancel)).kind).toBe("stale");
      const limits = { maxQueued: 0, submitsPerMinute: null, maxStorageGib: null };
      await on.store.tasks.insertTask(newTask("t2"), CREATED, null, limits, () => "", { ...audit, target: "t2" });
      expect((await read()).map((row) => [row.action, row.target])).toEqual([
        ["task.cancel", "t1"],
        ["task.submit", "t1"],
      ]);
    });
  });

  describe("limits of a user", () => {
    it("named apart at the same time are both set, and each row tells what it changed", async () => {
      await user("alice");
      const set = async (changes: { maxGpus?: number; maxRunning?: number }) =>
        await on.store.users.setUserLimits("alice", changes, (before, after) => ({
          ...AUDIT,
          action: "user.limits",
          data: { from: before.limits.maxGpus, to: after.limits.maxGpus },
        }));
      await Promise.all([set({ maxGpus: 8 }), set({ maxRunning: 2 })]);
      expect((await on.store.users.getUser("alice"))?.limits).toMatchObject({ maxGpus: 8, maxRunning: 2, maxQueued: 50 });
      expect((await read({ action: "user.limits" })).map((row) => row.data).toReversed()).toEqual([
        { from: null, to: 8 },
        { from: 8, to: 8 },
      ]);
    });
  });

  describe("a rotated token", () => {
    const DAY = 24 * 3600 * 1000;
    const old: Token = {
      tokenId: "tok_old",
      userId: "alice",
      name: "ci",
      scope: "read",
      last4: "aaaa",
      createdAt: NOW - 29 * DAY,
      expiresAt: NOW + DAY,
      revokedAt: null,
      lastUsedAt: NOW - 1,
      replacedBy: null,
    };
    const successor = (more: Partial<TokenSuccessor> = {}): TokenSuccessor => ({
      tokenId: "tok_new",
      hash: "new hash",
      last4: "bbbb",
      expiresAt: undefined,
      ...more,
    });
    const rotate = async (endsAt = NOW, more: Partial<TokenSuccessor> = {}, userId = "alice", tokenId = "tok_old") =>
      await on.store.users.rotateToken(userId, tokenId, NOW, endsAt, successor(more), {
        ...AUDIT,
        action: "token.rotate",
        target: tokenId,
      });

    beforeEach(async () => {
      await user("alice");
      await user("bob");
      await on.store.users.insertToken(old, "old hash", AUDIT);
    });

    it("inherits name, scope and length of life, and ends the old one in the same transaction", async () => {
      const token = {
        ...old,
        tokenId: "tok_new",
        last4: "bbbb",
        createdAt: NOW,
        expiresAt: NOW + 30 * DAY,
        lastUsedAt: null,
      };
      const ended = { ...old, expiresAt: NOW + 5, replacedBy: "tok_new" };
      expect(await rotate(NOW + 5)).toEqual({ kind: "rotated", token, old: ended });
      expect((await on.store.users.findByTokenHash("new hash"))?.token).toEqual(token);
      expect((await on.store.users.findByTokenHash("old hash"))?.token).toEqual(ended);
      expect(await targets({ action: "token.rotate" })).toEqual(["tok_old"]);
    });

    it("never makes the old one live longer, and takes another expiry where one is given", async () => {
      expect(await rotate(NOW + 7 * DAY, { expiresAt: null })).toMatchObject({ token: { expiresAt: null }, old: { expiresAt: NOW + DAY } });
    });

    it("without an end has a successor without an end", async () => {
      await on.store.users.insertToken({ ...old, tokenId: "tok_ever", expiresAt: null }, "hash3", AUDIT);
      expect(await rotate(NOW + 5, {}, "alice", "tok_ever")).toMatchObject({ token: { expiresAt: null }, old: { expiresAt: NOW + 5 } });
    });

    it("is refused when it is not in force, leaving no successor and no row", async () => {
      const refusals = async (): Promise<unknown> => await rotate(NOW, { tokenId: "tok_none", hash: "none" });
      await on.store.users.setUserState("alice", "DISABLED", AUDIT);
      expect(await refusals()).toMatchObject({ kind: "refused", why: "disabled" });
      await on.store.users.setUserState("alice", "ACTIVE", AUDIT);
      await rotate(NOW + 5);
      expect(await refusals()).toMatchObject({ kind: "refused", why: "replaced", old: { replacedBy: "tok_new" } });
      await on.store.users.revokeToken("alice", "tok_old", NOW, AUDIT);
      expect(await refusals()).toMatchObject({ kind: "refused", why: "revoked" });
      await on.store.users.insertToken({ ...old, tokenId: "tok_late", expiresAt: NOW }, "hash3", AUDIT);
      expect(await rotate(NOW, { tokenId: "tok_none", hash: "none" }, "alice", "tok_late")).toMatchObject({
        kind: "refused",
        why: "expired",
      });
      expect(await rotate(NOW, {}, "bob")).toEqual({ kind: "not_found" });
      expect(await rotate(NOW, {}, "alice", "tok_missing")).toEqual({ kind: "not_found" });
      expect(await on.store.users.findByTokenHash("none")).toBeNull();
      expect(await targets({ action: "token.rotate" })).toEqual(["tok_old"]);
    });

    it("has one successor, however many ask at once", async () => {
      const outcomes = await Promise.all([1, 2, 3, 4].map(async (n) => await rotate(NOW + 5, { tokenId: `tok_${n}`, hash: `hash ${n}` })));
      expect(outcomes.map((outcome) => outcome.kind).sort()).toEqual(["refused", "refused", "refused", "rotated"]);
      expect(await on.store.users.listTokens("alice")).toHaveLength(2);
    });
  });
}
