/** The queue, profiles, and what operators' probes read. */
import { openApiDocument } from "../contract/openapi.ts";
import { renderPause, renderTaskSummary } from "../contract/render.ts";
import { readQueue } from "../control/read-pool.ts";
import type { TaskRow } from "../control/read-tasks.ts";
import { type Answer, ok, type RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";

type Status = "ok" | "degraded" | "failing";
type Check = { readonly status: Status; readonly ms: number };

/** A loop that made no pass for so many ticks is late. */
const LATE_TICKS = 30;

export function poolRoutes(
  deps: HttpDeps,
): Pick<RouteFunctions, "readQueue" | "listProfiles" | "healthz" | "readyz" | "metrics" | "openapi"> {
  return {
    readQueue: async ({ principal }) => {
      const pool = { nodes: deps.loop.view().nodes, maxRunningTasks: deps.settings.maxRunningTasks, order: await deps.order() };
      const queue = await readQueue(deps.store, principal, pool);
      const estimates = await deps.forecast.estimates();
      const summary = ({ task, attempt }: TaskRow) => renderTaskSummary(task, attempt, estimates.get(task.taskId));
      return ok({
        running: queue.running.map(summary),
        waiting: queue.waiting.map((row) => ({ ...summary(row), position: row.position })),
        hidden: queue.hidden,
        paused: renderPause(queue.paused),
        notes: queue.notes,
      });
    },
    listProfiles: async () =>
      ok({ profiles: (await deps.commands.list()).map((profile) => ({ ...profile, verl: [...profile.verl] })), next_cursor: null }),
    healthz: () => Promise.resolve(ok({ status: "ok" })),
    readyz: () => ready(deps),
    metrics: () => metrics(deps),
    openapi: () => Promise.resolve(ok(openApiDocument(deps.version))),
  };
}

async function timed(deps: HttpDeps, work: () => Promise<Status>): Promise<Check> {
  const start = deps.clock.monotonicMs();
  const status = await work().catch((): Status => "failing");
  return { status, ms: Math.round((deps.clock.monotonicMs() - start) * 10) / 10 };
}

/** 503 only when the database fails: without Ray or storage the server still accepts and queues. */
async function ready(deps: HttpDeps): Promise<Answer> {
  const view = deps.loop.view();
  const [database, storage] = await Promise.all([
    timed(deps, () => deps.store.leader.ping().then((): Status => "ok")),
    timed(deps, () =>
      deps.files.probe().then(
        (): Status => "ok",
        (): Status => "degraded",
      ),
    ),
  ]);
  const headUp = view.head?.kind === "up";
  const door = deps.rayDoor();
  const age = view.at === null ? 0 : deps.clock.monotonicMs() - view.at;
  const late = view.lastError !== null || age > deps.settings.tickMs * LATE_TICKS;
  const checks: { [name: string]: Check } = {
    database,
    storage,
    ray: { status: headUp ? "ok" : "degraded", ms: 0 },
    head: { status: headUp ? "ok" : "degraded", ms: 0 },
    // Open = anybody who reaches it runs code: worse than no Ray for the pool, and no reason to stop answering.
    ray_door: { status: door.state === "open" ? "degraded" : "ok", ms: door.ms },
    loop: { status: late ? "degraded" : "ok", ms: Math.round(age) },
  };
  const worst: Status =
    database.status === "failing" ? "failing" : Object.values(checks).some((check) => check.status !== "ok") ? "degraded" : "ok";
  return { status: worst === "failing" ? 503 : 200, body: { kind: "json", value: { status: worst, checks } } };
}

async function metrics(deps: HttpDeps): Promise<Answer> {
  const view = deps.loop.view();
  const { meters } = deps;
  meters.tasks(await deps.store.tasks.countByState());
  meters.set("head_up", view.head?.kind === "up" ? 1 : 0);
  meters.set("leader", view.leads ? 1 : 0);
  meters.set("ray_open", deps.rayDoor().state === "open" ? 1 : 0);
  if (view.at !== null) meters.set("loop_lag_seconds", (deps.clock.monotonicMs() - view.at) / 1000);
  const total = (view.nodes ?? []).reduce((sum, node) => sum + node.gpusTotal, 0);
  const used = (view.nodes ?? []).reduce((sum, node) => sum + node.gpusUsed, 0);
  meters.gpus({ total, used, free: total - used });
  return { body: { kind: "raw", type: meters.contentType, bytes: await meters.text() } };
}
