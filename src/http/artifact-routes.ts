/** Artifacts: listed, and the small ones sent. */
import { renderArtifacts, renderExport } from "../contract/artifacts.ts";
import { listArtifacts, readArtifact } from "../control/artifacts.ts";
import { keepTask } from "../control/change-task.ts";
import { exportTask } from "../control/export-task.ts";
import { checkFiles } from "../control/files-gone.ts";
import { getTask } from "../control/read-tasks.ts";
import type { Principal, Task } from "../domain/types.ts";
import { callerOf, ok, type RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";
import { taskAnswer } from "./task-answer.ts";

export function artifactRoutes(
  deps: HttpDeps,
): Pick<RouteFunctions, "listArtifacts" | "readArtifact" | "exportTask" | "keepTask" | "unkeepTask"> {
  const find = (call: { principal: Principal; params: { readonly [name: string]: string } }): Promise<Task> =>
    getTask(deps.store, call.principal, call.params["task_id"] ?? "");
  return {
    exportTask: async (call) => {
      const answer = await exportTask({ ...deps.submit, ...deps }, await find(call), call.query.step ?? null, callerOf(call));
      deps.loop.wake();
      return ok(renderExport(answer));
    },
    keepTask: async (call) => taskAnswer(deps, await keepTask(deps, (await find(call)).taskId, true, callerOf(call))),
    unkeepTask: async (call) => taskAnswer(deps, await keepTask(deps, (await find(call)).taskId, false, callerOf(call))),
    listArtifacts: async (call) => {
      const task = await find(call);
      return ok(renderArtifacts(await listArtifacts(deps, task)));
    },
    readArtifact: async (call) => {
      const task = await find(call);
      checkFiles(task);
      const { name, bytes } = await readArtifact(deps, task, call.params["*"] ?? "", call.query.offset ?? null);
      const safe = name.replaceAll(/[^\w.-]/g, "_");
      // Never shown in the page's origin: a job wrote these bytes.
      return {
        headers: { "Content-Disposition": `attachment; filename="${safe}"` },
        body: { kind: "raw", type: "application/octet-stream", bytes },
      };
    },
  };
}
