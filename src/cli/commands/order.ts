/** hold, release, prioritize, requeue, keep: what a task's owner may do to its place in the queue, and to its files. */
import type { Command } from "commander";
import type { TaskWire } from "../../contract/resources.ts";
import type { Answer, Api } from "../client.ts";
import { taskIdText, wholeNumber } from "../parse-values.ts";
import { resolveTask } from "../resolve-task.ts";
import type { Session } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

export type OrderChange =
  | { readonly kind: "hold" | "release" | "keep" | "unkeep" }
  | { readonly kind: "prioritize"; readonly priority: number }
  | { readonly kind: "requeue"; readonly now: boolean; readonly hold: boolean };
export type OrderOptions = { readonly ids: readonly string[]; readonly change: OrderChange; readonly json: boolean };

function apply(api: Api, taskId: string, about: string, change: OrderChange): Promise<Answer<TaskWire>> {
  const path = { task_id: taskId };
  switch (change.kind) {
    case "hold":
      return api.call("holdTask", { path, about });
    case "release":
      return api.call("releaseTask", { path, about });
    case "keep":
      return api.call("keepTask", { path, about });
    case "unkeep":
      return api.call("unkeepTask", { path, about });
    case "prioritize":
      return api.call("prioritizeTask", { path, about, json: { priority: change.priority } });
    case "requeue":
      return api.call("requeueTask", { path, about, query: { now: String(change.now), hold: String(change.hold) } });
  }
}

function doneText(task: TaskWire): string {
  const requeue = requeueText(task);
  return `${visible(task.task_id)}  ${visible(task.state)}  ${task.held ? "held" : "not held"}  priority ${task.priority}${task.kept ? "  kept" : ""}${requeue === null ? "" : `  ${requeue}`}`;
}

/** Null where nothing of it is to be done. */
export function requeueText({ requeue }: Pick<TaskWire, "requeue">): string | null {
  if (requeue === null) return null;
  return `goes back to the queue ${requeue.now ? "at once" : "after its next complete checkpoint"}${requeue.hold ? ", held" : ""}`;
}

export async function runOrder(session: Session, options: OrderOptions): Promise<number> {
  const api = await session.api();
  let exit = 0;
  for (const id of options.ids) {
    try {
      const { task_id: taskId } = await resolveTask(api, id);
      const { value, raw } = await apply(api, taskId, id, options.change);
      await (options.json ? session.printJsonLine(raw) : session.print(doneText(value)));
    } catch (error) {
      const failed = await session.report(error);
      if (exit === 0) exit = failed;
    }
  }
  return exit;
}

export function addOrder(program: Command, bind: Bind): void {
  const texts = {
    hold: "Keep waiting tasks from starting",
    release: "Let held tasks start again",
    keep: "Keep the files of tasks from the pool's retention",
    unkeep: "Leave the files of tasks to retention again",
  } as const;
  for (const kind of ["hold", "release", "keep", "unkeep"] as const)
    leaf(program, `${kind} <id...>`, texts[kind], [`verlpool ${kind} 3d4c`])
      .option(...JSON_OPTION)
      .action((ids: string[], options: { json?: true }) =>
        bind((session) => runOrder(session, { ids: ids.map(taskIdText), change: { kind }, json: options.json === true })),
      );
  leaf(
    program,
    "requeue <id...>",
    "Stop running tasks after their next complete checkpoint and put them back into the queue, where they keep their place",
    ["verlpool requeue 3d4c --hold", "verlpool requeue 3d4c --now"],
  )
    .option("--now", "stop at once: the steps since the last checkpoint are done again")
    .option("--hold", "hold them then, so that others get the GPUs (verlpool release)")
    .option(...JSON_OPTION)
    .action((ids: string[], options: { now?: true; hold?: true; json?: true }) =>
      bind((session) => {
        const change = { kind: "requeue", now: options.now === true, hold: options.hold === true } as const;
        return runOrder(session, { ids: ids.map(taskIdText), change, json: options.json === true });
      }),
    );
  leaf(program, "prioritize", "Set a waiting task's priority: bigger is sooner, up to your limit", [
    "verlpool prioritize 3d4c 10",
    "verlpool prioritize 3d4c -5",
  ])
    .argument("<id>")
    .argument("<priority>", "-100 to 100", wholeNumber(-100, 100))
    .option(...JSON_OPTION)
    .action((id: string, priority: number, options: { json?: true }) =>
      bind((session) =>
        runOrder(session, { ids: [taskIdText(id)], change: { kind: "prioritize", priority }, json: options.json === true }),
      ),
    );
}
