import type { Command } from "commander";
import type { CurvesWire } from "../../contract/resources.ts";
import type { Api } from "../client.ts";
import { axisNumber, plot, type Point } from "../plot.ts";
import { repeated, taskIdText } from "../parse-values.ts";
import { usageError } from "../problem-error.ts";
import { type Session, widthOf } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, leaf } from "./leaf.ts";

export type CurvesOptions = { readonly id: string; readonly keys: readonly string[]; readonly form: "json" | "csv" | "plot" };

/** What people look at first; the first of each line that the run has is drawn. */
const USUAL: readonly (readonly string[])[] = [
  ["critic/rewards/mean", "critic/score/mean", "reward/mean"],
  ["train/loss", "actor/pg_loss", "actor/loss"],
  ["val/loss"],
  ["actor/entropy", "actor/entropy_loss"],
  ["actor/grad_norm", "train/grad_norm"],
  ["response_length/mean"],
];

/** All pages as one object. */
async function readCurves(api: Api, options: CurvesOptions): Promise<CurvesWire> {
  const byAttempt = new Map<number, { attempt: number; steps: number[]; series: Map<string, (number | null)[]> }>();
  let after: number | null = null;
  do {
    const query: { readonly key: readonly string[]; readonly after_step: number | null } = { key: options.keys, after_step: after };
    const { value } = await api.call("readCurves", { path: { task_id: options.id }, query, about: options.id });
    for (const page of value.attempts) {
      const kept = byAttempt.get(page.attempt) ?? { attempt: page.attempt, steps: [], series: new Map<string, (number | null)[]>() };
      byAttempt.set(page.attempt, kept);
      for (const [key, values] of Object.entries(page.series)) {
        const known = kept.series.get(key) ?? kept.steps.map(() => null);
        kept.series.set(key, [...known, ...page.steps.map((_, at) => values[at] ?? null)]);
      }
      kept.steps.push(...page.steps);
      for (const [key, values] of kept.series)
        if (values.length < kept.steps.length) kept.series.set(key, [...values, ...page.steps.map(() => null)]);
    }
    // A server that does not move on would keep us here for ever.
    after = value.next_after_step !== null && value.next_after_step > (after ?? -1) ? value.next_after_step : null;
  } while (after !== null);
  const attempts = [...byAttempt.values()].toSorted((a, b) => a.attempt - b.attempt);
  return {
    attempts: attempts.map(({ attempt, steps, series }) => ({ attempt, steps, series: Object.fromEntries(series) })),
    next_after_step: null,
  };
}

function keysOf(curves: CurvesWire): readonly string[] {
  return [...new Set(curves.attempts.flatMap((attempt) => Object.keys(attempt.series)))].toSorted();
}

/** One curve over all attempts: a later attempt did a step again from a checkpoint, so its value is the one that counts. */
export function mergedPoints(curves: CurvesWire, key: string): readonly Point[] {
  const byStep = new Map<number, number>();
  for (const attempt of curves.attempts)
    for (const [at, step] of attempt.steps.entries()) {
      const value = attempt.series[key]?.[at] ?? null;
      if (value !== null) byStep.set(step, value);
    }
  return [...byStep].toSorted(([a], [b]) => a - b).map(([x, y]) => ({ x, y }));
}

/** RFC 4180; a metric's name is the job's own text, so it must not be a formula to a spreadsheet. */
function csvCell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function curvesCsv(curves: CurvesWire): string {
  const keys = keysOf(curves);
  const rows = curves.attempts.flatMap((attempt) =>
    attempt.steps.map((step, at) => [attempt.attempt, step, ...keys.map((key) => attempt.series[key]?.[at] ?? "")].join(",")),
  );
  return [["attempt", "step", ...keys.map(csvCell)].join(","), ...rows].join("\n");
}

function plotText(session: Session, curves: CurvesWire, key: string): string {
  const points = mergedPoints(curves, key);
  const last = points.at(-1);
  const [first] = points;
  const head = `${session.paint("bold", visible(key))}  ${first === undefined || last === undefined ? "" : `${axisNumber(first.y)} → ${axisNumber(last.y)}, ${points.length} steps`}`;
  return [head, ...plot(points, Math.min(100, widthOf(session) ?? 80), 8)].join("\n");
}

export async function runCurves(session: Session, options: CurvesOptions): Promise<number> {
  const curves = await readCurves(await session.api(), options);
  if (options.form === "json") {
    await session.printJson(curves);
    return 0;
  }
  const keys = keysOf(curves);
  if (keys.length === 0) {
    await session.say(
      `no metrics yet of ${options.id}${options.keys.length === 0 ? "" : ` under ${options.keys.map(visible).join(", ")}`}; see: verlpool show ${options.id}`,
    );
    return 0;
  }
  if (options.form === "csv") {
    const text = curvesCsv(curves);
    await session.print(session.world.stdout.isTTY ? text.split("\n").map(visible).join("\n") : text);
    return 0;
  }
  const usual = USUAL.map((names) => names.find((name) => keys.includes(name))).filter((name) => name !== undefined);
  const chosen = options.keys.length > 0 ? keys : usual.length > 0 ? usual : keys.slice(0, 4);
  await session.print(chosen.map((key) => plotText(session, curves, key)).join("\n\n"));
  const others = keys.filter((key) => !chosen.includes(key));
  if (others.length > 0) await session.say(`\nmore with --key: ${others.map(visible).join(", ")}`);
  return 0;
}

export function addCurves(program: Command, bind: Bind): void {
  leaf(program, "curves <id>", "Training metrics over steps: drawn here, or as CSV or JSON", [
    "verlpool curves 3d4c",
    "verlpool curves 3d4c --key critic/rewards/mean --key actor/grad_norm",
    "verlpool curves 3d4c --csv > curves.csv",
  ])
    .option("--key <key>", "only this metric (repeat)", repeated)
    .option("--plot", "draw (this is the default)")
    .option("--csv", "attempt, step and a column a metric")
    .option("--json", "print the API's object; errors as problem JSON on stderr")
    .action((id: string, options: { key?: string[]; plot?: true; csv?: true; json?: true }) =>
      bind((session) => {
        const forms = (["json", "csv", "plot"] as const).filter((form) => options[form] === true);
        if (forms.length > 1) throw usageError(`--${forms.join(" and --")} exclude each other`);
        return runCurves(session, { id: taskIdText(id), keys: options.key ?? [], form: forms[0] ?? "plot" });
      }),
    );
}
