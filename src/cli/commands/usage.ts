/** GPU time that was used, by day and user or by one of both, and what it went into. */
import { type Command, Option } from "commander";
import type { JsonAnswers } from "../answers.ts";
import { table } from "../output.ts";
import { pastInstantValue, wholeNumber } from "../parse-values.ts";
import { usageError } from "../problem-error.ts";
import { type Session, widthOf } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

const KEYS = ["user", "workload", "node", "day"] as const;
type Key = (typeof KEYS)[number];

export type UsageOptions = {
  readonly userId: string | null;
  readonly days: number;
  /** As it was typed; null = `days` counts. */
  readonly since: string | null;
  readonly by: Key | null;
  readonly json: boolean;
};

type Usage = JsonAnswers["readUsage"];
type GpuMs = Usage["total"]["gpu_ms"];

const PARTS: readonly (readonly [part: keyof GpuMs, title: string])[] = [
  ["productive", "PRODUCTIVE"],
  ["recomputed", "AGAIN"],
  ["stalled", "STALLED"],
  ["before_first_step", "1ST STEP"],
  ["unknown", "UNKNOWN"],
];

/** A part that is never there takes no column. */
function usageTable(session: Session, keys: readonly string[], value: Usage): string {
  const parts = PARTS.filter(([part]) => part === "productive" || value.total.gpu_ms[part] > 0);
  const right = { align: "right" as const };
  const columns = [
    ...keys.map((title) => ({ title, min: 6 })),
    { title: "GPU-HOURS", ...right },
    ...parts.map(([, title]) => ({ title, ...right })),
  ];
  const cells = (ms: GpuMs): string[] => [hours(ms.total), ...parts.map(([part]) => hours(ms[part]))];
  const rows =
    value.groups === null
      ? value.usage.map((row) => [row.day, visible(row.user_id), ...cells(row.gpu_ms)])
      : value.groups.map((row) => [visible(row.key), ...cells(row.gpu_ms)]);
  const all = [...keys.map((_, at) => (at === 0 ? "all" : "")), ...cells(value.total.gpu_ms)];
  return table(columns, [...rows, all], session.paint, widthOf(session));
}

function hours(ms: number): string {
  return (ms / 3_600_000).toFixed(2);
}

export async function runUsage(session: Session, options: UsageOptions): Promise<number> {
  const { userId, days, by } = options;
  const since = options.since === null ? null : pastInstantValue(options.since, session.world.clock.now());
  const api = await session.api();
  const span = since === null ? { days: String(days) } : { since };
  const { value, raw } = await api.call("readUsage", { query: { user: userId, by, ...span } });
  if (options.json) {
    await session.printJson(raw);
    return 0;
  }
  if (value.usage.length === 0) {
    await session.say(`no GPU was used ${since !== null ? `since ${since}` : days === 1 ? "in the last day" : `in the last ${days} days`}`);
    return 0;
  }
  await session.print(usageTable(session, by === null ? ["DAY", "USER"] : [by.toUpperCase()], value));
  return 0;
}

export function addUsage(program: Command, bind: Bind): void {
  leaf(program, "usage", "GPU-hours that were held, and what they went into; days are UTC", [
    "verlpool usage",
    "verlpool usage --since 30d --by node",
    "verlpool usage --days 30 --user alice",
  ])
    .option("--days <n>", "so many days, today included (7)", wholeNumber(1, 366))
    .option("--since <time>", "from the UTC day of this instant on, or of so long ago: 30d")
    .addOption(new Option("--by <what>", "one row for each of them").choices(KEYS))
    .option("--user <user>", "admin: only this user")
    .option(...JSON_OPTION)
    .action((flags: { days?: number; since?: string; by?: Key; user?: string; json?: true }) =>
      bind((session) => {
        if (flags.days !== undefined && flags.since !== undefined) throw usageError("give --days or --since, not both");
        const { days = 7, since = null, by = null } = flags;
        return runUsage(session, { userId: flags.user ?? null, days, since, by, json: flags.json === true });
      }),
    );
}
