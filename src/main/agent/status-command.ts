/** `verlpool status server|head|worker`: what `start` keeps running here. */
import { painter, table } from "../../cli/output.ts";
import type { AgentOptions, OutputStream } from "../../cli/world.ts";
import type { Environment } from "../load-config.ts";
import { agentIdOf } from "./agent-places.ts";
import { type AgentLife, type AgentRecord, lifeOf, listAgentRecords } from "./agent-record.ts";

const LIVES: { readonly [life in AgentLife]: string } = {
  runs: "runs",
  unsupervised: "runs, but its supervisor is gone: start it again, and the next one takes over",
  waits: "ended, is started again",
  failed: "failed at its first start",
  stopping: "is being stopped",
  dead: "gone, its supervisor too: a reboot or a kill; start it again",
};

/** Exit code 0 when every agent asked for runs, 1 otherwise. A worker without a name = all workers of this root here. */
export async function agentStatusCommand(
  options: AgentOptions,
  json: boolean,
  environment: Environment,
  stdout: OutputStream,
): Promise<number> {
  const id = agentIdOf(options, environment);
  const records = listAgentRecords(id.home).filter(({ role, name }) =>
    options.role === "worker" && options.nodeName === null ? role === "worker" : name === id.name,
  );
  const views = records.map((record) => viewOf(record));
  if (json) await stdout.write(`${JSON.stringify({ root: id.root, cluster: id.cluster, agents: views })}\n`);
  else if (views.length === 0) await stdout.write(`no ${options.role} of ${id.root} was started here\n`);
  else await stdout.write(`${agentTable(views, environment, stdout)}\n`);
  return views.length > 0 && views.every(({ state }) => state === "runs") ? 0 : 1;
}

export type AgentView = {
  readonly name: string;
  readonly role: AgentRecord["role"];
  readonly state: AgentLife;
  readonly pid: number | null;
  readonly supervisor_pid: number;
  readonly since: string;
  readonly restarts: number;
  readonly last_end: AgentRecord["last_end"];
  readonly next_start_at: string | null;
  readonly argv: readonly string[];
  readonly log: string;
};

export function viewOf(record: AgentRecord): AgentView {
  return {
    name: record.name,
    role: record.role,
    state: lifeOf(record),
    pid: record.agent?.pid ?? null,
    supervisor_pid: record.supervisor.pid,
    since: record.since,
    restarts: record.restarts,
    last_end: record.last_end,
    next_start_at: record.next_start_at,
    argv: record.argv,
    log: record.log,
  };
}

export function agentTable(views: readonly AgentView[], environment: Environment, stdout: OutputStream): string {
  const columns = [
    { title: "AGENT" },
    { title: "PID" },
    { title: "SINCE" },
    { title: "RESTARTS", align: "right" as const },
    { title: "STATE" },
  ];
  const rows = views.map((view) => [
    view.name,
    view.pid === null ? "-" : String(view.pid),
    view.since,
    String(view.restarts),
    `${LIVES[view.state]}${view.last_end === null || view.state === "runs" ? "" : ` (${view.last_end.text})`}`,
  ]);
  const logs = views.map(({ name, log }) => `log of ${name}: ${log}`);
  return [table(columns, rows, painter(environment, stdout), null), ...logs].join("\n");
}
