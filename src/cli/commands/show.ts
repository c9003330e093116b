import type { Command } from "commander";
import type { AttemptWire, TaskWire } from "../../contract/resources.ts";
import { failureLines, hasEnded } from "../outcome.ts";
import { paintState, relativeTime, sheet, spanText } from "../output.ts";
import { taskIdText } from "../parse-values.ts";
import type { Session } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";
import { requeueText } from "./order.ts";
import { gpuLine } from "./gpu-words.ts";
import { endEstimate, progressText, startEstimate } from "./task-words.ts";

export type ShowOptions = { readonly id: string; readonly json: boolean };

function attemptText(attempt: AttemptWire, total: number, now: number): string {
  const parts = [
    total > 1 ? `${attempt.attempt} of ${total}` : String(attempt.attempt),
    attempt.state,
    attempt.node === null ? "" : `on ${attempt.node}`,
    attempt.started_at === null ? "" : `for ${spanText(attempt.started_at, attempt.ended_at, now)}`,
    attempt.exit_code === null ? "" : `exit code ${attempt.exit_code}`,
    attempt.signal === null ? "" : `ended by ${attempt.signal}`,
    attempt.stalled ? "STALLED" : "",
    attempt.quarantined ? "in quarantine: not known to be dead" : "",
    attempt.resumed_from === null ? "" : `resumed from step ${attempt.resumed_from.step} of ${attempt.resumed_from.submission_id}`,
  ];
  return parts
    .filter((part) => part !== "")
    .map(visible)
    .join(", ");
}

function waitingText(task: TaskWire, now: number): string | null {
  const lines = [
    task.held && !hasEnded(task.state) ? "held; it starts after: verlpool release" : "",
    task.waiting === null ? "" : visible(`${task.waiting.text} [${task.waiting.code}]`),
    task.next_run_at === null ? "" : `next look ${relativeTime(task.next_run_at, now)}`,
  ];
  return lines.filter((line) => line !== "").join("\n") || null;
}

const SHOWN_ALERTS = 4;

function stallText({ stall }: TaskWire, now: number): string | null {
  return stall === null ? null : visible(`${stall.text} [${stall.code}], marked ${relativeTime(stall.at, now)}`);
}

function alertLines({ alerts }: TaskWire, now: number): readonly string[] {
  const shown = alerts.toSorted((a, b) => Date.parse(b.at) - Date.parse(a.at)).slice(0, SHOWN_ALERTS);
  const more = alerts.length - shown.length;
  return [
    ...shown.map(({ code, text, at }) => visible(`${text} [${code}], ${relativeTime(at, now)}`)),
    ...(more > 0 ? [`and ${more} more: verlpool events`] : []),
  ];
}

function filesText(task: TaskWire): string | null {
  if (task.files_gone_at !== null) return `removed by retention on ${visible(task.files_gone_at)}`;
  return task.kept ? "kept from retention" : null;
}

/** What somebody woken at night types next. */
function nextCommands(task: TaskWire): readonly string[] {
  const id = visible(task.task_id);
  if (!hasEnded(task.state)) {
    const started = task.attempt?.started_at ?? null;
    if (task.stall !== null) return [`verlpool why ${id}`, `verlpool artifacts ${id}`, `verlpool cancel ${id}`];
    return [`verlpool why ${id}`, started === null ? `verlpool queue` : `verlpool logs -f ${id}`, `verlpool cancel ${id}`];
  }
  const seen = task.attempt === null || task.files_gone_at !== null ? [] : [`verlpool logs --tail 100 ${id}`];
  if (task.export_of !== null) return seen;
  return [...seen, ...(task.state === "SUCCEEDED" ? [`verlpool curves ${id}`] : [`verlpool why ${id}`, `verlpool retry ${id}`])];
}

export function taskSheet(session: Session, task: TaskWire): string {
  const now = session.world.clock.now();
  const { spec, attempt } = task;
  const ended = hasEnded(task.state);
  const labels = Object.entries(task.labels).map(([key, value]) => `${key}=${value}`);
  return sheet(
    [
      ["task", visible(task.task_id)],
      ["state", `${paintState(session.paint, task.state)}${task.cancel_requested && !ended ? " (cancel requested)" : ""}`],
      ["requeue", requeueText(task)],
      ["waits", ended ? null : waitingText(task, now)],
      ["starts", ended || task.started_at !== null ? null : startEstimate(task, now)],
      ["ends", ended ? null : endEstimate(task, now)],
      ["failure", failureLines(task).join("\n")],
      ["progress", visible(progressText(task))],
      ["stalled", stallText(task, now)],
      ["alerts", alertLines(task, now).join("\n")],
      ["gpus", task.gpu_use.map((use) => gpuLine(use, now)).join("\n")],
      ["attempt", attempt === null ? null : attemptText(attempt, task.attempts, now)],
      ["job dir", attempt === null ? null : visible(attempt.job_dir)],
      ["export of", task.export_of === null ? null : visible(`step ${task.export_of.step} of ${task.export_of.submission_id}`)],
      ["files", filesText(task)],
      ["name", task.name === null ? null : visible(task.name)],
      ["retry of", task.retry_of === null ? null : visible(task.retry_of)],
      ["user", visible(task.user_id)],
      ["workload", visible(`${task.workload}, ${spec.nnodes} × ${spec.n_gpus_per_node} GPU, profile ${task.profile}`)],
      ["model", visible(spec.model_id)],
      ["data", visible([spec.train_file, spec.val_file].filter((file) => file !== null).join(", "))],
      ["code", visible(spec.code_path)],
      ["labels", visible(labels.join(" "))],
      ["priority", task.priority === 0 ? null : String(task.priority)],
      [
        "limits",
        [
          task.max_runtime_s === null ? "" : `max runtime ${task.max_runtime_s} s`,
          task.deadline === null ? "" : `deadline ${visible(task.deadline)}`,
        ]
          .filter(Boolean)
          .join(", "),
      ],
      ["created", `${relativeTime(task.created_at, now)} (${visible(task.created_at)})`],
      ["started", task.started_at === null ? null : `${relativeTime(task.started_at, now)} (${visible(task.started_at)})`],
      ["ended", task.ended_at === null ? null : `${relativeTime(task.ended_at, now)} (${visible(task.ended_at)})`],
    ],
    session.paint,
  );
}

export async function runShow(session: Session, options: ShowOptions): Promise<number> {
  const api = await session.api();
  const { value, raw } = await api.call("getTask", { path: { task_id: options.id }, about: options.id });
  if (options.json) {
    await session.printJson(raw);
    return 0;
  }
  await session.print(taskSheet(session, value));
  await session.say(["", "next:", ...nextCommands(value).map((line) => `  ${line}`)].join("\n"));
  return 0;
}

export function addShow(program: Command, bind: Bind): void {
  leaf(program, "show <id>", "One task: its state and why, progress, failure and what to do, where its files are", [
    "verlpool show mvp2-alice-ppo-20260801-120000-1f2e3d4c",
    "verlpool show 3d4c",
    "verlpool show 3d4c --json | jq .failure",
  ])
    .option(...JSON_OPTION)
    .action((id: string, options: { json?: true }) =>
      bind((session) => runShow(session, { id: taskIdText(id), json: options.json === true })),
    );
}
