import type { Command } from "commander";
import type { Api } from "../client.ts";
import { hasEnded } from "../outcome.ts";
import { axisNumber, plot, type Point } from "../plot.ts";
import { repeated, taskIdText } from "../parse-values.ts";
import { interruptible } from "../patience.ts";
import { EXIT, usageError } from "../problem-error.ts";
import { NO_LINE, readOn, type TaskLine, withoutLast } from "../read-line.ts";
import { type Session, widthOf } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, leaf } from "./leaf.ts";

export type CurvesOptions = {
  readonly id: string;
  readonly keys: readonly string[];
  readonly form: "json" | "csv" | "plot" | "keys";
  readonly follow: boolean;
};

/** What people look at first; the first of each line that the run has is drawn. */
const USUAL: readonly (readonly string[])[] = [
  ["critic/rewards/mean", "critic/score/mean", "reward/mean"],
  ["train/loss", "actor/pg_loss", "actor/loss"],
  ["val/loss"],
  ["actor/entropy", "actor/entropy_loss"],
  ["actor/grad_norm", "train/grad_norm"],
  ["response_length/mean"],
];
const SHOWN_OTHERS = 8;
const FOLLOW_EVERY_MS = 5_000;
const CLEAR = "\u001b[H\u001b[2J";

export function pointsOf(line: TaskLine, key: string): readonly Point[] {
  const values = line.columns.get(key) ?? [];
  return line.steps.flatMap((x, at) => {
    const y = values[at] ?? null;
    return y === null ? [] : [{ x, y }];
  });
}

/** RFC 4180; a metric's name is the job's own text, so it must not be a formula to a spreadsheet. */
function csvCell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function csvHead(keys: readonly string[]): string {
  return ["attempt", "step", ...keys.map(csvCell)].join(",");
}

/** The rows from place `from` on; `attempt` is the one that did the step. */
function csvRows(line: TaskLine, keys: readonly string[], from: number): readonly string[] {
  return line.steps.slice(from).map((step, index) => {
    const attempt = line.segments.findLast((segment) => segment.from_step <= step)?.attempt ?? "";
    return [attempt, step, ...keys.map((key) => line.columns.get(key)?.[from + index] ?? "")].join(",");
  });
}

function lineJson(line: TaskLine) {
  const { steps, columns, segments, keys, every } = line;
  return { steps, series: Object.fromEntries(columns), segments, keys, every };
}

function plotText(session: Session, line: TaskLine, key: string): string {
  const points = pointsOf(line, key);
  const last = points.at(-1);
  const [first] = points;
  const head = `${session.paint("bold", visible(key))}  ${first === undefined || last === undefined ? "" : `${axisNumber(first.y)} → ${axisNumber(last.y)}, ${points.length} steps`}`;
  return [head, ...plot(points, Math.min(100, widthOf(session) ?? 80), 8)].join("\n");
}

function chosenKeys(line: TaskLine, wanted: readonly string[]): readonly string[] {
  if (wanted.length > 0) return wanted.filter((key) => line.keys.includes(key));
  const usual = USUAL.map((names) => names.find((name) => line.keys.includes(name))).filter((name) => name !== undefined);
  return usual.length > 0 ? usual : line.keys.slice(0, 4);
}

async function sayNothingYet(session: Session, options: CurvesOptions, line: TaskLine): Promise<void> {
  const under = options.keys.length === 0 ? "" : ` under ${options.keys.map(visible).join(", ")}`;
  const hint = line.keys.length === 0 ? `verlpool why ${options.id}` : `verlpool curves ${options.id} --keys`;
  await session.say(`no metrics yet of ${options.id}${under}; see: ${hint}`);
}

async function print(session: Session, options: CurvesOptions, line: TaskLine): Promise<void> {
  if (options.form === "json") return session.printJson(lineJson(line));
  if (options.form === "keys")
    return line.keys.length === 0 ? sayNothingYet(session, options, line) : session.print(line.keys.map(visible).join("\n"));
  const keys = chosenKeys(line, options.keys);
  if (keys.length === 0 || line.steps.length === 0) return sayNothingYet(session, options, line);
  if (options.form === "csv") {
    const columns = options.keys.length > 0 ? keys : line.keys;
    return session.print(shown(session, [csvHead(columns), ...csvRows(line, columns, 0)]));
  }
  await session.print(keys.map((key) => plotText(session, line, key)).join("\n\n"));
  const notes = lineNotes(line);
  if (notes.length > 0) await session.say(notes.join("\n"));
  const others = line.keys.filter((key) => !keys.includes(key));
  if (others.length > 0) await session.say(`\nmore with --key: ${othersText(others, options.id)}`);
}

/** verl writes a hundred: they are listed when asked for. */
function othersText(others: readonly string[], id: string): string {
  const shown = others.slice(0, SHOWN_OTHERS).map(visible).join(", ");
  return others.length > SHOWN_OTHERS
    ? `${shown} and ${others.length - SHOWN_OTHERS} others; all: verlpool curves ${visible(id)} --keys`
    : shown;
}

function lineNotes(line: TaskLine): readonly string[] {
  const resumes = line.segments.slice(1).map((segment) => `attempt ${segment.attempt} goes on at step ${segment.from_step}`);
  return [
    ...(resumes.length > 0 ? [resumes.join("; ")] : []),
    ...(line.segments.some(({ source }) => source === "console")
      ? ["read from the console, for want of verl's own file (verl >= 0.6, trainer.logger=[console,file])"]
      : []),
    ...(line.every > 1 ? [`every ${line.every}th step: there are too many to show all`] : []),
  ];
}

function shown(session: Session, rows: readonly string[]): string {
  return (session.world.stdout.isTTY ? rows.map(visible) : rows).join("\n");
}

/** Until the task ends: the plot is drawn again, rows and objects come one by one. */
async function follow(session: Session, api: Api, options: CurvesOptions, signal: AbortSignal): Promise<number> {
  let line = NO_LINE;
  let rows = NO_LINE;
  for (;;) {
    // Asked before the metrics are read, so that the last of them are not missed.
    const { value: task } = await api.call("getTask", { path: { task_id: options.id }, about: options.id, signal });
    const before = line;
    line = await readOn(api, options.id, options.keys, before, signal);
    const ended = hasEnded(task.state);
    if (options.form === "csv") rows = await printRows(session, options, rows, ended ? line : withoutLast(line));
    else if (isNews(before, line)) {
      if (options.form === "json") await session.printJsonLine(lineJson(line));
      else {
        if (session.world.stdout.isTTY) await session.world.stdout.write(CLEAR);
        await print(session, options, line);
      }
    }
    if (ended) {
      await session.say(`${visible(task.task_id)}  ${visible(task.state)}`);
      return EXIT.ok;
    }
    await session.world.clock.sleep(FOLLOW_EVERY_MS, signal);
  }
}

/** A row is printed once its step is over: validation is written to the same step later. The columns are those of the first rows. */
async function printRows(session: Session, options: CurvesOptions, printed: TaskLine, line: TaskLine): Promise<TaskLine> {
  if (line.steps.length === 0) return printed;
  const isFirst = printed.keys.length === 0;
  const columns = options.keys.length > 0 ? options.keys : isFirst ? line.keys : printed.keys;
  if (isFirst) await session.print(shown(session, [csvHead(columns)]));
  const fresh = csvRows(line, columns, firstNew(printed, line));
  if (fresh.length > 0) await session.print(shown(session, fresh));
  return { ...line, keys: columns };
}

function isNews(before: TaskLine, line: TaskLine): boolean {
  return firstNew(before, line) < line.steps.length || line.steps.length < before.steps.length;
}

/** The place of the first step that was not there before, or that another attempt has done again. */
function firstNew(before: TaskLine, line: TaskLine): number {
  const owner = (of: TaskLine, step: number): string => of.segments.findLast((segment) => segment.from_step <= step)?.submission_id ?? "";
  const at = line.steps.findIndex((step, index) => before.steps[index] !== step || owner(before, step) !== owner(line, step));
  return at === -1 ? line.steps.length : at;
}

export async function runCurves(session: Session, options: CurvesOptions): Promise<number> {
  const api = await session.api();
  if (options.follow) {
    return interruptible(
      session.world,
      (signal) => follow(session, api, options, signal),
      async () => {
        await session.say(`the task goes on; see: verlpool curves ${visible(options.id)}`);
        return EXIT.interrupted;
      },
    );
  }
  await print(session, options, await readOn(api, options.id, options.keys, NO_LINE));
  return EXIT.ok;
}

export function addCurves(program: Command, bind: Bind): void {
  leaf(program, "curves <id>", "Training metrics over steps, one line over all attempts: drawn here, or as CSV or JSON", [
    "verlpool curves 3d4c",
    "verlpool curves 3d4c --key critic/rewards/mean --key actor/grad_norm",
    "verlpool curves 3d4c -f",
    "verlpool curves 3d4c --csv > curves.csv",
  ])
    .option("--key <key>", "only this metric (repeat)", repeated)
    .option("--keys", "list the metrics that there are")
    .option("-f, --follow", "draw again as steps come, until the task ends")
    .option("--watch", "the same as -f")
    .option("--plot", "draw (this is the default)")
    .option("--csv", "attempt, step and a column a metric")
    .option("--json", "steps and series as JSON (with -f a line each time); errors as problem JSON on stderr")
    .action((id: string, options: { key?: string[]; keys?: true; follow?: true; watch?: true; plot?: true; csv?: true; json?: true }) =>
      bind((session) => {
        const forms = (["json", "csv", "plot", "keys"] as const).filter((form) => options[form] === true);
        if (forms.length > 1) throw usageError(`--${forms.join(" and --")} exclude each other`);
        const follow = options.follow === true || options.watch === true;
        return runCurves(session, { id: taskIdText(id), keys: options.key ?? [], form: forms[0] ?? "plot", follow });
      }),
    );
}
