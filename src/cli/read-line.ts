/** A task's metrics as one line over its attempts, page by page, and on from there as the run goes on. */
import type { CurvesWire } from "../contract/insight.ts";
import type { Api } from "./client.ts";

export type Segment = NonNullable<CurvesWire["line"]>["segments"][number];

export type TaskLine = {
  readonly steps: readonly number[];
  readonly columns: ReadonlyMap<string, readonly (number | null)[]>;
  readonly segments: readonly Segment[];
  readonly keys: readonly string[];
  readonly every: number;
};

export const NO_LINE: TaskLine = { steps: [], columns: new Map(), segments: [], keys: [], every: 1 };

/** What is known, and all that is new. Steps that a later attempt did again are let go of. */
export async function readOn(api: Api, id: string, keys: readonly string[], known: TaskLine, signal?: AbortSignal): Promise<TaskLine> {
  // The newest step is read again: validation is written to it later.
  let line = withoutLast(known);
  for (;;) {
    const after = line.steps.at(-1) ?? null;
    const query = { key: keys, view: "line", after_step: after };
    const { value } = await api.call("readCurves", {
      path: { task_id: id },
      query,
      about: id,
      ...(signal === undefined ? {} : { signal }),
    });
    const page = value.line;
    if (page === null) return line;
    const valid = lastValid(line.segments, page.segments);
    if (after !== null && valid < after) {
      line = cutAfter(line, valid);
      continue;
    }
    line = appended(line, page, value);
    // A server that does not move on would keep us here for ever.
    const isMore = !value.complete || (value.next_after_step !== null && value.next_after_step > (after ?? -1));
    if (!isMore || page.steps.length === 0) return line;
  }
}

/** Up to which step what is known is still of the line: where its segments go on as they did. */
function lastValid(known: readonly Segment[], now: readonly Segment[]): number {
  let valid = Number.NEGATIVE_INFINITY;
  for (const [at, before] of known.entries()) {
    const segment = now[at];
    if (segment === undefined || segment.submission_id !== before.submission_id || segment.from_step !== before.from_step) return valid;
    valid = segment.to_step;
    if (segment.to_step < before.to_step) return valid;
  }
  return Number.POSITIVE_INFINITY;
}

function cutAfter(line: TaskLine, step: number): TaskLine {
  return { ...firstOf(line, line.steps.filter((one) => one <= step).length), segments: [] };
}

export function withoutLast(line: TaskLine): TaskLine {
  return firstOf(line, Math.max(0, line.steps.length - 1));
}

function firstOf(line: TaskLine, count: number): TaskLine {
  const columns = new Map([...line.columns].map(([key, values]) => [key, values.slice(0, count)]));
  return { ...line, steps: line.steps.slice(0, count), columns };
}

function appended(line: TaskLine, page: NonNullable<CurvesWire["line"]>, { keys, every }: CurvesWire): TaskLine {
  const columns = new Map<string, (number | null)[]>();
  for (const key of new Set([...line.columns.keys(), ...Object.keys(page.series)])) {
    const before = line.columns.get(key) ?? line.steps.map(() => null);
    columns.set(key, [...before, ...page.steps.map((_, at) => page.series[key]?.[at] ?? null)]);
  }
  return { steps: [...line.steps, ...page.steps], columns, segments: page.segments, keys, every };
}
