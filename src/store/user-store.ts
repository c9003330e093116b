/** Users, their tokens and the audit rows of what was done to them. A user's row is never deleted, so no id comes back. */
import type { Kysely, Selectable } from "kysely";
import type { UserStore } from "../control/ports.ts";
import type { AuditEntry } from "../domain/audit.ts";
import type { Limits, User, UserState } from "../domain/types.ts";
import { writeAudit } from "./audit-store.ts";
import type { Dialect } from "./migrations/migration.ts";
import { isStorable, storable } from "./storable.ts";
import type { Tables, UserTable } from "./tables.ts";
import { findToken, insertToken, listTokens, revokeToken, rotateToken, touchToken } from "./token-store.ts";
import type { WriteQueue } from "./write-queue.ts";

/** Rows of before schema 8 have no such limit. */
const LIMITS_OF_LATER_SCHEMAS = { maxStorageGib: null };

export function makeUserStore(read: Kysely<Tables>, write: WriteQueue["write"], dialect: Dialect): UserStore {
  return {
    insertUser: async (user, audit) => await write(async ({ db }) => await insertUser(db, user, audit)),
    getUser: async (userId) => await getUser(read, userId),
    listUsers: async (afterUserId, limit) => {
      let query = read.selectFrom("users").selectAll();
      if (afterUserId !== null) query = query.where("user_id", ">", afterUserId);
      const rows = await query
        .orderBy("user_id")
        .limit(limit + 1)
        .execute();
      return { rows: rows.slice(0, limit).map(userOf), hasMore: rows.length > limit };
    },
    setUserState: async (userId, state, audit) => await write(async ({ db }) => await setState(db, dialect, userId, state, audit)),
    setUserLimits: async (userId, changes, audit) => await write(async ({ db }) => await setLimits(db, dialect, userId, changes, audit)),
    insertToken: async (token, hash, audit) => await write(async ({ db }) => await insertToken(db, token, hash, audit)),
    listTokens: async (userId) => await listTokens(read, userId),
    revokeToken: async (userId, tokenId, at, audit) => await write(async ({ db }) => await revokeToken(db, userId, tokenId, at, audit)),
    rotateToken: async (userId, tokenId, at, oldEndsAt, successor, audit) =>
      await write(async ({ db }) => await rotateToken(db, dialect, userId, tokenId, at, oldEndsAt, successor, audit)),
    findByTokenHash: async (hash) => {
      const token = await findToken(read, hash);
      const user = token === null ? null : await getUser(read, token.userId);
      return token === null || user === null ? null : { token, user };
    },
    touchToken: async (tokenId, at) => await write(async ({ db }) => await touchToken(db, tokenId, at)),
  };
}

async function insertUser(db: Kysely<Tables>, user: User, audit: AuditEntry): Promise<"created" | "exists"> {
  const row = storable({
    user_id: user.userId,
    display_name: user.displayName,
    state: user.state,
    limits: JSON.stringify(user.limits),
    created_at: user.createdAt,
  });
  const { numInsertedOrUpdatedRows } = await db
    .insertInto("users")
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow();
  if (numInsertedOrUpdatedRows !== 1n) return "exists";
  await writeAudit(db, audit);
  return "created";
}

async function getUser(db: Kysely<Tables>, userId: string): Promise<User | null> {
  if (!isStorable(userId)) return null;
  const row = await db.selectFrom("users").selectAll().where("user_id", "=", userId).executeTakeFirst();
  return row === undefined ? null : userOf(row);
}

/** The user as he is, held for this transaction, so that two changes of his limits both count. */
async function lockUser(db: Kysely<Tables>, dialect: Dialect, userId: string): Promise<User | null> {
  if (!isStorable(userId)) return null;
  const query = db.selectFrom("users").selectAll().where("user_id", "=", userId);
  const row = await (dialect === "postgres" ? query.forUpdate() : query).executeTakeFirst();
  return row === undefined ? null : userOf(row);
}

async function setState(db: Kysely<Tables>, dialect: Dialect, userId: string, state: UserState, audit: AuditEntry): Promise<User | null> {
  const user = await lockUser(db, dialect, userId);
  if (user === null || user.state === state) return user;
  await db.updateTable("users").set({ state }).where("user_id", "=", userId).execute();
  await writeAudit(db, audit);
  return { ...user, state };
}

async function setLimits(
  db: Kysely<Tables>,
  dialect: Dialect,
  userId: string,
  changes: Partial<Limits>,
  audit: (before: User, after: User) => AuditEntry,
): Promise<User | null> {
  const user = await lockUser(db, dialect, userId);
  if (user === null) return null;
  const after: User = { ...user, limits: { ...user.limits, ...changes } };
  const limits = JSON.stringify(after.limits);
  if (limits === JSON.stringify(user.limits)) return user;
  await db.updateTable("users").set({ limits }).where("user_id", "=", userId).execute();
  await writeAudit(db, audit(user, after));
  return after;
}

function userOf(row: Selectable<UserTable>): User {
  return {
    userId: row.user_id,
    displayName: row.display_name,
    state: row.state,
    limits: { ...LIMITS_OF_LATER_SCHEMAS, ...(JSON.parse(row.limits) as User["limits"]) },
    createdAt: row.created_at,
  };
}
