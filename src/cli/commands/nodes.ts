import type { Command } from "commander";
import type { NodesWire, NodeWire } from "../../contract/nodes.ts";
import { CliError, EXIT } from "../problem-error.ts";
import { paintState, relativeTime, table } from "../output.ts";
import { allPages, joinedRaw } from "../pages.ts";
import { type Session, widthOf } from "../session.ts";
import { visible } from "../visible.ts";
import { gpusText, gpuText } from "./gpu-words.ts";
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

/** One node with all that is known of it. */
function detail(session: Session, node: NodeWire): string {
  const now = session.world.clock.now();
  const gib = (bytes: number | null): string => (bytes === null ? "?" : `${Math.round(bytes / 2 ** 30)} GiB`);
  const { wanted, agent } = node;
  const lines: readonly (readonly [label: string, value: string])[] = [
    ["state", `${node.state}${node.why === null ? "" : `: ${visible(node.why.text)}`}`],
    ...(wanted === null
      ? []
      : [["wanted", `${wanted.cordon ? "cordon" : "drain"} by ${visible(wanted.by)}, ${relativeTime(wanted.at, now)}`] as const]),
    ["gpus", `${node.gpus.free} of ${node.gpus.total} free`],
    ["cpus", `${node.cpus.free} of ${node.cpus.total} free`],
    ...node.held.map(({ task_id, gpus }) => ["task", `${task_id ?? "of another user"} holds ${gpus} GPUs`] as const),
    ...node.gpu_usage.map((gpu) => [`gpu ${gpu.index}`, `${visible(gpu.name)} ${visible(gpu.uuid)}, ${gpuText(gpu)}`] as const),
    ["disk, shm", `${gib(node.disk_free_bytes)}, ${gib(node.shm_free_bytes)} free`],
    [
      "agent",
      agent === null ? "none" : visible(`${agent.version}, Ray ${agent.ray_version ?? "?"}, Python ${agent.python_version ?? "?"}`),
    ],
    ...(node.address === null ? [] : [["address", visible(node.address)] as const]),
    ["seen", relativeTime(node.last_seen_at, now)],
  ];
  return [visible(node.node), ...lines.map(([label, value]) => `  ${label.padEnd(10)} ${value}`)].join("\n");
}

async function runOneNode(session: Session, name: string, json: boolean): Promise<number> {
  const pages = await allPages(await session.api(), "listNodes");
  const node = pages.flatMap((page) => page.value.nodes).find((one) => one.node === name);
  if (node === undefined)
    throw new CliError("not_found", `no node ${visible(name)} has ever been seen`, EXIT.error, ["verlpool nodes lists them"]);
  if (json) await session.printJson(JSON.stringify(node));
  else await session.print(detail(session, node));
  return 0;
}

export async function runNodes(session: Session, options: { readonly json: boolean; readonly node: string | null }): Promise<number> {
  if (options.node !== null) return runOneNode(session, options.node, options.json);
  const api = await session.api();
  const pages = await allPages(api, "listNodes");
  if (options.json) {
    await session.printJson(joinedRaw(pages, "nodes"));
    return 0;
  }
  const now = session.world.clock.now();
  const nodes = pages.flatMap((page) => page.value.nodes);
  // A pool without GPUs has nothing to say there.
  const hasGpus = nodes.some((node) => node.gpu_usage.length > 0);
  const rows = nodes.map((node) => [
    node.node,
    node.state,
    `${node.gpus.free}/${node.gpus.total}`,
    ...(hasGpus ? [gpusText(node.gpu_usage)] : []),
    `${node.cpus.free}/${node.cpus.total}`,
    relativeTime(node.last_seen_at, now),
    tasksText(node.tasks),
    node.why?.text ?? "",
  ]);
  const columns = [
    { title: "NODE", min: 8 },
    { title: "STATE", style: paintState },
    { title: "GPUS FREE", align: "right" as const },
    ...(hasGpus ? [{ title: "GPU USE", align: "right" as const }] : []),
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
  leaf(program, "nodes [node]", "The pool: the head, each node, what is free on it; or all that is known of one", [
    "verlpool nodes",
    "verlpool nodes w3",
    "verlpool nodes --json | jq '[.nodes[].gpus.free] | add'",
  ])
    .option(...JSON_OPTION)
    .action((node: string | undefined, options: { json?: true }) =>
      bind((session) => runNodes(session, { json: options.json === true, node: node ?? null })),
    );
}
