/** Logs (raw bytes or SSE) and curves. */
import { AppError } from "../domain/app-error.ts";
import type { MetricPoint } from "../domain/insight/training-log.ts";
import type { Task } from "../domain/types.ts";
import { readCurves } from "../control/read-curves.ts";
import { followLog, type FollowFrom, type LogEvent, type LogPart, MAX_LOG_BYTES, readAllLogs, readLog } from "../control/read-logs.ts";
import { getTask } from "../control/read-tasks.ts";
import { type Answer, type Call, ok, type RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";

const DEFAULT_TAIL = 2000;
/** A comment at least so often keeps proxies from closing a quiet stream. */
const COMMENT_EVERY_MS = 15_000;
const LAST_EVENT_ID = /^([1-9]\d{0,5}):(\d{1,15})$/;

export function logRoutes(deps: HttpDeps): Pick<RouteFunctions, "readLogs" | "readCurves"> {
  return {
    readLogs: async (call) => {
      const task = await getTask(deps.store, call.principal, call.params["task_id"] ?? "");
      if (call.query.follow === "true") return { body: { kind: "sse", events: stream(deps, call, task, startOf(call)) } };
      return raw(await readPart(deps, call, task));
    },
    readCurves: async (call) => {
      const task = await getTask(deps.store, call.principal, call.params["task_id"] ?? "");
      const { key } = call.query;
      const keys = key === undefined ? null : typeof key === "string" ? [key] : key;
      const curves = await readCurves(deps.store, deps.files, task, call.query.after_step ?? -1);
      const steps = curves.flatMap((curve) => curve.points.map((point) => point.step));
      return ok({
        attempts: curves.map(({ attempt, points }) => ({
          attempt,
          steps: points.map((point) => point.step),
          series: seriesOf(points, keys),
        })),
        next_after_step: steps.length === 0 ? null : Math.max(...steps),
      });
    },
  };
}

function readPart(deps: HttpDeps, call: Call<"readLogs">, task: Task): Promise<LogPart> {
  const { attempt, tail, offset, limit } = call.query;
  if (offset !== undefined && tail !== undefined) throw new AppError("bad_parameter", "give either tail or offset, not both");
  if (attempt === "all") {
    if (offset !== undefined) throw new AppError("bad_parameter", "offset needs one attempt, not all");
    return readAllLogs(deps, task, tail ?? DEFAULT_TAIL);
  }
  const which = attempt === "latest" ? "latest" : Number(attempt);
  return readLog(deps, task, which, offset === undefined ? { tail: tail ?? DEFAULT_TAIL } : { offset, limit: limit ?? MAX_LOG_BYTES });
}

function raw(part: LogPart): Answer {
  return {
    headers: { "X-Log-Attempt": String(part.attempt), "X-Log-Start": String(part.start), "X-Log-End": String(part.end) },
    body: { kind: "raw", type: "text/plain; charset=utf-8", bytes: part.bytes },
  };
}

function seriesOf(points: readonly MetricPoint[], keys: readonly string[] | null): { [key: string]: (number | null)[] } {
  const names = keys ?? [...new Set(points.flatMap((point) => Object.keys(point.data)))].toSorted();
  return Object.fromEntries(
    names.map((name) => [
      name,
      points.map((point) => {
        const value = Object.hasOwn(point.data, name) ? point.data[name] : undefined;
        return value === undefined || !Number.isFinite(value) ? null : value;
      }),
    ]),
  );
}

function startOf(call: Call<"readLogs">): FollowFrom {
  const last = call.header("last-event-id");
  if (last !== undefined) {
    const match = LAST_EVENT_ID.exec(last);
    if (match === null) throw new AppError("bad_parameter", "Last-Event-ID must be <attempt>:<end offset>");
    return { attempt: Number(match[1]), offset: Number(match[2]) };
  }
  const { attempt, offset } = call.query;
  const one = attempt === "latest" || attempt === "all" ? null : Number(attempt);
  if (one === null) return attempt === "all" ? { attempt: 1, offset: 0 } : null;
  return { attempt: one, offset: offset ?? 0 };
}

async function* stream(deps: HttpDeps, call: Call<"readLogs">, task: Task, from: FollowFrom): AsyncGenerator<string> {
  // Proxies and clients see the headers only with the first bytes.
  yield ": following\n\n";
  let spoke = deps.clock.monotonicMs();
  for await (const event of followLog(deps, task.taskId, from, call.query.tail ?? DEFAULT_TAIL, call.signal)) {
    const now = deps.clock.monotonicMs();
    if (event.kind !== "idle") yield format(event);
    else if (now - spoke < COMMENT_EVERY_MS) continue;
    else yield ": still here\n\n";
    spoke = now;
  }
}

function format(event: Exclude<LogEvent, { kind: "idle" }>): string {
  switch (event.kind) {
    case "log": {
      const common = { attempt: event.attempt, offset: event.offset };
      const text = asText(event.bytes);
      const payload = text === null ? { ...common, base64: Buffer.from(event.bytes).toString("base64") } : { ...common, text };
      return `event: log\nid: ${event.attempt}:${event.end}\ndata: ${JSON.stringify(payload)}\n\n`;
    }
    case "attempt":
      return `event: attempt\ndata: ${JSON.stringify({ attempt: event.attempt })}\n\n`;
    case "end":
      return `event: end\ndata: ${JSON.stringify({ state: event.state })}\n\n`;
  }
}

/** Null for bytes that are not UTF-8: they travel as base64, so that every byte survives. */
function asText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
