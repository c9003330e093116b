import type { Command } from "commander";
import type { TaskListWire, TaskSummaryWire } from "../../contract/resources.ts";
import type { Answer, Api, CallInput } from "../client.ts";
import { paintState, relativeTime, spanText, table } from "../output.ts";
import { labelValue, repeated, wholeNumber } from "../parse-values.ts";
import { type Session, widthOf } from "../session.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";
import { noteText } from "./task-words.ts";

export type TaskFilter = {
  readonly states: readonly string[];
  readonly workload: string | null;
  readonly labels: readonly string[];
  readonly user: string | null;
};

export type ListOptions = TaskFilter & { readonly limit: number; readonly all: boolean; readonly json: boolean };

/** States as the API spells them: `running` and `RUNNING` are the same. */
export function stateQuery(states: readonly string[]): string | null {
  return states.length === 0 ? null : states.join(",").toUpperCase();
}

const PAGE = 200;

/** Newest first, at most `most` of them, in as many pages as it takes. `next` is the cursor of what was left. */
export async function readTasks(api: Api, filter: TaskFilter, most: number) {
  const tasks: TaskSummaryWire[] = [];
  const raw: unknown[] = [];
  let next: string | null = null;
  do {
    const query: CallInput["query"] = {
      state: stateQuery(filter.states),
      workload: filter.workload,
      label: filter.labels,
      user: filter.user,
      limit: Math.min(PAGE, most - tasks.length),
      cursor: next,
    };
    const answer: Answer<TaskListWire> = await api.call("listTasks", { query });
    tasks.push(...answer.value.tasks);
    raw.push(...(answer.raw as { readonly tasks: readonly unknown[] }).tasks);
    next = answer.value.next_cursor;
  } while (next !== null && tasks.length < most);
  return { tasks, raw, next };
}

export async function runList(session: Session, options: ListOptions): Promise<number> {
  const api = await session.api();
  const { tasks, raw, next } = await readTasks(api, options, options.all ? Number.POSITIVE_INFINITY : options.limit);
  if (options.json) {
    await session.printJson({ tasks: raw, next_cursor: next });
    return 0;
  }
  if (tasks.length === 0) {
    await session.say("no tasks; submit one: verlpool submit FILE (verlpool template ppo writes a file to start from)");
    return 0;
  }
  await session.print(taskTable(session, tasks));
  if (next !== null) await session.say(`the newest ${tasks.length}; more with --limit N or --all`);
  return 0;
}

function taskTable(session: Session, tasks: readonly TaskSummaryWire[]): string {
  const now = session.world.clock.now();
  const owners = new Set(tasks.map((task) => task.user_id));
  const named = tasks.some((task) => task.name !== null);
  const rows = tasks.map((task) => [
    task.task_id,
    task.state,
    ...(named ? [task.name ?? ""] : []),
    ...(owners.size > 1 ? [task.user_id] : []),
    relativeTime(task.created_at, now),
    spanText(task.started_at, task.ended_at, now),
    noteText(task, now),
  ]);
  const columns = [
    { title: "TASK", min: 12, keep: "end" as const },
    { title: "STATE", style: paintState },
    ...(named ? [{ title: "NAME", min: 8 }] : []),
    ...(owners.size > 1 ? [{ title: "USER", min: 6 }] : []),
    { title: "CREATED" },
    { title: "RAN" },
    { title: "NOTE", min: 10 },
  ];
  return table(columns, rows, session.paint, widthOf(session));
}

export function addList(program: Command, bind: Bind): void {
  leaf(program, "list", "Your tasks, newest first", [
    "verlpool list --state running,queued",
    "verlpool ls --label exp=lr --all --json | jq -r .tasks[].task_id",
  ])
    .alias("ls")
    .option("--state <state>", "only these states (commas, or repeat)", repeated)
    .option("--workload <workload>", "only ppo, grpo or sft")
    .option("--label <k=v>", "only with this label (repeat: all of them)", labelValue)
    .option("--user <user>", "admin: only of this user")
    .option("--limit <n>", "at most so many", wholeNumber(1, 1_000_000), 50)
    .option("--all", "all of them")
    .option(...JSON_OPTION)
    .action((options: { state?: string[]; workload?: string; label?: string[]; user?: string; limit: number; all?: true; json?: true }) =>
      bind((session) =>
        runList(session, {
          states: options.state ?? [],
          workload: options.workload ?? null,
          labels: options.label ?? [],
          user: options.user ?? null,
          limit: options.limit,
          all: options.all === true,
          json: options.json === true,
        }),
      ),
    );
}
