/** Why a task is as it is, in one answer. */
import { instant, renderAlert, renderEstimate } from "../contract/render.ts";
import type { WhyWire } from "../contract/insight.ts";
import { knownDiagnoses } from "../control/known-diagnoses.ts";
import { getTask } from "../control/read-tasks.ts";
import { type Checkpoint, explain, type Why, type WhyDeps } from "../control/why.ts";
import { attemptLines, headline, nextCommands } from "../control/why-words.ts";
import { ok, type RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";

export function whyRoutes(deps: HttpDeps): Pick<RouteFunctions, "explainTask"> {
  const diagnosisOf = knownDiagnoses(deps.logs);
  const pool: WhyDeps["pool"] = async () => {
    const view = deps.loop.view();
    const nodes = view.head?.kind === "up" ? view.nodes : null;
    return { nodes, maxRunningTasks: deps.settings.maxRunningTasks, order: await deps.order() };
  };
  return {
    explainTask: async (call) => {
      const task = await getTask(deps.store, call.principal, call.params["task_id"] ?? "");
      return ok(render(await explain({ ...deps, pool, diagnosisOf }, task)));
    },
  };
}

function maybe(at: number | null): string | null {
  return at === null ? null : instant(at);
}

function render(why: Why): WhyWire {
  const { task, attempts, at } = why;
  return {
    task_id: task.taskId,
    state: task.state,
    at: instant(at),
    headline: headline(why),
    waiting: waitingWire(why),
    running: runningWire(why),
    failed:
      why.failed === null
        ? null
        : {
            ...why.failed.failure,
            fix: withId(why.failed.failure.fix, task.taskId),
            explanation: why.failed.explanation,
            evidence: why.failed.evidence.map((line) => ({ ...line })),
          },
    ended: endedWire(why),
    again:
      why.again === null
        ? null
        : { command: `verlpool retry ${task.taskId}`, resumes_from: checkpointWire(why.again.resumesFrom), text: why.again.text },
    alerts: why.alerts.map(renderAlert),
    attempts: [...attemptLines(attempts)],
    next: [...nextCommands(why)],
    notes: [...why.notes],
  };
}

/** `verlpool logs ID` as it is typed for this task. */
function withId(text: string, taskId: string): string {
  return text.replaceAll(/(?<=verlpool [a-z-]{1,20} )ID\b/g, taskId);
}

function waitingWire({ task, waiting }: Why): WhyWire["waiting"] {
  if (waiting === null) return null;
  const estimate = waiting.estimate === null ? null : renderEstimate(waiting.estimate);
  const low = estimate?.start_at_low ?? null;
  return {
    code: task.waiting?.code ?? "behind",
    text: task.waiting?.text ?? "the scheduler has not looked at it yet",
    until: maybe(task.waiting?.until ?? null),
    position: waiting.position,
    fit: waiting.fit,
    per_node: waiting.perNode.map((node) => ({
      node: node.node,
      gpus_free: node.gpusFree,
      cpus_free: node.cpusFree,
      fits: node.fits,
      why: node.why,
    })),
    start: low === null ? null : { low, high: estimate?.start_at_high ?? null },
    sooner: [...waiting.sooner],
  };
}

function runningWire({ running, at }: Why): WhyWire["running"] {
  if (running === null) return null;
  const { attempt, pace, metric, end } = running;
  return {
    attempt: attempt.attempt,
    since: instant(attempt.startedAt ?? attempt.submittedAt ?? attempt.createdAt),
    step: pace.step,
    total_steps: pace.totalSteps,
    last_step_at: maybe(pace.lastStepAt),
    step_seconds: pace.median,
    steps_per_hour: pace.median === null || pace.median <= 0 ? null : 3600 / pace.median,
    tokens_per_s: pace.tokensPerS,
    shares: pace.shares.map((one) => ({ ...one })),
    metric: metric === null ? null : { ...metric },
    end: end === null ? null : { low: instant(at + end.lowMs), high: instant(at + end.highMs) },
    stalled: running.stall,
    resumed_from: checkpointWire(attempt.resumedFrom),
  };
}

function endedWire({ task, attempts, ended }: Why): WhyWire["ended"] {
  if (ended === null) return null;
  const latest = attempts.at(-1);
  return {
    at: instant(task.endedAt ?? task.createdAt),
    ran_s: task.startedAt === null || task.endedAt === null ? null : (task.endedAt - task.startedAt) / 1000,
    by: task.cancelActor,
    step: ended.step,
    metric: ended.metric === null ? null : { ...ended.metric },
    checkpoint: checkpointWire(ended.checkpoint),
    job_dir: latest === undefined ? null : `/private/users/${latest.userId}/jobs/${latest.submissionId}`,
  };
}

function checkpointWire(checkpoint: Checkpoint | null): { submission_id: string; step: number } | null {
  return checkpoint === null ? null : { submission_id: checkpoint.submissionId, step: checkpoint.step };
}
