/** Artifacts: listed, and the small ones sent. */
import { renderArtifacts } from "../contract/artifacts.ts";
import { listArtifacts, readArtifact } from "../control/artifacts.ts";
import { getTask } from "../control/read-tasks.ts";
import { ok, type RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";

export function artifactRoutes(deps: HttpDeps): Pick<RouteFunctions, "listArtifacts" | "readArtifact"> {
  return {
    listArtifacts: async (call) => {
      const task = await getTask(deps.store, call.principal, call.params["task_id"] ?? "");
      return ok(renderArtifacts(await listArtifacts(deps, task)));
    },
    readArtifact: async (call) => {
      const task = await getTask(deps.store, call.principal, call.params["task_id"] ?? "");
      const { name, bytes } = await readArtifact(deps, task, call.params["*"] ?? "");
      const safe = name.replaceAll(/[^\w.-]/g, "_");
      // Never shown in the page's origin: a job wrote these bytes.
      return {
        headers: { "Content-Disposition": `attachment; filename="${safe}"` },
        body: { kind: "raw", type: "application/octet-stream", bytes },
      };
    },
  };
}
