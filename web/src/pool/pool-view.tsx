import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { call } from "../api/client.ts";
import { useWords } from "../i18n/language.ts";
import { useMe } from "../me.ts";
import { visible } from "../text/visible.ts";
import { Copy } from "../ui/copy.tsx";
import { Empty, ErrorFace, Loading } from "../ui/faces.tsx";
import { NodeCard, type PoolNode } from "./node-card.tsx";
import { colourOf } from "./task-colour.ts";
import { QueuePicture } from "./queue-picture.tsx";
import { Usage } from "./usage.tsx";

const ASK_EVERY_MS = 5_000;

export function PoolView() {
  const t = useWords();
  const nodes = useNodes();
  const queue = useQuery({
    queryKey: ["queue"],
    queryFn: ({ signal }) => call("readQueue", "GET", "/api/v2/queue", { signal }),
    refetchInterval: ASK_EVERY_MS,
  });
  return (
    <div className="pool">
      <title>{`${t("nav.pool")} · verlpool`}</title>
      <div className="view-head">
        <h1>{t("nav.pool")}</h1>
      </div>
      {nodes.data === undefined ? (
        nodes.isError ? (
          <ErrorFace error={nodes.error} again={() => void nodes.refetch()} />
        ) : (
          <Loading />
        )
      ) : (
        <>
          <Head head={nodes.data.head} />
          <Nodes nodes={nodes.data.nodes} names={queue.data?.running ?? []} />
        </>
      )}
      {queue.data === undefined ? (
        queue.isError ? (
          <ErrorFace error={queue.error} again={() => void queue.refetch()} />
        ) : null
      ) : (
        <QueuePicture queue={queue.data} />
      )}
      <Usage />
    </div>
  );
}

/** Every node of the pool: a page of them at a time, until there are no more. */
function useNodes() {
  const pages = useInfiniteQuery({
    queryKey: ["nodes"],
    initialPageParam: "",
    queryFn: ({ signal, pageParam }) =>
      call("listNodes", "GET", "/api/v2/nodes", { query: { limit: 200, cursor: pageParam === "" ? undefined : pageParam }, signal }),
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: ASK_EVERY_MS,
  });
  const data = useMemo(() => {
    const [first] = pages.data?.pages ?? [];
    return first === undefined ? undefined : { head: first.head, nodes: pages.data?.pages.flatMap((page) => page.nodes) ?? [] };
  }, [pages.data]);
  if (pages.hasNextPage && !pages.isFetching) void pages.fetchNextPage();
  return { ...pages, data };
}

type Nodes = Awaited<ReturnType<typeof call<"listNodes">>>;

function Head({ head }: { readonly head: Nodes["head"] }) {
  const t = useWords();
  return (
    <section className={head.state === "up" ? "card head-card" : "card head-card down"} aria-labelledby="head-title">
      <h2 id="head-title">{t("pool.head")}</h2>
      <span className={`badge tone-${head.state === "up" ? "good" : "bad"}`}>
        {t(head.state === "up" ? "pool.headUp" : "pool.headDown")}
      </span>
      {head.text === null ? null : <span lang="en">{visible(head.text)}</span>}
      {head.address === null ? null : <span className="mono">{visible(head.address)}</span>}
      {head.epoch === null ? null : <span className="muted">{t("pool.epoch", { n: head.epoch })}</span>}
      {head.session === null ? null : (
        <span className="muted">
          {t("pool.session")} <span className="mono">{visible(head.session)}</span> <Copy text={head.session} what={t("pool.session")} />
        </span>
      )}
    </section>
  );
}

function Nodes({
  nodes,
  names,
}: {
  readonly nodes: readonly PoolNode[];
  readonly names: readonly { readonly task_id: string; readonly name: string | null }[];
}) {
  const t = useWords();
  const me = useMe();
  const total = nodes.reduce((sum, node) => sum + node.gpus.total, 0);
  const free = nodes.reduce((sum, node) => sum + node.gpus.free, 0);
  const tasks = [...new Set(nodes.flatMap((node) => node.held.flatMap((one) => one.task_id ?? [])))];
  const colours = new Map(tasks.map((task, n) => [task, colourOf(n)]));
  const nameOf = (task: string): string => visible(names.find((one) => one.task_id === task)?.name ?? task);
  return (
    <section aria-labelledby="nodes-title">
      <h2 id="nodes-title">
        {t("pool.nodes", { n: nodes.length })} <span className="muted">{t("pool.gpus", { free, total })}</span>
      </h2>
      {nodes.length === 0 ? (
        <Empty title={t("pool.none")}>
          <p>{t("pool.noneHint")}</p>
        </Empty>
      ) : null}
      <ul className="nodes">
        {nodes.map((node) => (
          <NodeCard key={node.node} node={node} colours={colours} nameOf={nameOf} isAdmin={me.role === "admin"} />
        ))}
      </ul>
    </section>
  );
}
