import type { Command } from "commander";
import type { QueueWire } from "../../contract/resources.ts";
import { paintState, relativeTime, spanText, table } from "../output.ts";
import { type Session, widthOf } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";
import { endEstimate, progressText, startEstimate } from "./task-words.ts";

function withEstimate(text: string, verb: "starts" | "ends", estimate: string): string {
  return [text, estimate === "" ? "" : `${verb} ${estimate}`].filter(Boolean).join("; ");
}

function queueText(session: Session, queue: QueueWire): string {
  const now = session.world.clock.now();
  const running = queue.running.map((task) => [
    "",
    task.task_id,
    task.state,
    task.user_id,
    spanText(task.started_at, null, now),
    withEstimate(progressText(task), "ends", endEstimate(task, now)),
  ]);
  const waiting = queue.waiting.map((task) => {
    return [
      String(task.position),
      task.task_id,
      task.state,
      task.user_id,
      relativeTime(task.created_at, now),
      withEstimate(task.held ? "held" : (task.waiting?.text ?? ""), "starts", startEstimate(task, now)),
    ];
  });
  const columns = [
    { title: "#", align: "right" as const },
    { title: "TASK", min: 12, keep: "end" as const },
    { title: "STATE", style: paintState },
    { title: "USER", min: 6 },
    { title: "FOR" },
    { title: "PROGRESS / WHY IT WAITS", min: 12 },
  ];
  return table(columns, [...running, ...waiting], session.paint, widthOf(session));
}

export async function runQueue(session: Session, options: { readonly json: boolean }): Promise<number> {
  const api = await session.api();
  const { value, raw } = await api.call("readQueue");
  if (options.json) {
    await session.printJson(raw);
    return 0;
  }
  if (value.running.length + value.waiting.length > 0) await session.print(queueText(session, value));
  else await session.say(value.hidden > 0 ? "none of yours runs or waits" : "the queue is empty");
  if (value.hidden > 0) await session.say(`and ${value.hidden} of other users`);
  if (value.paused !== null) {
    const { by, at, reason } = value.paused;
    const since = relativeTime(at, session.world.clock.now());
    await session.say(session.paintTalk("yellow", visible(`paused by ${by} ${since}${reason === null ? "" : `: ${reason}`}`)));
  }
  for (const note of value.notes) await session.say(`${session.paintTalk("yellow", "note:")} ${visible(note)}`);
  return 0;
}

export type PauseOptions = { readonly to: "pause" | "resume"; readonly reason: string | null; readonly json: boolean };

/** Pauses or resumes the queue as a whole; both are idempotent. */
export async function runPause(session: Session, options: PauseOptions): Promise<number> {
  const api = await session.api();
  const { reason } = options;
  const { raw } =
    options.to === "pause" ? await api.call("pauseQueue", { json: reason === null ? {} : { reason } }) : await api.call("resumeQueue");
  if (options.json) await session.printJson(raw);
  else
    await session.say(
      options.to === "pause" ? "paused: nothing starts until verlpool queue resume; what runs goes on" : "the queue goes on",
    );
  return 0;
}

export function addQueue(program: Command, bind: Bind): void {
  const queue = leaf(program, "queue", "What runs and what waits, in order, and why it waits", [
    "verlpool queue",
    "verlpool queue --json | jq '.waiting[0]'",
  ])
    .option(...JSON_OPTION)
    .action((options: { json?: true }) => bind((session) => runQueue(session, { json: options.json === true })));
  leaf(queue, "pause", "Admin: start nothing for now; what runs goes on", ["verlpool queue pause --reason 'new drivers tonight'"])
    .option("--reason <text>", "shown to everybody whose task waits")
    .option(...JSON_OPTION)
    .action((options: { reason?: string; json?: true }) =>
      bind((session) => runPause(session, { to: "pause", reason: options.reason ?? null, json: options.json === true })),
    );
  leaf(queue, "resume", "Admin: start tasks again", ["verlpool queue resume"])
    .option(...JSON_OPTION)
    .action((options: { json?: true }) =>
      bind((session) => runPause(session, { to: "resume", reason: null, json: options.json === true })),
    );
}
