import type { Command } from "commander";
import type { NodesWire } from "../../contract/resources.ts";
import { paintState, relativeTime, table } from "../output.ts";
import { allPages, joinedRaw } from "../pages.ts";
import { type Session, widthOf } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

function tasksText(tasks: readonly (string | null)[]): string {
  const own = tasks.filter((id) => id !== null);
  const others = tasks.length - own.length;
  return [...own, ...(others === 0 ? [] : [`${others} of others`])].join(" ");
}

function headText(session: Session, { head }: NodesWire): string {
  const since = head.since === null ? "" : ` since ${relativeTime(head.since, session.world.clock.now())}`;
  const parts = [head.address === null ? "" : ` at ${visible(head.address)}`, since, head.text === null ? "" : `: ${visible(head.text)}`];
  return `head ${paintState(session.paint, head.state)}${parts.join("")}`;
}

export async function runNodes(session: Session, options: { readonly json: boolean }): Promise<number> {
  const api = await session.api();
  const pages = await allPages(api, "listNodes");
  if (options.json) {
    await session.printJson(joinedRaw(pages, "nodes"));
    return 0;
  }
  const now = session.world.clock.now();
  const rows = pages
    .flatMap((page) => page.value.nodes)
    .map((node) => [
      node.node,
      node.state,
      `${node.gpus.free}/${node.gpus.total}`,
      `${node.cpus.free}/${node.cpus.total}`,
      relativeTime(node.last_seen_at, now),
      tasksText(node.tasks),
      node.why?.text ?? "",
    ]);
  const columns = [
    { title: "NODE", min: 8 },
    { title: "STATE", style: paintState },
    { title: "GPUS FREE", align: "right" as const },
    { title: "CPUS FREE", align: "right" as const },
    { title: "SEEN" },
    { title: "TASKS", min: 12, keep: "end" as const },
    { title: "WHY", min: 10 },
  ];
  const [first] = pages;
  if (first !== undefined) await session.print(headText(session, first.value));
  if (rows.length > 0) await session.print(table(columns, rows, session.paint, widthOf(session)));
  else await session.say("no worker is in the pool; tasks are queued until one joins");
  return 0;
}

export function addNodes(program: Command, bind: Bind): void {
  leaf(program, "nodes", "The pool: the head, each node, what is free on it", [
    "verlpool nodes",
    "verlpool nodes --json | jq '[.nodes[].gpus.free] | add'",
  ])
    .option(...JSON_OPTION)
    .action((options: { json?: true }) => bind((session) => runNodes(session, { json: options.json === true })));
}
