/** What is wanted of nodes (durable; their `.want` files are copies), and which nodes attempts failed on. */
import type { Kysely, Selectable } from "kysely";
import type { NodeStore } from "../control/node-ports.ts";
import type { NodeFailure, NodeWish } from "../domain/node-wishes.ts";
import type { Failure } from "../domain/types.ts";
import { writeAudit } from "./audit-store.ts";
import type { Dialect } from "./migrations/migration.ts";
import { storable } from "./storable.ts";
import type { NodeWishTable, Tables } from "./tables.ts";
import { leads } from "./task-change.ts";
import type { WriteQueue } from "./write-queue.ts";

export function makeNodeStore(read: Kysely<Tables>, write: WriteQueue["write"], dialect: Dialect): NodeStore {
  return {
    wishes: async () => (await read.selectFrom("node_wishes").selectAll().orderBy("node").execute()).map(wishOf),
    changeWishes: async (change, epoch) =>
      await write(async ({ db }) => {
        if (epoch !== null && !(await leads(db, dialect, epoch))) return false;
        const query = db.selectFrom("node_wishes").selectAll().orderBy("node");
        const rows = await (dialect === "postgres" ? query.forUpdate() : query).execute();
        const changed = change(rows.map(wishOf));
        if (changed === null) return false;
        if (changed.remove.length > 0)
          await db
            .deleteFrom("node_wishes")
            .where("node", "in", [...changed.remove])
            .execute();
        for (const wish of changed.set) await put(db, wish);
        if (changed.audit !== null) await writeAudit(db, changed.audit);
        return true;
      }),
    failures: async (since) => {
      const rows = await read
        .selectFrom("attempts")
        .select(["node", "submission_id", "ended_at", "failure", "ray_session"])
        .where("ended_at", ">=", since)
        .where("failure", "is not", null)
        .where("node", "is not", null)
        .orderBy("ended_at")
        .limit(10_000)
        .execute();
      return rows.map((row): NodeFailure => ({
        node: row.node ?? "",
        submissionId: row.submission_id,
        at: row.ended_at ?? 0,
        failure: JSON.parse(row.failure ?? "null") as Failure,
        raySession: row.ray_session,
      }));
    },
  };
}

async function put(db: Kysely<Tables>, wish: NodeWish): Promise<void> {
  const { node, ...rest } = storable({
    node: wish.node,
    cordon: Number(wish.cordon),
    drain: Number(wish.drain),
    actor: wish.actor,
    reason: wish.reason,
    gpu_uuids: JSON.stringify(wish.gpuUuids),
    at: wish.at,
  });
  await db
    .insertInto("node_wishes")
    .values({ node, ...rest })
    .onConflict((conflict) => conflict.column("node").doUpdateSet(rest))
    .execute();
}

function wishOf(row: Selectable<NodeWishTable>): NodeWish {
  return {
    node: row.node,
    cordon: row.cordon === 1,
    drain: row.drain === 1,
    actor: row.actor,
    reason: row.reason,
    gpuUuids: JSON.parse(row.gpu_uuids) as readonly string[],
    at: row.at,
  };
}
