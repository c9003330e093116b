/** A task again: back to the queue while it lives, or as a new task once it has ended. */
import { requeueTask } from "../control/change-task.ts";
import { getTask } from "../control/read-tasks.ts";
import { retryTask } from "../control/retry-task.ts";
import { replayed } from "../control/submit-task.ts";
import type { Principal, Task } from "../domain/types.ts";
import { type Answer, type Call, callerOf, type RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";
import { created, idempotencyOf } from "./idempotency.ts";
import { instantOf, millisecondsOf } from "./submission.ts";
import { taskAnswer } from "./task-answer.ts";

export function againRoutes(deps: HttpDeps): Pick<RouteFunctions, "requeueTask" | "retryTask"> {
  const find = (call: { principal: Principal; params: { readonly [name: string]: string } }): Promise<Task> =>
    getTask(deps.store, call.principal, call.params["task_id"] ?? "");
  return {
    requeueTask: async (call) => {
      const wanted = { now: call.query.now === "true", hold: call.query.hold === "true" };
      const task = await requeueTask(deps, (await find(call)).taskId, wanted, callerOf(call));
      deps.loop.wake();
      return taskAnswer(deps, task);
    },
    retryTask: async (call) => retry(deps, call, await find(call)),
  };
}

async function retry(deps: HttpDeps, call: Call<"retryTask">, old: Task): Promise<Answer> {
  const { query } = call;
  const idempotency = idempotencyOf(call.header("idempotency-key"), `retry ${old.taskId} `, query, new Uint8Array());
  const earlier = idempotency === null ? null : await deps.store.tasks.earlierAnswer(old.userId, idempotency, deps.clock.now());
  if (earlier !== null) return created(replayed(earlier, idempotency?.key ?? ""));
  const options = {
    fromScratch: query.from_scratch === "true",
    deadline: instantOf(query.deadline) ?? undefined,
    maxRuntimeMs: millisecondsOf(query.max_runtime_s) ?? undefined,
  };
  const answer = await retryTask(deps.submit, old, options, callerOf(call), idempotency, (task) =>
    JSON.stringify({ task_id: task.taskId, state: task.state, warnings: task.warnings }),
  );
  deps.loop.wake();
  return created(answer);
}
