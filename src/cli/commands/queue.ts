import type { Command } from "commander";
import type { QueueWire } from "../../contract/resources.ts";
import { paintState, relativeTime, spanText, table } from "../output.ts";
import { type Session, widthOf } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";
import { progressText, startEstimate } from "./task-words.ts";

function queueText(session: Session, queue: QueueWire): string {
  const now = session.world.clock.now();
  const running = queue.running.map((task) => [
    "",
    task.task_id,
    task.state,
    task.user_id,
    spanText(task.started_at, null, now),
    progressText(task),
  ]);
  const waiting = queue.waiting.map((task) => {
    const start = startEstimate(task, now);
    const why = task.held ? "held" : (task.waiting?.text ?? "");
    return [
      String(task.position),
      task.task_id,
      task.state,
      task.user_id,
      relativeTime(task.created_at, now),
      [why, start === "" ? "" : `starts ${start}`].filter(Boolean).join("; "),
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
  for (const note of value.notes) await session.say(`${session.paintTalk("yellow", "note:")} ${visible(note)}`);
  return 0;
}

export function addQueue(program: Command, bind: Bind): void {
  leaf(program, "queue", "What runs and what waits, in order, and why it waits", [
    "verlpool queue",
    "verlpool queue --json | jq '.waiting[0]'",
  ])
    .option(...JSON_OPTION)
    .action((options: { json?: true }) => bind((session) => runQueue(session, { json: options.json === true })));
}
