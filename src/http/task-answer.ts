import { renderTask } from "../contract/render.ts";
import { gpuUseOf } from "../control/gpu-use.ts";
import { withAttempts } from "../control/read-tasks.ts";
import { readSigns } from "../control/task-signs.ts";
import { isTerminal } from "../domain/task-state.ts";
import type { Task } from "../domain/types.ts";
import { type Answer, ok } from "./call.ts";
import type { HttpDeps } from "./deps.ts";

/** A task as GET shows it, with its newest attempt, its estimate, and what of it somebody should look at. */
export async function taskAnswer(deps: Pick<HttpDeps, "store" | "forecast" | "loop" | "clock">, task: Task): Promise<Answer> {
  const [row] = await withAttempts(deps.store, [task]);
  const attempt = row?.attempt ?? null;
  const estimates = isTerminal(task.state) ? null : await deps.forecast.estimates();
  const gpuUse = gpuUseOf(attempt, deps.loop.view().agents, deps.clock.monotonicMs());
  return ok(renderTask(task, attempt, estimates?.get(task.taskId), { ...(await readSigns(deps.store, task)), gpuUse }));
}
