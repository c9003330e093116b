import type { Command } from "commander";
import type { EventView } from "../answers.ts";
import { relativeTime, table } from "../output.ts";
import { taskIdText } from "../parse-values.ts";
import { type Session, widthOf } from "../session.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

export type EventsOptions = { readonly id: string; readonly json: boolean };

function changeText(event: EventView): string {
  return event.to === null ? "" : event.from === null ? event.to : `${event.from} → ${event.to}`;
}

export async function runEvents(session: Session, options: EventsOptions): Promise<number> {
  const api = await session.api();
  const events: EventView[] = [];
  const raw: unknown[] = [];
  let more: boolean;
  do {
    const query = { limit: 200, after: events.at(-1)?.seq ?? null };
    const answer = await api.call("listEvents", { path: { task_id: options.id }, query, about: options.id });
    events.push(...answer.value.events);
    raw.push(...(answer.raw as { readonly events: readonly unknown[] }).events);
    more = answer.value.next_cursor !== null && answer.value.events.length > 0;
  } while (more);
  if (options.json) {
    await session.printJson({ events: raw, next_cursor: null });
    return 0;
  }
  const now = session.world.clock.now();
  const rows = events.map((event) => [
    String(event.seq),
    relativeTime(event.at, now),
    event.actor,
    event.type,
    changeText(event),
    event.attempt === null ? "" : String(event.attempt),
    event.reason === null ? "" : `${event.reason.text} [${event.reason.code}]`,
  ]);
  const columns = [
    { title: "#", align: "right" as const },
    { title: "WHEN" },
    { title: "WHO", min: 8 },
    { title: "EVENT" },
    { title: "STATE", min: 10 },
    { title: "ATTEMPT", align: "right" as const },
    { title: "REASON", min: 12 },
  ];
  await session.print(table(columns, rows, session.paint, widthOf(session)));
  return 0;
}

export function addEvents(program: Command, bind: Bind): void {
  leaf(program, "events <id>", "Everything that happened to a task: when, who, why", [
    "verlpool events 3d4c",
    "verlpool events 3d4c --json | jq -r '.events[] | [.at, .type] | @tsv'",
  ])
    .option(...JSON_OPTION)
    .action((id: string, options: { json?: true }) =>
      bind((session) => runEvents(session, { id: taskIdText(id), json: options.json === true })),
    );
}
