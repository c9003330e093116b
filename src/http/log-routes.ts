/** Logs: raw bytes by range, or as they grow. */
import { AppError } from "../domain/app-error.ts";
import type { Task } from "../domain/types.ts";
import { type FollowDeps, type FollowFrom, followLog, type LogEvent } from "../control/follow-log.ts";
import { checkPattern, type LogPart, type LogRequest, MAX_LOG_BYTES, readAllLogs, readLog } from "../control/read-logs.ts";
import { checkFiles } from "../control/files-gone.ts";
import { getTask } from "../control/read-tasks.ts";
import { sharedLooks } from "../control/shared-look.ts";
import type { Answer, Call, RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";

const DEFAULT_TAIL = 2000;
/** A comment at least so often keeps proxies from closing a quiet stream. */
const COMMENT_EVERY_MS = 15_000;
const LAST_EVENT_ID = /^([1-9]\d{0,5}):(\d{1,15})$/;

export function logRoutes(deps: HttpDeps): Pick<RouteFunctions, "readLogs"> {
  const following = { ...deps, shared: sharedLooks(deps.clock) };
  return {
    readLogs: async (call) => {
      const task = await getTask(deps.store, call.principal, call.params["task_id"] ?? "");
      checkFiles(task);
      // Checked before the first byte: after it there is no status left to say so with.
      checkPattern(call.query.grep ?? null);
      if (call.query.follow === "true") return { body: { kind: "sse", events: stream(following, call, task, startOf(call)) } };
      return raw(await readPart(deps, call, task));
    },
  };
}

function readPart(deps: HttpDeps, call: Call<"readLogs">, task: Task): Promise<LogPart> {
  const { attempt, tail, offset, limit, since, grep = null } = call.query;
  const given = Object.entries({ tail, offset, since }).filter(([, value]) => value !== undefined);
  if (given.length > 1) throw new AppError("bad_parameter", `give either ${given.map(([name]) => name).join(" or ")}, not both`);
  if (attempt === "all") {
    if (offset !== undefined || since !== undefined) throw new AppError("bad_parameter", "offset and since need one attempt, not all");
    return readAllLogs(deps, task, tail ?? DEFAULT_TAIL, grep);
  }
  const which = attempt === "latest" ? "latest" : Number(attempt);
  return readLog(deps, task, which, { from: fromOf(call.query), limit: limit ?? MAX_LOG_BYTES, grep });
}

/** What to look for is looked for in all of the log, unless a part was asked for. */
function fromOf({ tail, offset, since, grep }: Call<"readLogs">["query"]): LogRequest["from"] {
  if (since !== undefined) return { since: Date.parse(since) };
  if (offset !== undefined || (grep !== undefined && tail === undefined)) return { offset: offset ?? 0 };
  return { tail: tail ?? DEFAULT_TAIL };
}

function raw(part: LogPart): Answer {
  return {
    headers: {
      "X-Log-Attempt": String(part.attempt),
      "X-Log-Start": String(part.start),
      "X-Log-End": String(part.end),
      "X-Log-Size": String(part.size),
    },
    body: { kind: "raw", type: "text/plain; charset=utf-8", bytes: part.bytes },
  };
}

function startOf(call: Call<"readLogs">): FollowFrom {
  const last = call.header("last-event-id");
  if (last !== undefined) {
    const match = LAST_EVENT_ID.exec(last);
    if (match === null) throw new AppError("bad_parameter", "Last-Event-ID must be <attempt>:<end offset>");
    return { attempt: Number(match[1]), offset: Number(match[2]) };
  }
  const { attempt, offset, since } = call.query;
  if (since !== undefined) {
    if (offset !== undefined || attempt !== "latest")
      throw new AppError("bad_parameter", "follow from since on takes the latest attempt, and no offset");
    return null;
  }
  const one = attempt === "latest" || attempt === "all" ? null : Number(attempt);
  if (one === null) return attempt === "all" ? { attempt: 1, offset: 0 } : null;
  return { attempt: one, offset: offset ?? 0 };
}

async function* stream(deps: FollowDeps, call: Call<"readLogs">, task: Task, from: FollowFrom): AsyncGenerator<string | Uint8Array> {
  // Proxies and clients see the headers only with the first bytes.
  yield ": following\n\n";
  let spoke = deps.clock.monotonicMs();
  const { tail = DEFAULT_TAIL, since, grep = null } = call.query;
  const request = { from, tail, since: since === undefined ? null : Date.parse(since), grep };
  for await (const event of followLog(deps, task.taskId, request, call.signal)) {
    const now = deps.clock.monotonicMs();
    if (event.kind !== "idle") yield format(event);
    else if (now - spoke < COMMENT_EVERY_MS) continue;
    else yield ": still here\n\n";
    spoke = now;
  }
}

/** What the bytes of an event look like on the wire, made once for all who are given the same. */
const written = new WeakMap<Uint8Array, Uint8Array>();

function format(event: Exclude<LogEvent, { kind: "idle" }>): string | Uint8Array {
  switch (event.kind) {
    case "log": {
      const known = written.get(event.bytes);
      if (known !== undefined) return known;
      const made = Buffer.from(formatLog(event));
      written.set(event.bytes, made);
      return made;
    }
    case "attempt":
    case "truncated":
      return `event: ${event.kind}\ndata: ${JSON.stringify({ attempt: event.attempt })}\n\n`;
    case "end":
      return `event: end\ndata: ${JSON.stringify({ state: event.state })}\n\n`;
  }
}

function formatLog({ attempt, offset, end, bytes }: Extract<LogEvent, { kind: "log" }>): string {
  const text = asText(bytes);
  const payload = text === null ? { attempt, offset, base64: Buffer.from(bytes).toString("base64") } : { attempt, offset, text };
  return `event: log\nid: ${attempt}:${end}\ndata: ${JSON.stringify(payload)}\n\n`;
}

/** Null for bytes that are not UTF-8: they travel as base64, so that every byte survives. */
function asText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
