/** PPO, GRPO and SFT over the API, until all have succeeded. */
import type { Api } from "../../src/cli/client.ts";
import { DEMO_TASKS, demoSpec } from "../../src/main/local/demo-tasks.ts";
import type { StubRoot } from "../../test/support/stub-trainer/stub-root.ts";
import { clientOf, eventually, submit, succeeded, userOf } from "./api.ts";
import type { Cluster } from "./cluster.ts";
import type { Report } from "./report.ts";

const JOIN_MS = 240_000;
const TASK_MS = 1_500_000;

/** `trainee`: the stub, where it takes verl's place. */
export async function happyPath(cluster: Cluster, report: Report, trainee: StubRoot["trainee"] | null): Promise<void> {
  const { settings } = cluster;
  const admin = clientOf(cluster.url(), settings.token);
  await report.need("all workers join", async () => {
    await eventually(
      `${settings.workers} workers in \`verlpool nodes\``,
      async () => {
        const { value } = await admin.call("listNodes");
        // Their agents' own word: a head that came back with its memory shows nodes of before as alive for a while.
        const there = value.nodes.filter(
          ({ node, state, gpus }) => node.startsWith("case-worker-") && state === "joined" && gpus.total > 0,
        );
        return value.head.state === "up" && there.length >= settings.workers ? true : null;
      },
      JOIN_MS,
    );
    return "";
  });
  const ids = new Map<string, string>();
  let alice: Api = admin;
  await report.need("a user and her token", async () => {
    alice = await userOf(admin, cluster.url(), "alice");
    return "alice";
  });
  await report.need("submit PPO, GRPO and SFT", async () => {
    for (const demo of DEMO_TASKS) {
      const { workload, nnodes, profile } = demo;
      const spec =
        trainee === null
          ? demoSpec({ ...demo, steps: settings.steps, saveFreq: settings.steps }, cluster.codePath())
          : trainee({ ray: "actors" }, { workload, nnodes }).spec;
      ids.set(workload, await submit(alice, spec, trainee === null ? { profile } : {}));
    }
    return [...ids.values()].join(", ");
  });
  for (const { workload } of DEMO_TASKS) {
    await report.run(`${workload.toUpperCase()} succeeds`, async () => {
      const task = await succeeded(alice, ids.get(workload) ?? "", TASK_MS);
      return `${task.attempts} attempt, step ${task.progress?.step ?? "?"}${trainee === null ? "" : " (stub trainer)"}`;
    });
  }
}
