/** One line from the attempts of a task: each goes on where its checkpoint was, and what came after that in the attempt before it is lost. */
import { NO_SERIES, type Series, sliceSteps } from "./series.ts";

export type Source = "file" | "console";

/** An attempt of the task, or of one that it is a retry of, in the order in which they ran. */
export type Strand = {
  readonly taskId: string;
  readonly submissionId: string;
  readonly attempt: number;
  readonly resumedFrom: { readonly submissionId: string; readonly step: number } | null;
  readonly source: Source;
  readonly series: Series;
};

export type Segment = Omit<Strand, "series" | "resumedFrom"> & { readonly fromStep: number; readonly toStep: number };

export type Line = { readonly series: Series; readonly segments: readonly Segment[] };

/**
 * The line ends with the newest strand that has a step, or that has resumed from one; it is followed back through what each resumed from. An attempt
 * that nothing was resumed from is not in it.
 */
export function stitch(strands: readonly Strand[]): Line {
  const byId = new Map(strands.map((strand) => [strand.submissionId, strand]));
  const parts: { readonly strand: Strand; readonly series: Series }[] = [];
  const seen = new Set<string>();
  let strand = strands.findLast(
    (one) => one.series.steps.length > 0 || (one.resumedFrom !== null && byId.has(one.resumedFrom.submissionId)),
  );
  let upTo = Number.POSITIVE_INFINITY;
  while (strand !== undefined && !seen.has(strand.submissionId)) {
    seen.add(strand.submissionId);
    const from = strand.resumedFrom;
    parts.unshift({ strand, series: sliceSteps(strand.series, from?.step ?? Number.NEGATIVE_INFINITY, upTo) });
    upTo = Math.min(upTo, from?.step ?? upTo);
    strand = from === null ? undefined : byId.get(from.submissionId);
  }
  const filled = parts.filter(({ series }) => series.steps.length > 0);
  return { series: joined(filled.map(({ series }) => series)), segments: filled.map(segmentOf) };
}

function segmentOf({ strand: { series: _, resumedFrom: __, ...who }, series }: { strand: Strand; series: Series }): Segment {
  return { ...who, fromStep: series.steps[0] ?? 0, toStep: series.steps.at(-1) ?? 0 };
}

function joined(parts: readonly Series[]): Series {
  const [only] = parts;
  if (only === undefined) return NO_SERIES;
  if (parts.length === 1) return only;
  const keys = new Set(parts.flatMap((part) => [...part.columns.keys()]));
  const columnOf = (key: string): number[] => parts.flatMap((part) => part.columns.get(key) ?? part.steps.map(() => Number.NaN));
  return {
    steps: parts.flatMap((part) => part.steps),
    ends: parts.flatMap((part) => part.ends),
    columns: new Map([...keys].map((key) => [key, columnOf(key)])),
    every: Math.max(...parts.map((part) => part.every)),
  };
}
