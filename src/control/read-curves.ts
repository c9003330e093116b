/** A page of a task's metrics: its attempts one by one, or the one line that they make. */
import { type Series, sliceSteps } from "../domain/insight/series.ts";
import type { Segment } from "../domain/insight/stitch.ts";
import type { Task } from "../domain/types.ts";
import type { Insight } from "./insight.ts";

/** Numbers in one answer: what is more comes with the next page. */
const MAX_VALUES = 200_000;

export type Columns = {
  readonly steps: readonly number[];
  /** Null = no finite value at that step. */
  readonly series: { readonly [key: string]: readonly (number | null)[] };
};

export type CurvesQuery = {
  readonly afterStep: number;
  /** Null = all. */
  readonly keys: readonly string[] | null;
  readonly view: "attempts" | "line";
};

export type Curves = {
  readonly attempts: readonly (Columns & { readonly attempt: number })[];
  readonly line: (Columns & { readonly segments: readonly Segment[] }) | null;
  readonly keys: readonly string[];
  readonly every: number;
  readonly complete: boolean;
  readonly nextAfterStep: number | null;
};

export async function readCurves(insight: Insight, task: Task, query: CurvesQuery): Promise<Curves> {
  const { attempts, line, complete } = await insight.task(task);
  const shown = query.view === "line" ? [line.series] : attempts.map(({ series }) => series);
  const keys = [...new Set(shown.flatMap((series) => [...series.columns.keys()]))].toSorted();
  const upTo = lastStepOfPage(shown, query, keys.length);
  const columns = (series: Series): Columns => columnsOf(sliceSteps(series, query.afterStep, upTo), query.keys);
  const steps = shown.flatMap((series) => sliceSteps(series, query.afterStep, upTo).steps.at(-1) ?? []);
  return {
    attempts:
      query.view === "line"
        ? []
        : attempts
            .filter(({ attempt }) => attempt.startedAt !== null)
            .map(({ attempt, series }) => ({ attempt: attempt.attempt, ...columns(series) })),
    line: query.view === "line" ? { ...columns(line.series), segments: line.segments } : null,
    keys,
    every: Math.max(1, ...shown.map(({ every }) => every)),
    complete,
    nextAfterStep: steps.length === 0 ? null : Math.max(...steps),
  };
}

/** All attempts are cut at the same step, so that `after_step` means the same for each. */
function lastStepOfPage(shown: readonly Series[], { afterStep, keys }: CurvesQuery, known: number): number {
  const room = Math.max(1, Math.floor(MAX_VALUES / Math.max(1, keys?.length ?? known)));
  const steps = shown.flatMap((series) => series.steps.filter((step) => step > afterStep)).toSorted((a, b) => a - b);
  return steps[room - 1] ?? Number.POSITIVE_INFINITY;
}

function columnsOf(series: Series, keys: readonly string[] | null): Columns {
  const names = keys ?? [...series.columns.keys()].toSorted();
  const column = (name: string): (number | null)[] => {
    const values = series.columns.get(name);
    return series.steps.map((_, at) => finite(values?.[at]));
  };
  return { steps: series.steps, series: Object.fromEntries(names.map((name) => [name, column(name)])) };
}

function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}
