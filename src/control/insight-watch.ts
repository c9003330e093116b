/** Looks at the metrics of what runs and writes each alert to its task's events, once an attempt; by the server that leads. */
import { alertsOf } from "../domain/insight/alerts.ts";
import type { RunPace } from "../domain/insight/pace.ts";
import type { Line } from "../domain/insight/stitch.ts";
import type { NewTaskEvent, Task } from "../domain/types.ts";
import type { Insight } from "./insight.ts";
import type { Clock, Log, Store } from "./ports.ts";

export type WatchDeps = {
  readonly store: Store;
  readonly insight: Insight;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether this server leads: the others stay silent. */
  readonly leads: () => boolean;
};

export type InsightWatch = {
  /** Of a running task, as it was seen last; null = not seen yet. Never waits for storage. */
  readonly paceOf: (taskId: string) => RunPace | null;
  /** One look at all that runs; for tests, and for the loop. */
  readonly once: () => Promise<void>;
  /** Until the signal aborts; never throws for a task that can't be read. */
  readonly run: (signal: AbortSignal) => Promise<void>;
};

const EVERY_MS = 15_000;
const EVENTS_A_PAGE = 500;

export function insightWatch(deps: WatchDeps): InsightWatch {
  /** What is known to be told, so that quiet looks read no events. */
  const told = new Set<string>();

  const paces = new Map<string, RunPace>();

  const look = async (task: Task): Promise<void> => {
    const { attempts, line } = await deps.insight.task(task);
    const latest = attempts.at(-1);
    if (latest !== undefined) paces.set(task.taskId, await deps.insight.pace(task, latest.attempt));
    const found = alertsOf(task.workload, line.series)
      .map((alert) => ({ ...alert, attempt: attemptOf(task, line, alert.step) }))
      .filter(({ code, attempt }) => !told.has(keyOf(task.taskId, attempt, code)));
    if (found.length === 0) return;
    const before = await codesTold(deps.store, task);
    const fresh = found.filter(({ code, attempt }) => !before.has(keyOf(task.taskId, attempt, code)));
    const events = fresh.map(({ code, step, text, attempt }): NewTaskEvent => ({
      actor: "system",
      attempt,
      type: "alert",
      reason: { code, text },
      data: { step },
    }));
    if (events.length > 0) {
      // On the version that the events were read with: who was first has told it.
      const outcome = await deps.store.tasks.change({
        taskId: task.taskId,
        version: task.version,
        epoch: null,
        at: deps.clock.now(),
        events,
      });
      if (outcome.kind === "stale") return;
      deps.log.info({ task_id: task.taskId, codes: fresh.map(({ code }) => code) }, "alerts were told");
    }
    for (const { code, attempt } of found) told.add(keyOf(task.taskId, attempt, code));
  };

  const once = async (): Promise<void> => {
    if (!deps.leads()) return;
    const running = (await deps.store.tasks.listOpen()).filter(({ state, exportOf }) => state === "RUNNING" && exportOf === null);
    for (const task of running) {
      try {
        await look(task);
      } catch (error) {
        deps.log.debug({ task_id: task.taskId, error: String(error) }, "the metrics can't be looked at now");
      }
    }
    const live = new Set(running.map(({ taskId }) => taskId));
    for (const taskId of paces.keys()) if (!live.has(taskId)) paces.delete(taskId);
    for (const key of told) if (!live.has(key.split(" ")[0] ?? "")) told.delete(key);
  };

  const run = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      try {
        await once();
        await deps.clock.sleep(EVERY_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        deps.log.warn({ error: String(error) }, "the look for alerts failed; the next one starts anew");
        await deps.clock.sleep(EVERY_MS, signal).catch(() => undefined);
      }
    }
  };

  return { paceOf: (taskId) => paces.get(taskId) ?? null, once, run };
}

function keyOf(taskId: string, attempt: number, code: string): string {
  return `${taskId} ${attempt} ${code}`;
}

/** Who did the step: an alert of steps that a resumed attempt kept is not told again. */
function attemptOf({ taskId, attempts }: Task, line: Line, step: number): number {
  const segment = line.segments.findLast((one) => one.fromStep <= step);
  return segment === undefined || segment.taskId !== taskId ? attempts : segment.attempt;
}

/** The alerts that stand in the task's events already, as keys. */
async function codesTold(store: Store, task: Task): Promise<ReadonlySet<string>> {
  const codes = new Set<string>();
  for (let after = 0; ;) {
    const page = await store.tasks.events(task.taskId, after, EVENTS_A_PAGE);
    for (const { type, attempt, reason } of page.rows)
      if (type === "alert" && attempt !== null && reason !== null) codes.add(keyOf(task.taskId, attempt, reason.code));
    const last = page.rows.at(-1);
    if (!page.hasMore || last === undefined) return codes;
    after = last.seq;
  }
}
