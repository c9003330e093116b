import { Link } from "wouter";
import type { NodesWire } from "../../../src/contract/nodes.ts";
import { known, useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { Ago } from "../ui/time.tsx";
import { NodeActions } from "./node-actions.tsx";

export type PoolNode = NodesWire["nodes"][number];

export type NodeCardProps = {
  readonly node: PoolNode;
  readonly colours: ReadonlyMap<string, string>;
  readonly nameOf: (task: string) => string;
  readonly isAdmin: boolean;
};

/** More cells than these are a number: nobody counts them. */
const MOST_CELLS = 64;

/** A node: its GPUs as cells, each in the colour of the task that holds it. */
export function NodeCard({ node, colours, nameOf, isAdmin }: NodeCardProps) {
  const t = useWords();
  const joined = node.state === "joined";
  return (
    <li className={joined ? "card node" : "card node apart"}>
      <div className="node-head">
        <h3>{visible(node.node)}</h3>
        <span className={`badge tone-${joined ? "good" : "wait"}`}>{known(t, "nodeState", node.state)}</span>
        <span className="muted">{t("pool.cpus", { free: node.cpus.free, total: node.cpus.total })}</span>
        {node.last_seen_at === null ? null : (
          <span className="muted">
            {t("pool.seen")} <Ago at={node.last_seen_at} />
          </span>
        )}
      </div>
      {node.why === null ? null : (
        <p className="notice warn" lang="en">
          {visible(node.why.text)}
        </p>
      )}
      <Cells node={node} colours={colours} nameOf={nameOf} />
      {isAdmin ? <NodeActions node={node} /> : null}
    </li>
  );
}

function Cells({ node, colours, nameOf }: Omit<NodeCardProps, "isAdmin">) {
  const t = useWords();
  const held = node.held.flatMap((one) => Array.from({ length: Math.round(one.gpus) }, () => one.task_id));
  // Ray counts GPUs that no task of ours holds: somebody else's job on the same cluster.
  const isAway = node.state !== "joined" && node.gpus.free === 0 && held.length === 0;
  const others = Math.max(0, Math.round(node.gpus.total - node.gpus.free) - held.length);
  const free = Math.max(0, Math.round(node.gpus.total) - held.length - others);
  const cells: readonly (readonly [colour: string, text: string])[] = [
    ...held.map((task): readonly [string, string] =>
      task === null ? ["hidden", t("pool.hidden")] : [colours.get(task) ?? "hidden", nameOf(task)],
    ),
    ...Array.from({ length: others }, (): readonly [string, string] => (isAway ? ["away", t("pool.away")] : ["other", t("pool.other")])),
    ...Array.from({ length: free }, (): readonly [string, string] => ["free", t("pool.free")]),
  ];
  const own = [...new Set(node.held.flatMap((one) => one.task_id ?? []))];
  return (
    <>
      <p className="sr-only">
        {t("pool.gpus", { free: node.gpus.free, total: node.gpus.total })}.{" "}
        {held.map((task) => (task === null ? t("pool.hidden") : nameOf(task))).join(", ")}
      </p>
      <div className="cells" aria-hidden="true">
        {cells.slice(0, MOST_CELLS).map(([colour, text], n) => (
          <span key={n} className={`cell ${colour}`} title={`GPU ${n + 1}: ${text}`} />
        ))}
      </div>
      <ul className="cell-tasks">
        {own.map((task) => (
          <li key={task}>
            <span className={`cell small ${colours.get(task) ?? ""}`} aria-hidden="true" />
            <Link href={`/tasks/${task}`}>{nameOf(task)}</Link>
          </li>
        ))}
        {held.includes(null) ? <li className="muted">{t("pool.hidden")}</li> : null}
      </ul>
    </>
  );
}
