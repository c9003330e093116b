import { isUtf8 } from "node:buffer";
import type { Command } from "commander";
import type { Api } from "../client.ts";
import { type FollowOptions, followLog, type FollowSink } from "../follow-loop.ts";
import { exitOfState, sayEnd } from "../outcome.ts";
import { allPages } from "../pages.ts";
import { pastInstantValue, taskIdText, wholeNumber } from "../parse-values.ts";
import { interruptible } from "../patience.ts";
import { usageError } from "../problem-error.ts";
import { resolveTask, resolveThroughRestart } from "../resolve-task.ts";
import type { Session } from "../session.ts";
import { logForTerminal, visible } from "../visible.ts";
import { type Bind, leaf } from "./leaf.ts";
import { detached, reportWait } from "./wait.ts";

export type LogsOptions = {
  readonly id: string;
  readonly follow: boolean;
  readonly tail: number | null;
  /** A number as text, `latest`, `all`. */
  readonly attempt: string | null;
  /** As it was typed: an instant, or so long ago. */
  readonly since: string | null;
  readonly grep: string | null;
  readonly raw: boolean;
  readonly json: boolean;
};

/** The bytes of one answer, and where in the log of which attempt they stand. */
type LogPart = { readonly attempt: number; readonly start: number; readonly bytes: Uint8Array };

type LogWriter = { readonly write: (bytes: Uint8Array) => Promise<void>; readonly end: () => Promise<void> };

/** Exact bytes to a file or pipe (stdout is data); to a terminal only what can't act on it. */
function logWriter(session: Session, raw: boolean): LogWriter {
  const { stdout } = session.world;
  if (raw || !stdout.isTTY) return { write: (bytes) => stdout.write(bytes), end: async () => {} };
  const shown = logForTerminal();
  const put = async (text: string): Promise<void> => (text === "" ? undefined : stdout.write(text));
  return { write: (bytes) => put(shown.push(bytes)), end: () => put(shown.flush()) };
}

/** Follows to the task's end and tells how it ended; the state it ended in. */
export async function followToEnd(
  session: Session,
  api: Api,
  options: FollowOptions,
  form: { readonly json: boolean; readonly raw: boolean },
  signal: AbortSignal,
): Promise<string> {
  const writer = logWriter(session, form.raw);
  const sink: FollowSink = {
    log: (bytes, event) => (form.json ? session.printJsonLine(event) : writer.write(bytes)),
    attempt: (attempt, event) => (form.json ? session.printJsonLine(event) : session.say(`==> attempt ${attempt}`)),
    truncated: (attempt, event) =>
      form.json
        ? session.printJsonLine(event)
        : session.say(`==> the log of attempt ${attempt} is shorter than it was; from its beginning again`),
  };
  const state = await followLog(session, api, options, sink, signal);
  await writer.end();
  if (form.json) await session.printJsonLine({ event: "end", state });
  else await tellEnd(session, api, options.taskId, state, signal);
  return state;
}

async function tellEnd(session: Session, api: Api, taskId: string, state: string, signal: AbortSignal): Promise<void> {
  try {
    await sayEnd(session, await resolveThroughRestart(session, api, taskId, signal));
  } catch (error) {
    signal.throwIfAborted();
    // The end is known and decides the exit code; only its details could not be read.
    await session.say(`${visible(taskId)}  ${visible(state)}; details: verlpool show ${visible(taskId)}`);
    await session.report(error);
  }
}

function sinceOf(session: Session, { since }: LogsOptions): string | null {
  return since === null ? null : pastInstantValue(since, session.world.clock.now());
}

async function runFollow(session: Session, api: Api, options: LogsOptions, since: string | null): Promise<number> {
  let taskId = options.id;
  const work = async (signal: AbortSignal): Promise<number> => {
    taskId = (await resolveThroughRestart(session, api, options.id, signal)).task_id;
    const { attempt, tail, grep } = options;
    return exitOfState(await followToEnd(session, api, { taskId, attempt, tail, since, grep }, options, signal));
  };
  try {
    return await interruptible(session.world, work, () => detached(session, [taskId]));
  } catch (error) {
    return reportWait(session, error);
  }
}

const PAGE_BYTES = 1_048_576;

type Part = { readonly since: string | null; readonly grep: string | null };

/** As the events of a follow: text where the bytes are whole UTF-8, base64 where they are not. */
function partJson({ attempt, start, bytes }: LogPart): unknown {
  const at = { event: "log", attempt, offset: start };
  return isUtf8(bytes) ? { ...at, text: Buffer.from(bytes).toString("utf8") } : { ...at, base64: Buffer.from(bytes).toString("base64") };
}

/** The whole log of one attempt, or what was asked for of it, page by page. */
async function copyLog(api: Api, taskId: string, attempt: string, part: Part, write: (part: LogPart) => Promise<void>): Promise<void> {
  for (let offset: number | null = part.since === null ? 0 : null; ;) {
    const { bytes, header } = await api.bytes("readLogs", {
      path: { task_id: taskId },
      query: { attempt, offset, since: offset === null ? part.since : null, limit: PAGE_BYTES, grep: part.grep },
      about: taskId,
    });
    const [start, end] = [numberOf(header("x-log-start")) ?? offset ?? 0, numberOf(header("x-log-end"))];
    if (bytes.length > 0) await write({ attempt: Number(attempt), start, bytes });
    // With a pattern an empty page is no end: so much was looked through in vain.
    const next: number = end ?? start + bytes.length;
    if (next <= start) return;
    offset = next;
  }
}

function numberOf(text: string | null): number | null {
  const value = text === null || text === "" ? Number.NaN : Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

export async function runLogs(session: Session, options: LogsOptions): Promise<number> {
  if (options.since !== null && options.tail !== null) throw usageError("--since and --tail exclude each other", "give one of them");
  if (options.follow && options.since !== null && options.attempt !== null)
    throw usageError("-f from --since on follows the latest attempt", "leave out --attempt");
  const since = sinceOf(session, options);
  const api = await session.api();
  if (options.follow) return runFollow(session, api, options, since);
  const task = await resolveTask(api, options.id);
  const writer = logWriter(session, options.raw);
  const write = (part: LogPart): Promise<void> => (options.json ? session.printJsonLine(partJson(part)) : writer.write(part.bytes));
  if (task.attempt === null) {
    await session.say(
      `no log yet: ${visible(task.task_id)} is ${visible(task.state)}${task.waiting === null ? "" : `: ${visible(task.waiting.text)}`}`,
    );
    return 0;
  }
  const attempts =
    options.attempt === "all"
      ? (await allPages(api, "listAttempts", { path: { task_id: task.task_id }, about: options.id })).flatMap((page) =>
          page.value.attempts.map((one) => String(one.attempt)),
        )
      : // The number, so that a new attempt in the middle of the reading does not mix two logs.
        [options.attempt === null || options.attempt === "latest" ? String(task.attempt.attempt) : options.attempt];
  for (const attempt of attempts) {
    if (attempts.length > 1) await session.say(`==> attempt ${attempt}`);
    if (options.tail === null) await copyLog(api, task.task_id, attempt, { since, grep: options.grep }, write);
    else {
      const query = { attempt, tail: options.tail, grep: options.grep };
      const { bytes, header } = await api.bytes("readLogs", { path: { task_id: task.task_id }, query, about: options.id });
      await write({ attempt: Number(attempt), start: numberOf(header("x-log-start")) ?? 0, bytes });
    }
  }
  await writer.end();
  return 0;
}

function attemptValue(text: string): string {
  if (/^(latest|all|[1-9]\d{0,5})$/.test(text)) return text;
  throw usageError(`${visible(text)} is no attempt`, "give its number, latest, or all");
}

type LogsFlags = {
  readonly follow?: true;
  readonly tail?: number;
  readonly attempt?: string;
  readonly since?: string;
  readonly grep?: string;
  readonly raw?: true;
  readonly json?: true;
};

export function addLogs(program: Command, bind: Bind): void {
  leaf(program, "logs <id>", "The log of a task's driver; on a terminal control characters are shown, not obeyed", [
    "verlpool logs -f 3d4c",
    "verlpool logs 3d4c --tail 200",
    "verlpool logs 3d4c --attempt 1 > first.log",
    "verlpool logs 3d4c --since 10m",
    "verlpool logs 3d4c --attempt all --grep '(?i)error|out of memory'",
  ])
    .option("-f, --follow", "from the last 2000 lines (or --tail) on until the task ends; the exit code says how (0, 100, 102, 103)")
    .option("--tail <n>", "only the last lines", wholeNumber(0, 10_000))
    .option("--attempt <n>", "a number, latest or all", attemptValue)
    .option("--since <time>", "only what was written after it: 10m (so long ago) or 2026-08-01T18:00:00Z; to 5 s")
    .option("--grep <pattern>", "only lines that match, looked for by the server; (?i) in front: both cases")
    .option("--raw", "the exact bytes also on a terminal")
    .option("--json", "one event a line: log, and with -f attempt and end")
    .action((id: string, options: LogsFlags) =>
      bind((session) =>
        runLogs(session, {
          id: taskIdText(id),
          follow: options.follow === true,
          tail: options.tail ?? null,
          attempt: options.attempt ?? null,
          since: options.since ?? null,
          grep: options.grep ?? null,
          raw: options.raw === true,
          json: options.json === true,
        }),
      ),
    );
}
