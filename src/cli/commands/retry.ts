import type { Command } from "commander";
import { instantValue, parseDuration, taskIdText } from "../parse-values.ts";
import { interruptible } from "../patience.ts";
import { EXIT } from "../problem-error.ts";
import { resolveTask } from "../resolve-task.ts";
import type { Session } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";
import { sayWarnings } from "./submission.ts";
import { type Attendance, attend, checkAttendance, checkKey, saySubmitted, sendWithKey } from "./submit.ts";

export type RetryOptions = Attendance & {
  readonly id: string;
  readonly fromScratch: boolean;
  /** Seconds; null = as the old task had it. */
  readonly maxRuntime: number | null;
  readonly deadline: string | null;
  readonly idempotencyKey: string | null;
};

export async function runRetry(session: Session, options: RetryOptions): Promise<number> {
  checkAttendance(options);
  checkKey(options.idempotencyKey);
  const { world } = session;
  const api = await session.api();
  const { task_id: old } = await resolveTask(api, options.id);
  const key = options.idempotencyKey ?? `cli-${world.randomHex(16)}`;
  const query = {
    from_scratch: options.fromScratch ? "true" : undefined,
    max_runtime_s: options.maxRuntime,
    deadline: options.deadline === null ? null : instantValue(options.deadline, world.clock.now()),
  };
  let taskId = "";
  const work = async (signal: AbortSignal): Promise<number> => {
    const { value, raw, header } = await sendWithKey(
      session,
      key,
      (headers) => api.call("retryTask", { path: { task_id: old }, query, headers, about: options.id, signal }),
      signal,
    );
    taskId = value.task_id;
    await sayWarnings(session, old, value.warnings);
    if (options.json) await session.printJsonLine(raw);
    else await saySubmitted(session, "retried", taskId, value.state, header("idempotent-replayed") === "true", options);
    return 0;
  };
  const exit = await interruptible(world, work, async () => {
    await session.say(`interrupted: whether the retry was taken is not known; repeat safely with: --idempotency-key ${visible(key)}`);
    return EXIT.interrupted;
  });
  return exit === 0 && (options.wait || options.follow) ? attend(session, api, [taskId], options) : exit;
}

type Flags = {
  readonly fromScratch?: true;
  readonly maxRuntime?: number;
  readonly deadline?: string;
  readonly wait?: true;
  readonly follow?: true;
  readonly idempotencyKey?: string;
  readonly json?: true;
};

export function addRetry(program: Command, bind: Bind): void {
  leaf(program, "retry <id>", "Make a new task from an ended one; it goes on from its last complete checkpoint", [
    "verlpool retry 3d4c --follow",
    "verlpool retry 3d4c --max-runtime 12h",
    "verlpool retry 3d4c --from-scratch",
  ])
    .option("--from-scratch", "begin anew instead")
    .option("--max-runtime <time>", "another limit than the old task had: 8h, 90m", parseDuration)
    .option("--deadline <time>", "end it at this instant: 2026-08-01T18:00:00Z, or +12h")
    .option("--wait", "wait for the end; the exit code says how it ended")
    .option("--follow", "the same, with the log")
    .option("--idempotency-key <key>", "a repeat with the same key gives the same task; one is made if absent")
    .option(...JSON_OPTION)
    .action((id: string, flags: Flags) =>
      bind((session) =>
        runRetry(session, {
          id: taskIdText(id),
          fromScratch: flags.fromScratch === true,
          maxRuntime: flags.maxRuntime ?? null,
          deadline: flags.deadline ?? null,
          wait: flags.wait === true,
          follow: flags.follow === true,
          idempotencyKey: flags.idempotencyKey ?? null,
          json: flags.json === true,
        }),
      ),
    );
}
