import type { Command } from "commander";
import type { TaskWire } from "../../contract/resources.ts";
import type { Api } from "../client.ts";
import { exitOfState, sayEnd, worstExit } from "../outcome.ts";
import { parseDuration, taskIdText } from "../parse-values.ts";
import { interruptible } from "../patience.ts";
import { EXIT, isProblem } from "../problem-error.ts";
import { resolveThroughRestart } from "../resolve-task.ts";
import type { Session } from "../session.ts";
import { visible } from "../visible.ts";
import { waitForEnd } from "../wait-loop.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

export type WaitOptions = { readonly ids: readonly string[]; readonly timeoutMs: number | null; readonly json: boolean };

/** After Ctrl-C: the task goes on, and how to come back. */
export async function detached(session: Session, taskIds: readonly string[]): Promise<number> {
  const ids = taskIds.map(visible);
  const first = ids[0] ?? "";
  await session.say(
    [
      "",
      ids.length === 1 ? `detached; the task goes on: ${first}` : `detached; ${ids.length} tasks go on`,
      ids.length === 1 ? `  verlpool logs -f ${first}   to follow it again` : "",
      `  verlpool wait ${ids.join(" ")}   to wait again`,
      `  verlpool cancel ${ids.join(" ")}   to end ${ids.length === 1 ? "it" : "them"}`,
    ]
      .filter((line, at) => at === 0 || line !== "")
      .join("\n"),
  );
  return EXIT.interrupted;
}

/** Of those who wait for an end, a task that is not there has an exit code of its own. */
export async function reportWait(session: Session, error: unknown): Promise<number> {
  const exit = await session.report(error);
  return isProblem(error, "task_not_found") ? EXIT.notFound : exit;
}

/** The exit code of each task, in the order given. Under --json each ended task is printed as one line. */
export async function waitToEnd(
  session: Session,
  api: Api,
  taskIds: readonly string[],
  options: { readonly json: boolean; readonly timeoutMs: number | null },
  signal: AbortSignal,
): Promise<readonly number[]> {
  const show = (task: TaskWire, raw: unknown): Promise<void> => (options.json ? session.printJsonLine(raw) : sayEnd(session, task));
  const seen = await waitForEnd(session, api, taskIds, options.timeoutMs, show, signal);
  const codes = taskIds.map((id) => exitOfState(seen.get(id)?.state ?? ""));
  const open = taskIds.filter((_, at) => codes[at] === EXIT.notFinished);
  if (open.length > 0) await session.say(`not finished in time: ${open.map(visible).join(" ")}; it goes on`);
  return codes;
}

export async function runWait(session: Session, options: WaitOptions): Promise<number> {
  const api = await session.api();
  let taskIds: readonly string[] = [];
  const work = async (signal: AbortSignal): Promise<number> => {
    const found: string[] = [];
    for (const id of options.ids) found.push((await resolveThroughRestart(session, api, id, signal)).task_id);
    taskIds = [...new Set(found)];
    return worstExit(await waitToEnd(session, api, taskIds, options, signal));
  };
  try {
    return await interruptible(session.world, work, () => detached(session, taskIds.length === 0 ? options.ids : taskIds));
  } catch (error) {
    return reportWait(session, error);
  }
}

export function addWait(program: Command, bind: Bind): void {
  leaf(
    program,
    "wait <id...>",
    "Wait until tasks have ended; the exit code says how (0, 100 failed, 101 not finished, 102 not found, 103 canceled)",
    ["verlpool wait 3d4c && echo trained", "verlpool wait 3d4c 77aa --timeout 2h"],
  )
    .option("--timeout <time>", "stop waiting after so long (exit 101): 30m, 2h", parseDuration)
    .option(...JSON_OPTION)
    .action((ids: string[], options: { timeout?: number; json?: true }) =>
      bind((session) =>
        runWait(session, {
          ids: ids.map(taskIdText),
          timeoutMs: options.timeout === undefined ? null : options.timeout * 1000,
          json: options.json === true,
        }),
      ),
    );
}
