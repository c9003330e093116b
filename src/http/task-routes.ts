/** Tasks: submit, plan, read, change. */
import { renderAttempt, renderEstimate, renderEvent, renderTaskSummary, renderTraining } from "../contract/render.ts";
import { actorOf } from "../domain/access.ts";
import { AppError } from "../domain/app-error.ts";
import { formatSubmissionId, formatTaskId } from "../domain/ids.ts";
import { isTerminal, TASK_STATES } from "../domain/task-state.ts";
import type { Principal, Task, TaskState } from "../domain/types.ts";
import { cancelTask, holdTask, prioritizeTask, releaseTask } from "../control/change-task.ts";
import { pageOf } from "../control/cursors.ts";
import { fitOf } from "../control/read-pool.ts";
import { getTask, listEvents, listTasks } from "../control/read-tasks.ts";
import { admit, limitWarnings, newTask, replayed, submitTask } from "../control/submit-task.ts";
import { type Answer, type Call, callerOf, ok, pageRequest, type RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";
import { parseLabels } from "./labels.ts";
import { created, idempotencyOf } from "./idempotency.ts";
import { readSubmission } from "./submission.ts";
import { taskAnswer } from "./task-answer.ts";

type TaskRoutes = Pick<
  RouteFunctions,
  | "createTask"
  | "planTask"
  | "listTasks"
  | "getTask"
  | "getSpec"
  | "listEvents"
  | "listAttempts"
  | "cancelTask"
  | "holdTask"
  | "releaseTask"
  | "prioritizeTask"
>;

export function taskRoutes(deps: HttpDeps): TaskRoutes {
  const find = (call: { principal: Principal; params: { readonly [name: string]: string } }): Promise<Task> =>
    getTask(deps.store, call.principal, call.params["task_id"] ?? "");
  /** A change, then the task as it is now; the scheduler looks at once. */
  const changed = async (task: Task): Promise<Answer> => {
    deps.loop.wake();
    return taskAnswer(deps, task);
  };
  return {
    createTask: (call) => create(deps, call),
    planTask: (call) => plan(deps, call),
    listTasks: async ({ principal, query }) => {
      const filter = {
        userId: query.user ?? null,
        states: parseStates(query.state),
        workload: query.workload ?? null,
        labels: parseLabels(query.label),
      };
      const page = await listTasks(deps.store, deps.cursors, principal, filter, query.cursor ?? null, query.limit);
      const hasOpen = page.rows.some(({ task }) => !isTerminal(task.state));
      const estimates = hasOpen ? await deps.forecast.estimates() : null;
      const tasks = page.rows.map(({ task, attempt }) => renderTaskSummary(task, attempt, estimates?.get(task.taskId)));
      return ok({ tasks, next_cursor: page.nextCursor });
    },
    getTask: async (call) => taskAnswer(deps, await find(call)),
    getSpec: async (call) => ({ body: { kind: "raw", type: "text/plain; charset=utf-8", bytes: (await find(call)).specText } }),
    listEvents: async (call) => {
      const page = await listEvents(
        deps.store,
        deps.cursors,
        call.principal,
        await find(call),
        call.query.after ?? null,
        call.query.cursor ?? null,
        call.query.limit,
      );
      return ok({ events: page.rows.map(renderEvent), next_cursor: page.nextCursor });
    },
    listAttempts: async (call) => {
      const { taskId } = await find(call);
      const attempts = await deps.store.tasks.attempts(taskId);
      const bound = `attempts ${actorOf(call.principal)} ${taskId}`;
      const page = pageOf(attempts, (one) => String(one.attempt), pageRequest(call.query), deps.cursors, bound);
      return ok({ attempts: page.rows.map(renderAttempt), next_cursor: page.nextCursor });
    },
    cancelTask: async (call) => {
      const task = await cancelTask(deps, (await find(call)).taskId, callerOf(call));
      deps.loop.wake();
      return ok({ task_id: task.taskId, state: task.state, cancel_requested: task.cancelRequestedAt !== null });
    },
    holdTask: async (call) => changed(await holdTask(deps, (await find(call)).taskId, callerOf(call))),
    releaseTask: async (call) => changed(await releaseTask(deps, (await find(call)).taskId, callerOf(call))),
    prioritizeTask: async (call) => changed(await prioritizeTask(deps, (await find(call)).taskId, call.body.priority, callerOf(call))),
  };
}

function parseStates(text: string | undefined): readonly TaskState[] | null {
  if (text === undefined) return null;
  return text.split(",").map((name) => {
    const state = TASK_STATES.find((known) => known === name);
    if (state === undefined)
      throw new AppError("bad_parameter", `state ${JSON.stringify(name.slice(0, 40))} is none of ${TASK_STATES.join(", ")}`);
    return state;
  });
}

async function create(deps: HttpDeps, call: Call<"createTask">): Promise<Answer> {
  const submission = readSubmission(call.principal, callerOf(call), call.query, call.body, deps.settings.ignoredFields);
  const idempotency = idempotencyOf(call.header("idempotency-key"), "", call.query, call.body);
  const earlier = idempotency === null ? null : await deps.store.tasks.earlierAnswer(submission.userId, idempotency, deps.clock.now());
  if (earlier !== null) return created(replayed(earlier, idempotency?.key ?? ""));
  const admitted = await admit(deps.submit, submission);
  const answer = await submitTask(deps.submit, submission, admitted, idempotency, (task) =>
    JSON.stringify({ task_id: task.taskId, state: task.state, warnings: task.warnings }),
  );
  deps.loop.wake();
  return created(answer);
}

async function plan(deps: HttpDeps, call: Call<"planTask">): Promise<Answer> {
  const submission = readSubmission(call.principal, callerOf(call), call.query, call.body, deps.settings.ignoredFields);
  const admitted = await admit(deps.submit, submission);
  const { choice } = admitted;
  const warnings = [...admitted.warnings, ...(await limitWarnings(deps.submit, admitted))];
  const now = deps.clock.now();
  const taskId = formatTaskId(submission.userId, submission.spec.workload, now, "00000000");
  const task = newTask(taskId, submission, admitted, now);
  const command = await deps.commands.build(task, formatSubmissionId(taskId, 1), 1, null, null, null);
  const estimate = (await deps.forecast.estimates(task)).get(taskId);
  const view = deps.loop.view();
  const nodes = view.head?.kind === "up" ? view.nodes : null;
  const fit = await fitOf(deps.store, task, { nodes, maxRunningTasks: deps.settings.maxRunningTasks, order: await deps.order() });
  return ok({
    valid: true,
    argv: command.argv,
    env: command.env,
    profile: { name: choice.profile.name, verl_version: choice.profile.verlVersion },
    needs: { nodes: choice.needs.nodes, gpus_per_node: choice.needs.gpusPerNode, cpus_per_node: choice.needs.cpusPerNode },
    fit: {
      verdict: fit.verdict,
      per_node: fit.perNode.map((node) => ({
        node: node.node,
        gpus_free: node.gpusFree,
        cpus_free: node.cpusFree,
        fits: node.fits,
        why: node.why,
      })),
    },
    training: renderTraining(admitted.training),
    position: fit.position,
    estimate: renderEstimate(estimate),
    warnings,
  });
}
