/** Tokens as rows: hashes only. Each change of one is guarded, audited and made in one transaction. */
import type { Insertable, Kysely, Selectable } from "kysely";
import type { RotateOutcome, TokenSuccessor } from "../control/ports.ts";
import type { AuditEntry } from "../domain/audit.ts";
import type { Token } from "../domain/types.ts";
import { writeAudit } from "./audit-store.ts";
import type { Dialect } from "./migrations/migration.ts";
import { isStorable, storable } from "./storable.ts";
import type { Tables, TokenTable } from "./tables.ts";

export async function listTokens(db: Kysely<Tables>, userId: string): Promise<readonly Token[]> {
  const rows = await db.selectFrom("tokens").selectAll().where("user_id", "=", userId).orderBy("created_at").orderBy("token_id").execute();
  return rows.map(tokenOf);
}

export async function insertToken(db: Kysely<Tables>, token: Token, hash: string, audit: AuditEntry): Promise<void> {
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
    replaced_by: token.replacedBy,
  };
  await db.insertInto("tokens").values(storable(row)).execute();
  await writeAudit(db, audit);
}

/** True when the user has this token, which is revoked from then on; only the first revocation sets the time and is audited. */
export async function revokeToken(db: Kysely<Tables>, userId: string, tokenId: string, at: number, audit: AuditEntry): Promise<boolean> {
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

/** Of two rotations of one token at the same time the second finds it replaced; on Postgres it waits for the first one's row. */
export async function rotateToken(
  db: Kysely<Tables>,
  dialect: Dialect,
  userId: string,
  tokenId: string,
  at: number,
  oldEndsAt: number,
  successor: TokenSuccessor,
  audit: AuditEntry,
): Promise<RotateOutcome> {
  if (!isStorable(tokenId) || !isStorable(userId)) return { kind: "not_found" };
  const query = db.selectFrom("tokens").selectAll().where("token_id", "=", tokenId).where("user_id", "=", userId);
  const row = await (dialect === "postgres" ? query.forUpdate() : query).executeTakeFirst();
  if (row === undefined) return { kind: "not_found" };
  const old = tokenOf(row);
  const user = await db.selectFrom("users").select("state").where("user_id", "=", userId).executeTakeFirst();
  const why = user?.state === "DISABLED" ? "disabled" : whyNotInForce(old, at);
  if (why !== null) return { kind: "refused", why, old };

  const life = old.expiresAt === null ? null : at + (old.expiresAt - old.createdAt);
  const { tokenId: newId, hash, last4 } = successor;
  const token: Token = {
    ...old,
    tokenId: newId,
    last4,
    createdAt: at,
    expiresAt: successor.expiresAt === undefined ? life : successor.expiresAt,
    lastUsedAt: null,
  };
  await insertToken(db, token, hash, audit);
  const ended: Token = { ...old, expiresAt: Math.min(old.expiresAt ?? oldEndsAt, oldEndsAt), replacedBy: newId };
  await db.updateTable("tokens").set({ expires_at: ended.expiresAt, replaced_by: newId }).where("token_id", "=", tokenId).execute();
  return { kind: "rotated", token, old: ended };
}

/** A replaced token may still be in its overlap; it has a successor all the same, and that one is to be rotated. */
function whyNotInForce(token: Token, at: number): "revoked" | "replaced" | "expired" | null {
  if (token.revokedAt !== null) return "revoked";
  if (token.replacedBy !== null) return "replaced";
  return token.expiresAt !== null && token.expiresAt <= at ? "expired" : null;
}

export async function findToken(db: Kysely<Tables>, hash: string): Promise<Token | null> {
  if (!isStorable(hash)) return null;
  const row = await db.selectFrom("tokens").selectAll().where("hash", "=", hash).executeTakeFirst();
  return row === undefined ? null : tokenOf(row);
}

/** Never moves back, so late writers do no harm. */
export async function touchToken(db: Kysely<Tables>, tokenId: string, at: number): Promise<void> {
  await db
    .updateTable("tokens")
    .set({ last_used_at: at })
    .where("token_id", "=", tokenId)
    .where((is) => is.or([is("last_used_at", "is", null), is("last_used_at", "<", at)]))
    .execute();
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
    replacedBy: row.replaced_by,
  };
}
