/** The audit trail: rows are added in the transaction of what they tell of, and never changed or removed. */
import { type Kysely, type Selectable, sql } from "kysely";
import type { AuditStore } from "../control/ports.ts";
import type { AuditAction, AuditEntry, AuditFilter, AuditPlace, AuditRow } from "../domain/audit.ts";
import { isStorable, storable } from "./storable.ts";
import type { AuditTable, Tables } from "./tables.ts";

export function makeAuditStore(read: Kysely<Tables>): AuditStore {
  return {
    list: async (filter, olderThan, limit) => {
      const texts = [filter.actor, filter.action, filter.target, filter.userId];
      if (texts.some((text) => text !== null && !isStorable(text))) return { rows: [], hasMore: false };
      const rows = await auditQuery(read, filter, olderThan, limit + 1).execute();
      return { rows: rows.slice(0, limit).map(auditOf), hasMore: rows.length > limit };
    },
  };
}

/** By time first: the clocks of two servers on one database may differ, and a range of times is then a range of the index. */
export function auditQuery(db: Kysely<Tables>, filter: AuditFilter, olderThan: AuditPlace | null, limit: number) {
  let query = db.selectFrom("audit").selectAll();
  if (filter.actor !== null) query = query.where("actor", "=", filter.actor);
  if (filter.action !== null) query = query.where("action", "=", filter.action);
  if (filter.target !== null) query = query.where("target", "=", filter.target);
  if (filter.userId !== null) query = query.where("user_id", "=", filter.userId);
  if (filter.after !== null) query = query.where("at", ">=", filter.after);
  if (filter.before !== null) query = query.where("at", "<", filter.before);
  if (olderThan !== null) query = query.where(sql<boolean>`(at, id) < (${olderThan.at}, ${olderThan.id})`);
  return query.orderBy("at", "desc").orderBy("id", "desc").limit(limit);
}

export async function writeAudit(db: Kysely<Tables>, entry: AuditEntry): Promise<void> {
  const row = {
    at: entry.at,
    actor: entry.actor,
    action: entry.action,
    target: entry.target,
    data: JSON.stringify(entry.data),
    user_id: entry.userId,
    from_address: entry.from,
    token_id: entry.tokenId,
    request_id: entry.requestId,
  };
  await db.insertInto("audit").values(storable(row)).execute();
}

function auditOf(row: Selectable<AuditTable>): AuditRow {
  return {
    id: row.id,
    at: row.at,
    actor: row.actor,
    action: row.action as AuditAction,
    target: row.target,
    userId: row.user_id,
    from: row.from_address,
    tokenId: row.token_id,
    requestId: row.request_id,
    data: JSON.parse(row.data) as AuditRow["data"],
  };
}
