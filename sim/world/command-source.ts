/** What stands in for profiles and verl's command line: the shapes are the plan's, and the entrypoint names the directory of the attempt. */
import type { CommandSource } from "../../src/control/command-source.ts";
import { jobDir } from "../../src/domain/storage-layout.ts";
import { cpusOf } from "./launcher.ts";
import { submissionOf, type World } from "./model.ts";

export function commandSource(world: World): CommandSource {
  return {
    choose: async (spec, profileName) => {
      const item = submissionOf(world, profileName);
      return Promise.resolve({
        profile: { name: `${spec.workload}@1`, verlVersion: "0.9.1", exclusive: item?.exclusive ?? false },
        needs: { nodes: spec.nnodes, gpusPerNode: spec.nGpusPerNode, cpusPerNode: cpusOf(spec.nGpusPerNode) },
        settings: {},
        keepCheckpoints: null,
        warnings: [],
      });
    },
    build: async (task, submissionId, attempt, raySession) => {
      const directory = jobDir(task.userId, submissionId);
      return Promise.resolve({
        argv: ["python3"],
        env: { VERLPOOL_ATTEMPT: submissionId },
        needs: { nodes: task.spec.nnodes, gpusPerNode: task.spec.nGpusPerNode, cpusPerNode: cpusOf(task.spec.nGpusPerNode) },
        profileText: "{}\n",
        cwd: directory,
        entrypoint: `exec python3 launch.py ${directory}`,
        attemptJson: { schema: 1, submission_id: submissionId, attempt, ray_session: raySession },
      });
    },
    list: async () => Promise.resolve([]),
  };
}
