/** A task of the HTTP world with attempts, which there no scheduler makes. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { formatSubmissionId } from "../../src/domain/ids.ts";
import type { AttemptState, TaskState } from "../../src/domain/types.ts";
import type { HttpWorld } from "./http-world.ts";

/** Puts alice's task into a state with one more attempt, as the scheduler would; resolves to the attempt's directory. */
export async function putAttempt(world: HttpWorld, id: string, n: number, to: TaskState, state: AttemptState): Promise<string> {
  const submissionId = formatSubmissionId(id, n);
  const event = { attempt: n, actor: "system", type: "state_changed", reason: null, data: {} } as const;
  const at = world.clock.now();
  const epoch = await world.store.leader.lead("test", at);
  const change = async (next: TaskState, more: object): Promise<void> => {
    const task = await world.store.tasks.get(id);
    const outcome = await world.store.tasks.change({
      taskId: id,
      version: task?.version ?? 0,
      epoch,
      at,
      to: next,
      events: [event],
      ...more,
    });
    if (outcome.kind !== "applied") throw new Error(`the change to ${next} was ${outcome.kind}`);
  };
  await change("SUBMITTING", {
    patch: { attempts: n },
    newAttempt: { attempt: n, submissionId, placement: [], raySession: "s", resumedFrom: null },
  });
  await change("RUNNING", { attempt: { attempt: n, patch: { state: "RUNNING", startedAt: at } } });
  if (to !== "RUNNING") await change(to, { attempt: { attempt: n, patch: { state, endedAt: at } } });
  const directory = join(world.root, "users/alice/jobs", submissionId);
  mkdirSync(join(directory, "logs"), { recursive: true });
  return directory;
}
