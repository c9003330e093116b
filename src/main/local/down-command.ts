/** `verlpool down` and `verlpool status`: the pool of this machine, by what `up` recorded. */
import { trustingFetch } from "../../cli/tls-trust.ts";
import type { OutputStream } from "../../cli/world.ts";
import { endLeftoverPool } from "../../pool/local-pool.ts";
import { isAlive, signalProcess } from "../../pool/process-record.ts";
import { readApiFile } from "../../storage/api-file.ts";
import { agentsBase } from "../agent/agent-places.ts";
import { listAgentsOf } from "../agent/agent-record.ts";
import { agentTable, viewOf } from "../agent/status-command.ts";
import { clock } from "../clock.ts";
import type { Environment } from "../load-config.ts";
import { CLUSTER, localRoot, placesOf } from "./places.ts";
import { readRecord, removeRecord } from "./run-record.ts";

/** `up` itself drains for 30 s and then kills; longer than this is broken. */
const DOWN_DEADLINE_MS = 120_000;
const LOOK_EVERY_MS = 100;

/** Idempotent: nothing running is success. Ends only processes whose pid, start time and boot are recorded. */
export async function downCommand(
  rootFlag: string | null,
  environment: Environment,
  stderr: OutputStream,
  signal: AbortSignal,
): Promise<number> {
  const root = localRoot(rootFlag, environment);
  const places = placesOf(root, environment);
  const record = readRecord(places.recordFile);
  if (record !== null && isAlive(record.up)) {
    await stderr.write(`verlpool: stopping the pool on ${root} (pid ${record.up.pid}) …\n`);
    signalProcess(record.up, "SIGTERM", "process");
    const start = clock.monotonicMs();
    while (isAlive(record.up)) {
      if (clock.monotonicMs() - start > DOWN_DEADLINE_MS) {
        await stderr.write(`verlpool: pid ${record.up.pid} does not end; look at ${places.logFile}\n`);
        return 1;
      }
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
  }
  const killed = await endLeftoverPool({ stateDir: places.stateDir, tempRoot: "/tmp", clock }, signal);
  removeRecord(places.recordFile);
  await stderr.write(
    killed > 0
      ? `verlpool: ended ${killed} processes that a killed pool had left behind\n`
      : record === null
        ? `verlpool: no pool runs on ${root}\n`
        : "verlpool: down\n",
  );
  return 0;
}

export async function statusCommand(
  rootFlag: string | null,
  json: boolean,
  environment: Environment,
  stdout: OutputStream,
): Promise<number> {
  const root = localRoot(rootFlag, environment);
  const record = readRecord(placesOf(root, environment).recordFile);
  const alive = record !== null && isAlive(record.up);
  const state = !alive ? "down" : record.url === null ? "starting" : "up";
  const processes =
    record === null ? [] : [record.up, ...record.processes].map((one) => ({ name: one.name, pid: one.pid, alive: isAlive(one) }));
  const ready = alive && record.url !== null ? await readiness(record.url, root) : null;
  const agents = listAgentsOf(root, agentsBase(null, environment)).map((one) => viewOf(one));
  const view = {
    root,
    state,
    url: record?.url ?? null,
    dashboard_url: record?.dashboard_url ?? null,
    started_at: record?.started_at ?? null,
    ready: ready?.status ?? null,
    ray_open: ready?.rayIsOpen ?? null,
    processes,
    agents,
  };
  if (json) await stdout.write(`${JSON.stringify(view)}\n`);
  else {
    // On a machine of agents, `up` was never there.
    if (record !== null || agents.length === 0) await stdout.write(textOf(view));
    if (agents.length > 0) await stdout.write(`${agentTable(agents, environment, stdout)}\n`);
  }
  const isUp = record === null ? agents.length > 0 : state === "up";
  return isUp && agents.every((one) => one.state === "runs") ? 0 : 1;
}

type Readiness = { readonly status: string; readonly rayIsOpen: boolean };

async function readiness(url: string, root: string): Promise<Readiness> {
  const fingerprint = readApiFile(root, CLUSTER)?.caFingerprint ?? null;
  const ask = url.startsWith("https:") ? trustingFetch()({ ca: null, fingerprint }) : fetch;
  try {
    const answer = await ask(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) });
    const { status, checks } = (await answer.json()) as { status: string; checks?: { ray_door?: { status: string } } };
    return { status, rayIsOpen: checks?.ray_door?.status === "degraded" };
  } catch {
    return { status: "does not answer", rayIsOpen: false };
  }
}

type View = {
  readonly root: string;
  readonly state: string;
  readonly url: string | null;
  readonly ready: string | null;
  readonly ray_open: boolean | null;
  readonly started_at: string | null;
  readonly processes: readonly { name: string; pid: number; alive: boolean }[];
};

function textOf(view: View): string {
  const head = [`${view.state}  ${view.root}`];
  if (view.state !== "down")
    head.push(`API    ${view.url ?? "not ready yet"}${view.ready === null ? "" : ` (${view.ready})`}`, `since  ${view.started_at ?? ""}`);
  if (view.ray_open === true)
    head.push("Ray    OPEN: its dashboard answers without a token, so whoever reaches it runs code as you (docs/security.md)");
  const left = view.state === "down" ? view.processes.filter((one) => one.alive) : view.processes;
  const rows = left.map((one) => `  ${one.name.padEnd(12)} pid ${String(one.pid).padEnd(8)} ${one.alive ? "runs" : "gone"}`);
  if (view.state === "down" && left.length > 0)
    rows.push(`these outlived the program that started them; end them with: verlpool down --root ${view.root}`);
  return `${[...head, ...rows].join("\n")}\n`;
}
