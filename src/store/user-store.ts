/** Users, their tokens (hashes only) and the audit lines of what was done to them. A user's row is never deleted, so no id comes back. */
import type { Insertable, Kysely, Selectable } from "kysely";
import type { AuditEntry, UserStore } from "../control/ports.ts";
import type { Token, User } from "../domain/types.ts";
import { isStorable, storable } from "./storable.ts";
import type { Tables, TokenTable, UserTable } from "./tables.ts";
import type { WriteQueue } from "./write-queue.ts";

export function makeUserStore(read: Kysely<Tables>, write: WriteQueue["write"]): UserStore {
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
    setUserState: async (userId, state, audit) => await write(async ({ db }) => await updateUser(db, userId, { state }, audit)),
    setUserLimits: async (userId, limits, audit) =>
      await write(async ({ db }) => await updateUser(db, userId, { limits: JSON.stringify(limits) }, audit)),
    insertToken: async (token, hash, audit) => await write(async ({ db }) => await insertToken(db, token, hash, audit)),
    listTokens: async (userId) => {
      const rows = await read
        .selectFrom("tokens")
        .selectAll()
        .where("user_id", "=", userId)
        .orderBy("created_at")
        .orderBy("token_id")
        .execute();
      return rows.map(tokenOf);
    },
    revokeToken: async (userId, tokenId, at, audit) => await write(async ({ db }) => await revokeToken(db, userId, tokenId, at, audit)),
    findByTokenHash: async (hash) => await findByTokenHash(read, hash),
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

async function updateUser(
  db: Kysely<Tables>,
  userId: string,
  change: Partial<Pick<UserTable, "state" | "limits">>,
  audit: AuditEntry,
): Promise<User | null> {
  if (!isStorable(userId)) return null;
  const row = await db.updateTable("users").set(change).where("user_id", "=", userId).returningAll().executeTakeFirst();
  if (row === undefined) return null;
  await writeAudit(db, audit);
  return userOf(row);
}

async function insertToken(db: Kysely<Tables>, token: Token, hash: string, audit: AuditEntry): Promise<void> {
  const row: Insertable<TokenTable> = {
    token_id: token.tokenId,
    user_id: token.userId,
    name: token.name,
    scope: token.scope,
    hash,
    last4: token.last4,
    created_at: token.createdAt,
    expires_at: token.expiresAt,
    revoked_at: token.revokedAt,
    last_used_at: token.lastUsedAt,
  };
  await db.insertInto("tokens").values(storable(row)).execute();
  await writeAudit(db, audit);
}

/** True when the user has this token, which is revoked from then on; only the first revocation sets the time and is audited. */
async function revokeToken(db: Kysely<Tables>, userId: string, tokenId: string, at: number, audit: AuditEntry): Promise<boolean> {
  if (!isStorable(tokenId) || !isStorable(userId)) return false;
  const token = await db
    .selectFrom("tokens")
    .select("revoked_at")
    .where("token_id", "=", tokenId)
    .where("user_id", "=", userId)
    .executeTakeFirst();
  if (token === undefined) return false;
  if (token.revoked_at !== null) return true;
  const { numUpdatedRows } = await db
    .updateTable("tokens")
    .set({ revoked_at: at })
    .where("token_id", "=", tokenId)
    .where("revoked_at", "is", null)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows === 1n) await writeAudit(db, audit);
  return true;
}

async function findByTokenHash(db: Kysely<Tables>, hash: string): Promise<{ readonly token: Token; readonly user: User } | null> {
  if (!isStorable(hash)) return null;
  const token = await db.selectFrom("tokens").selectAll().where("hash", "=", hash).executeTakeFirst();
  if (token === undefined) return null;
  const user = await getUser(db, token.user_id);
  return user === null ? null : { token: tokenOf(token), user };
}

/** Never moves back, so late writers do no harm. */
async function touchToken(db: Kysely<Tables>, tokenId: string, at: number): Promise<void> {
  await db
    .updateTable("tokens")
    .set({ last_used_at: at })
    .where("token_id", "=", tokenId)
    .where((is) => is.or([is("last_used_at", "is", null), is("last_used_at", "<", at)]))
    .execute();
}

async function writeAudit(db: Kysely<Tables>, entry: AuditEntry): Promise<void> {
  const { at, actor, action, target, data } = entry;
  await db
    .insertInto("audit")
    .values(storable({ at, actor, action, target, data: JSON.stringify(data) }))
    .execute();
}

function userOf(row: Selectable<UserTable>): User {
  return {
    userId: row.user_id,
    displayName: row.display_name,
    state: row.state,
    limits: JSON.parse(row.limits) as User["limits"],
    createdAt: row.created_at,
  };
}

function tokenOf(row: Selectable<TokenTable>): Token {
  return {
    tokenId: row.token_id,
    userId: row.user_id,
    name: row.name,
    scope: row.scope,
    last4: row.last4,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    lastUsedAt: row.last_used_at,
  };
}
