/** GPU time that was used, by day and user. */
import type { Command } from "commander";
import type { JsonAnswers } from "../answers.ts";
import { table } from "../output.ts";
import { wholeNumber } from "../parse-values.ts";
import { type Session, widthOf } from "../session.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

export type UsageOptions = { readonly userId: string | null; readonly days: number; readonly json: boolean };

const hours = (seconds: number): string => (seconds / 3600).toFixed(2);

function totals(rows: JsonAnswers["readUsage"]["usage"]): readonly string[][] {
  const sums = new Map<string, number>();
  for (const row of rows) sums.set(row.user_id, (sums.get(row.user_id) ?? 0) + row.gpu_seconds);
  return [...sums].toSorted((a, b) => b[1] - a[1]).map(([userId, seconds]) => ["all", userId, hours(seconds)]);
}

export async function runUsage(session: Session, options: UsageOptions): Promise<number> {
  const api = await session.api();
  const { value, raw } = await api.call("readUsage", { query: { user: options.userId, days: String(options.days) } });
  if (options.json) {
    await session.printJson(raw);
    return 0;
  }
  if (value.usage.length === 0) {
    await session.say(`no GPU was used in ${options.days === 1 ? "the last day" : `the last ${options.days} days`}`);
    return 0;
  }
  const columns = [{ title: "DAY" }, { title: "USER", min: 6 }, { title: "GPU-HOURS", align: "right" as const }];
  const rows = value.usage.map((row) => [row.day, row.user_id, hours(row.gpu_seconds)]);
  await session.print(table(columns, [...rows, ...totals(value.usage)], session.paint, widthOf(session)));
  return 0;
}

export function addUsage(program: Command, bind: Bind): void {
  leaf(program, "usage", "GPU-hours that were used, by day and user; days are UTC", [
    "verlpool usage",
    "verlpool usage --days 30 --user alice",
  ])
    .option("--days <n>", "so many days, today included", wholeNumber(1, 366), 7)
    .option("--user <user>", "admin: only this user")
    .option(...JSON_OPTION)
    .action((flags: { days: number; user?: string; json?: true }) =>
      bind((session) => runUsage(session, { userId: flags.user ?? null, days: flags.days, json: flags.json === true })),
    );
}
