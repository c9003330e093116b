/** A task brought to a state as the scheduler would bring it, with a log and metrics of its own on storage. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatSubmissionId } from "../../src/domain/ids.ts";
import type { HttpWorld } from "./http-world.ts";

/** Its first attempt runs on node w1, does so without a sign of life, or has ended there. */
export async function bringTo(world: HttpWorld, taskId: string, state: "RUNNING" | "silent" | "SUCCEEDED"): Promise<void> {
  const submissionId = formatSubmissionId(taskId, 1);
  const at = world.clock.now();
  const epoch = await world.store.leader.lead("test", at);
  const event = { attempt: 1, actor: "system", type: "state_changed", reason: null, data: {} } as const;
  const task = await world.store.tasks.get(taskId);
  if (task === null) throw new Error(`there is no task ${taskId}`);
  let { version } = task;
  const change = async (more: object): Promise<void> => {
    const outcome = await world.store.tasks.change({ taskId, version, epoch, at, events: [event], ...more });
    if (outcome.kind !== "applied") throw new Error(`${taskId} could not be brought to ${state}`);
    version = outcome.task.version;
  };
  const placement = [{ node: "w1", gpus: 1, cpus: 3 }];
  await change({
    to: "SUBMITTING",
    patch: { attempts: 1 },
    newAttempt: { attempt: 1, submissionId, placement, raySession: "s", resumedFrom: null },
  });
  await change({ to: "RUNNING", attempt: { attempt: 1, patch: { state: "RUNNING", startedAt: at } } });
  if (state === "silent") await change({ attempt: { attempt: 1, patch: { quarantined: true } } });
  if (state === "SUCCEEDED") await change({ to: state, attempt: { attempt: 1, patch: { state, endedAt: at } } });
  const directory = join(world.root, "users", task.userId, "jobs", submissionId);
  mkdirSync(join(directory, "logs"), { recursive: true });
  writeFileSync(join(directory, "logs", "driver.log"), `the log of ${taskId}\n`);
}
