import { renderTask } from "../contract/render.ts";
import { withAttempts } from "../control/read-tasks.ts";
import { isTerminal } from "../domain/task-state.ts";
import type { Task } from "../domain/types.ts";
import { type Answer, ok } from "./call.ts";
import type { HttpDeps } from "./deps.ts";

/** A task as GET shows it, with its newest attempt and its estimate. */
export async function taskAnswer(deps: Pick<HttpDeps, "store" | "forecast">, task: Task): Promise<Answer> {
  const [row] = await withAttempts(deps.store, [task]);
  const estimates = isTerminal(task.state) ? null : await deps.forecast.estimates();
  return ok(renderTask(task, row?.attempt ?? null, estimates?.get(task.taskId)));
}
