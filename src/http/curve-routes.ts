/** A task's metrics a step. */
import { checkFiles } from "../control/files-gone.ts";
import { getTask } from "../control/read-tasks.ts";
import { type Columns, readCurves } from "../control/read-curves.ts";
import type { Segment } from "../domain/insight/stitch.ts";
import { ok, type RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";

export function curveRoutes(deps: HttpDeps): Pick<RouteFunctions, "readCurves"> {
  return {
    readCurves: async (call) => {
      const task = await getTask(deps.store, call.principal, call.params["task_id"] ?? "");
      checkFiles(task);
      const { key, view, after_step } = call.query;
      const keys = key === undefined ? null : typeof key === "string" ? [key] : [...new Set(key)];
      const curves = await readCurves(deps.insight, task, { afterStep: after_step ?? -1, keys, view });
      return ok({
        attempts: curves.attempts.map((one) => ({ attempt: one.attempt, ...columns(one) })),
        line: curves.line === null ? null : { ...columns(curves.line), segments: curves.line.segments.map(segment) },
        keys: curves.keys,
        every: curves.every,
        complete: curves.complete,
        next_after_step: curves.nextAfterStep,
      });
    },
  };
}

function columns({ steps, series }: Columns): Columns {
  return { steps, series };
}

function segment(one: Segment) {
  return {
    submission_id: one.submissionId,
    task_id: one.taskId,
    attempt: one.attempt,
    from_step: one.fromStep,
    to_step: one.toStep,
    source: one.source,
  };
}
