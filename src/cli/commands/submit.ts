import type { Command } from "commander";
import type { Api } from "../client.ts";
import { exitOfState, worstExit } from "../outcome.ts";
import { backoffMs, interruptible, isTransient, transientText } from "../patience.ts";
import { EXIT, usageError } from "../problem-error.ts";
import type { Session } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";
import { followToEnd } from "./logs.ts";
import { runPlan } from "./plan.ts";
import { addSubmissionOptions, readSpec, sayWarnings, type SubmissionFlags, submissionQuery } from "./submission.ts";
import { detached, reportWait, waitToEnd } from "./wait.ts";

/** What is done after the task is made. */
export type Attendance = { readonly wait: boolean; readonly follow: boolean; readonly json: boolean };

export type SubmitOptions = Attendance & {
  readonly files: readonly string[];
  readonly flags: SubmissionFlags;
  readonly dryRun: boolean;
  readonly idempotencyKey: string | null;
};

/** Monotonic; after it the user is told how to go on with the same key. */
const RETRY_FOR_MS = 120_000;

export function checkAttendance({ wait, follow }: Attendance): void {
  if (wait && follow) throw usageError("--wait and --follow exclude each other", "--follow also waits for the end");
}

function check(options: SubmitOptions): void {
  const many = options.files.length > 1;
  checkAttendance(options);
  if (options.follow && many) throw usageError("--follow takes one file", "several logs at once can't be read; use --wait");
  if (options.dryRun && many) throw usageError("--dry-run takes one file");
  if (options.dryRun && (options.wait || options.follow)) throw usageError("--dry-run submits nothing to wait for");
  if (many && options.idempotencyKey !== null)
    throw usageError("--idempotency-key takes one file", "a key names one submission; without it each file gets a key of its own");
  checkKey(options.idempotencyKey);
}

export function checkKey(key: string | null): void {
  if (key !== null && !/^[\x20-\x7e]{1,255}$/.test(key))
    throw usageError("the idempotency key must be 1 to 255 printable ASCII characters");
}

/** Posts until it is answered, always with the same key, so that a lost answer never makes a second task. */
export async function sendWithKey<T>(
  session: Session,
  key: string,
  post: (headers: { readonly [name: string]: string }) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { clock, random } = session.world;
  const begun = clock.monotonicMs();
  for (let tries = 0; ; tries += 1) {
    try {
      return await post({ "idempotency-key": key });
    } catch (error) {
      const pause = backoffMs(tries, error, random);
      if (!isTransient(error)) throw error;
      if (clock.monotonicMs() - begun + pause > RETRY_FOR_MS) {
        await session.say(`gave up; to go on without submitting twice, repeat with: --idempotency-key ${visible(key)}`);
        throw error;
      }
      await session.say(
        `not submitted yet: ${visible(transientText(error))}; trying again in ${Math.ceil(pause / 1000)} s, with the same key`,
      );
      await clock.sleep(pause, signal);
    }
  }
}

async function submitOne(
  session: Session,
  api: Api,
  options: SubmitOptions,
  file: string,
): Promise<{ readonly exit: number; readonly taskId: string | null }> {
  const spec = await readSpec(session, file);
  const key = options.idempotencyKey ?? `cli-${session.world.randomHex(16)}`;
  const input = { yaml: spec.bytes, query: submissionQuery(options.flags, session.world.clock.now()), about: spec.source.file };
  let taskId: string | null = null;
  const work = async (signal: AbortSignal): Promise<number> => {
    const { value, raw, header } = await sendWithKey(
      session,
      key,
      (headers) => api.call("createTask", { ...input, headers, signal }),
      signal,
    );
    taskId = value.task_id;
    await sayWarnings(session, file, value.warnings);
    if (options.json) await session.printJsonLine(raw);
    else await saySubmitted(session, "submitted", value.task_id, value.state, header("idempotent-replayed") === "true", options);
    return 0;
  };
  const onInterrupt = async (): Promise<number> => {
    await session.say(`interrupted while submitting ${visible(file)}: whether it was taken is not known.`);
    await session.say(`  look: verlpool list;  or repeat safely with: --idempotency-key ${visible(key)}`);
    return EXIT.interrupted;
  };
  try {
    return { exit: await interruptible(session.world, work, onInterrupt), taskId };
  } catch (error) {
    return { exit: await session.report(error, spec.source), taskId: null };
  }
}

export async function saySubmitted(
  session: Session,
  done: "submitted" | "retried",
  taskId: string,
  state: string,
  replayed: boolean,
  options: Attendance,
): Promise<void> {
  const id = visible(taskId);
  if (options.follow) await session.say(`${replayed ? `was already ${done}` : done}: ${id} (${visible(state)})`);
  else await session.print(id);
  if (options.wait || options.follow) return;
  if (replayed) await session.say("this key was used before: it is the task of then");
  await session.say([`  verlpool logs -f ${id}`, `  verlpool show ${id}`, `  verlpool cancel ${id}`].join("\n"));
}

export async function runSubmit(session: Session, options: SubmitOptions): Promise<number> {
  check(options);
  const [first = ""] = options.files;
  if (options.dryRun) return runPlan(session, { file: first, flags: options.flags, json: options.json });
  // A file that is not there is better known before the first one is submitted.
  if (options.files.length > 1) for (const file of options.files) if (file !== "-") await readSpec(session, file);
  const api = await session.api();
  const taskIds: string[] = [];
  const exits: number[] = [];
  for (const file of options.files) {
    const { exit, taskId } = await submitOne(session, api, options, file);
    exits.push(exit);
    if (taskId !== null) taskIds.push(taskId);
    if (exit === EXIT.interrupted) return exit;
  }
  const failed = exits.find((exit) => exit !== 0) ?? 0;
  if (taskIds.length === 0 || !(options.wait || options.follow)) return failed;
  const end = await attend(session, api, taskIds, options);
  return end === EXIT.interrupted ? end : failed !== 0 ? failed : end;
}

/** Waits for the end, with the log where that is followed. Ctrl-C detaches; a task that is gone meanwhile is exit 102. */
export async function attend(session: Session, api: Api, taskIds: readonly string[], { follow, json }: Attendance): Promise<number> {
  const work = async (signal: AbortSignal): Promise<number> =>
    follow
      ? exitOfState(await followToEnd(session, api, { taskId: taskIds[0] ?? "", attempt: null, tail: null }, { json, raw: false }, signal))
      : worstExit(await waitToEnd(session, api, taskIds, { json, timeoutMs: null }, signal));
  try {
    return await interruptible(session.world, work, () => detached(session, taskIds));
  } catch (error) {
    return reportWait(session, error);
  }
}

export function addSubmit(program: Command, bind: Bind): void {
  const command = leaf(program, "submit <file...>", "Submit TaskSpec files (- reads stdin); prints the task ids", [
    "verlpool submit ppo.yaml --name first-try --label exp=lr --max-runtime 8h",
    "verlpool submit ppo.yaml --follow",
    "verlpool template sft | verlpool submit - --wait && echo trained",
  ]);
  addSubmissionOptions(command)
    .option("--wait", "wait for the end; the exit code says how it ended")
    .option("--follow", "the same, with the log")
    .option("--dry-run", "check only (verlpool plan)")
    .option("--idempotency-key <key>", "a repeat with the same key gives the same task; one is made if absent")
    .option(...JSON_OPTION)
    .action(
      (files: string[], flags: SubmissionFlags & { wait?: true; follow?: true; dryRun?: true; idempotencyKey?: string; json?: true }) =>
        bind((session) =>
          runSubmit(session, {
            files,
            flags,
            wait: flags.wait === true,
            follow: flags.follow === true,
            dryRun: flags.dryRun === true,
            idempotencyKey: flags.idempotencyKey ?? null,
            json: flags.json === true,
          }),
        ),
    );
}
