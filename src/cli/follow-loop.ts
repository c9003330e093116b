/** Follows a task's log to the end of the task, through restarts of the server: it comes back where it was (Last-Event-ID). */
import { z } from "zod";
import type { Api } from "./client.ts";
import { backoffMs, isTransient, transientText } from "./patience.ts";
import { CliError, EXIT, parseJson } from "./problem-error.ts";
import type { Session } from "./session.ts";
import { type ServerEvent, serverEvents } from "./sse.ts";
import { Unreachable } from "./transport.ts";
import { visible } from "./visible.ts";

const LogEvent = z.object({ attempt: z.number(), offset: z.number(), text: z.string().optional(), base64: z.string().optional() });
const AttemptEvent = z.object({ attempt: z.number() });
const EndEvent = z.object({ state: z.string() });

export type FollowOptions = {
  readonly taskId: string;
  readonly attempt: string | null;
  readonly tail: number | null;
  readonly since?: string | null;
  readonly grep?: string | null;
};

export type FollowSink = {
  /** Bytes of the log, each once and in order. `event` is the whole event, for --json. */
  readonly log: (bytes: Uint8Array, event: unknown) => Promise<void>;
  readonly attempt: (attempt: number, event: unknown) => Promise<void>;
  /** The log was cut or replaced; what comes next is from its beginning. */
  readonly truncated: (attempt: number, event: unknown) => Promise<void>;
};

/** A stream that lived so long was a good one, also when the task had nothing to say. */
const HEALTHY_MS = 10_000;

type Position = { attempt: number; end: number; lastId: string };

function parse<S extends z.ZodType>(schema: S, event: ServerEvent): z.output<S> {
  const parsed = schema.safeParse(parseJson(event.data));
  if (parsed.success) return parsed.data;
  throw new CliError("not_understood", `the server sent a ${visible(event.event)} event that is not understood`, EXIT.error);
}

/** What of a log event is new: a server may send again what came before the connection broke. */
function newBytes(event: z.output<typeof LogEvent>, at: Position): Uint8Array {
  const bytes = event.base64 === undefined ? Buffer.from(event.text ?? "") : Buffer.from(event.base64, "base64");
  if (event.attempt < at.attempt) return bytes.subarray(bytes.length);
  const known = event.attempt === at.attempt ? Math.max(0, at.end - event.offset) : 0;
  return bytes.subarray(Math.min(known, bytes.length));
}

async function take(event: ServerEvent, at: Position, sink: FollowSink): Promise<string | null> {
  if (event.event === "end") return parse(EndEvent, event).state;
  if (event.event === "attempt") {
    const { attempt } = parse(AttemptEvent, event);
    await sink.attempt(attempt, { event: "attempt", attempt });
  } else if (event.event === "truncated") {
    const { attempt } = parse(AttemptEvent, event);
    if (attempt === at.attempt) Object.assign(at, { end: 0, lastId: `${attempt}:0` });
    await sink.truncated(attempt, { event: "truncated", attempt });
  } else if (event.event === "log") {
    const log = parse(LogEvent, event);
    const bytes = newBytes(log, at);
    if (bytes.length > 0) await sink.log(bytes, { event: "log", ...log });
    const end = log.offset + (log.base64 === undefined ? Buffer.byteLength(log.text ?? "") : Buffer.from(log.base64, "base64").length);
    if (log.attempt > at.attempt || end > at.end) Object.assign(at, { attempt: log.attempt, end });
    at.lastId = event.id;
  }
  return null;
}

/** One connection: the final state when the stream told it, null when the stream just ended. */
async function once(api: Api, options: FollowOptions, at: Position, sink: FollowSink, connected: () => Promise<void>, signal: AbortSignal) {
  const resumed = at.lastId !== "";
  const answer = await api.open("readLogs", {
    path: { task_id: options.taskId },
    query: {
      follow: "true",
      attempt: options.attempt,
      tail: resumed ? null : options.tail,
      since: resumed ? null : options.since,
      grep: options.grep,
    },
    headers: { accept: "text/event-stream", ...(resumed ? { "last-event-id": at.lastId } : {}) },
    about: options.taskId,
    signal,
  });
  await connected();
  for await (const event of serverEvents(answer.body)) {
    const state = await take(event, at, sink);
    if (state !== null) return state;
  }
  return null;
}

/** The state in which the task ended. Throws what is not worth another try (401, 404, a task of somebody else). */
export async function followLog(
  session: Session,
  api: Api,
  options: FollowOptions,
  sink: FollowSink,
  signal: AbortSignal,
): Promise<string> {
  const { clock, random } = session.world;
  const at: Position = { attempt: 0, end: 0, lastId: "" };
  let tries = 0;
  let told = false;
  let since = Number.POSITIVE_INFINITY;
  const connected = async (): Promise<void> => {
    since = clock.monotonicMs();
    if (told) await session.say("the server answers again");
    told = false;
  };
  for (;;) {
    const before = at.lastId;
    since = Number.POSITIVE_INFINITY;
    let cause: unknown = new Unreachable(api.where.url, "the stream ended");
    try {
      const state = await once(api, options, at, sink, connected, signal);
      if (state !== null) return state;
    } catch (error) {
      if (!isTransient(error, tries)) throw error;
      cause = error;
    }
    if (at.lastId !== before || clock.monotonicMs() - since > HEALTHY_MS) tries = 0;
    // A stream that a proxy cuts now and then is no news; a second failure in a row is.
    if (tries > 0 && !told) {
      told = true;
      await session.say(`the log can't be read now: ${visible(transientText(cause))}; the task goes on, trying again`);
    }
    await clock.sleep(backoffMs(tries, cause, random), signal);
    tries += 1;
  }
}
