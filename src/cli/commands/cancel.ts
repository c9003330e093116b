import type { Command } from "commander";
import type { Api } from "../client.ts";
import { hasEnded } from "../outcome.ts";
import { paintState } from "../output.ts";
import { labelValue, repeated, taskIdText } from "../parse-values.ts";
import { CliError, EXIT, usageError } from "../problem-error.ts";
import { resolveTask } from "../resolve-task.ts";
import type { Session } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";
import { readTasks } from "./list.ts";

export type CancelOptions = {
  readonly ids: readonly string[];
  readonly states: readonly string[];
  readonly labels: readonly string[];
  readonly user: string | null;
  readonly yes: boolean;
  readonly json: boolean;
};

/** More than so many at once are asked for. */
const ASK_ABOVE = 5;
const OPEN_STATES = ["QUEUED", "PENDING_RESOURCES", "SUBMITTING", "SUBMITTED", "RUNNING"];

type Chosen = { readonly taskIds: readonly string[]; readonly exit: number };

/** An id that is not found is told, and the others are still canceled. */
async function chosenByIds(session: Session, api: Api, ids: readonly string[]): Promise<Chosen> {
  const taskIds = new Set<string>();
  let exit = 0;
  for (const id of ids) {
    try {
      taskIds.add((await resolveTask(api, id)).task_id);
    } catch (error) {
      const failed = await session.report(error);
      if (exit === 0) exit = failed;
    }
  }
  return { taskIds: [...taskIds], exit };
}

async function chosenByFilter(api: Api, options: CancelOptions): Promise<Chosen> {
  const states = options.states.length === 0 ? OPEN_STATES : options.states.flatMap((state) => state.toUpperCase().split(","));
  const ended = states.find(hasEnded);
  if (ended !== undefined) throw usageError(`a task that is ${ended} has ended; there is nothing to cancel`);
  const filter = { states, labels: options.labels, workload: null, user: options.user };
  const { tasks } = await readTasks(api, filter, Number.POSITIVE_INFINITY);
  return { taskIds: tasks.map((task) => task.task_id), exit: 0 };
}

async function confirm(session: Session, taskIds: readonly string[]): Promise<void> {
  const { stdin, stderr } = session.world;
  if (!stdin.isTTY || !stderr.isTTY)
    throw new CliError("needs_yes", `this would cancel ${taskIds.length} tasks, and nobody can be asked here`, EXIT.usage, [
      "add --yes if that is meant",
    ]);
  for (const id of taskIds) await session.say(`  ${visible(id)}`);
  await stderr.write(`cancel these ${taskIds.length} tasks? [y/N] `);
  const answer = (await stdin.readLine())?.trim().toLowerCase();
  if (answer !== "y" && answer !== "yes") throw new CliError("declined", "nothing was canceled", EXIT.error);
}

async function cancelEach(session: Session, api: Api, taskIds: readonly string[], json: boolean): Promise<number> {
  let exit = 0;
  for (const id of taskIds) {
    try {
      const { value, raw } = await api.call("cancelTask", { path: { task_id: id }, about: id });
      if (json) await session.printJsonLine(raw);
      else {
        const note = hasEnded(value.state) ? "" : "  cancel requested";
        await session.print(`${visible(value.task_id)}  ${paintState(session.paint, value.state)}${note}`);
      }
    } catch (error) {
      const failed = await session.report(error);
      if (exit === 0) exit = failed;
    }
  }
  return exit;
}

export async function runCancel(session: Session, options: CancelOptions): Promise<number> {
  const filtered = options.states.length + options.labels.length > 0 || options.user !== null;
  if (filtered && options.ids.length > 0) throw usageError("give ids, or a filter (--state, --label, --user), not both");
  if (!filtered && options.ids.length === 0) throw usageError("which tasks?", "give ids, or a filter: --state queued, --label exp=lr");
  const api = await session.api();
  const chosen = filtered ? await chosenByFilter(api, options) : await chosenByIds(session, api, options.ids);
  if (chosen.taskIds.length === 0 && filtered) await session.say("no task matches");
  if (chosen.taskIds.length > ASK_ABOVE && !options.yes) await confirm(session, chosen.taskIds);
  const exit = await cancelEach(session, api, chosen.taskIds, options.json);
  return chosen.exit === 0 ? exit : chosen.exit;
}

export function addCancel(program: Command, bind: Bind): void {
  leaf(program, "cancel [id...]", "Cancel tasks by id or by filter; asks before more than 5", [
    "verlpool cancel 3d4c",
    "verlpool cancel --state queued --label exp=lr --yes",
  ])
    .option("--state <state>", "all of yours in this state (commas, or repeat)", repeated)
    .option("--label <k=v>", "all of yours with this label that have not ended (repeat)", labelValue)
    .option("--user <user>", "admin: of this user")
    .option("-y, --yes", "do not ask")
    .option(...JSON_OPTION)
    .action((ids: string[], options: { state?: string[]; label?: string[]; user?: string; yes?: true; json?: true }) =>
      bind((session) =>
        runCancel(session, {
          ids: ids.map(taskIdText),
          states: options.state ?? [],
          labels: options.label ?? [],
          user: options.user ?? null,
          yes: options.yes === true,
          json: options.json === true,
        }),
      ),
    );
}
