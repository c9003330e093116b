/** Which nodes nothing may be placed on now, and why, by operators' wishes and their agents' word. Pure. */
import type { NodeRecord } from "./node-record.ts";
import { type NodeWish, wishFor } from "./node-wishes.ts";
import type { Closed, NodeView } from "./types.ts";

export type Floors = { readonly minNodeFreeBytes: number };

/** The nodes with what keeps each of them closed. `heard`: whether the beats of a node's agent move. */
export function closedNodes(
  nodes: readonly NodeView[],
  records: ReadonlyMap<string, NodeRecord>,
  heard: (node: string) => boolean,
  wishes: readonly NodeWish[],
  floors: Floors,
): readonly NodeView[] {
  return nodes.map((view) => {
    const record = records.get(view.node);
    const closed = byWish(view, record, wishes) ?? (record === undefined ? null : byAgent(view, record, heard(view.node), floors));
    return closed === null ? view : { ...view, closed };
  });
}

function byWish({ node }: NodeView, record: NodeRecord | undefined, wishes: readonly NodeWish[]): Closed | null {
  const wish = wishFor(node, record?.gpus.uuids ?? [], wishes);
  return wish === null ? null : { code: "cordoned", text: wishText(wish) };
}

export function wishText({ cordon, actor, reason }: NodeWish): string {
  const who = actor === "system" ? "by the scheduler itself" : `by ${actor === "admin" ? "the admin" : actor}`;
  return `${cordon ? "cordoned" : "drained"} ${who}${reason === null ? "" : `: ${reason}`}`;
}

function byAgent(view: NodeView, record: NodeRecord, isHeard: boolean, floors: Floors): Closed | null {
  const isThisRun = record.rayNodeId === view.rayNodeId;
  // What lies there of an earlier life of the name says nothing of a worker that has no agent now.
  if (!isHeard) return isThisRun ? { code: "not_ready", text: "its agent is silent" } : null;
  const why = record.why?.text ?? record.dirt[0]?.text ?? null;
  const said = (text: string): string => (why === null ? text : `${text}: ${why}`);
  if (record.state === "cordoned") return { code: "cordoned", text: said("cordoned") };
  if (record.state !== "joined") return { code: "not_ready", text: said(`its agent says ${record.state}`) };
  if (record.rayNodeId !== null && !isThisRun) return { code: "not_ready", text: "Ray still shows an earlier run of it" };
  if (record.dirt.length > 0) return { code: "not_ready", text: said("not clean") };
  const { diskFreeBytes } = record;
  if (diskFreeBytes === null || diskFreeBytes >= floors.minNodeFreeBytes) return null;
  return { code: "storage_low", text: `${Math.round((diskFreeBytes / 2 ** 30) * 10) / 10} GiB left on its disk (pool.min_disk_free_gib)` };
}
