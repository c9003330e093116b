/** What the time in which an attempt holds its GPUs goes into (docs/usage.md). Whatever is known, the parts add up to the whole. Pure. */
import { gpuMsByDay } from "./usage.ts";
import type { Placement, UseMarks, Workload } from "./types.ts";

export const USE_KINDS = ["productive", "recomputed", "stalled", "before_first_step", "unknown"] as const;
export type UseKind = (typeof USE_KINDS)[number];
export type UseSplit = { readonly [kind in UseKind]: number };

/** The most that are written down: each takes `stalls.min_s` at least. What comes after them counts as work. */
const MOST_STALLS = 200;

export function newMarks(again: number | null): UseMarks {
  return { firstStepAt: null, again, againUntil: null, stalls: [], isBlind: false };
}

/** The same object where `step` tells nothing new. */
export function withStep(marks: UseMarks, step: number, at: number): UseMarks {
  const firstStepAt = marks.firstStepAt ?? at;
  const againUntil = marks.againUntil ?? (marks.again !== null && step >= marks.again ? at : null);
  return firstStepAt === marks.firstStepAt && againUntil === marks.againUntil ? marks : { ...marks, firstStepAt, againUntil };
}

export function withStall(marks: UseMarks, from: number): UseMarks {
  return marks.stalls.length >= MOST_STALLS ? marks : { ...marks, stalls: [...marks.stalls, { from, to: null }] };
}

export function withStallEnd(marks: UseMarks, at: number): UseMarks {
  return { ...marks, stalls: marks.stalls.map((stall) => (stall.to === null ? { ...stall, to: at } : stall)) };
}

export type UseSpan = { readonly kind: UseKind; readonly from: number; readonly to: number };

/** The time from `from` to `to`, cut where its kind changes, without a gap; nothing where it ends before it begins. Null = nothing was written down. */
export function spansOf(marks: UseMarks | null, from: number, to: number): readonly UseSpan[] {
  const cuts = new Set([from]);
  const marked = marks === null ? [] : [marks.firstStepAt, marks.againUntil, ...marks.stalls.flatMap((stall) => [stall.from, stall.to])];
  for (const at of marked) if (at !== null && at > from && at < to) cuts.add(at);
  const spans: UseSpan[] = [];
  const starts = [...cuts].toSorted((a, b) => a - b);
  for (const [i, start] of starts.entries()) {
    const end = starts[i + 1] ?? to;
    const kind = kindAt(marks, start);
    const last = spans.at(-1);
    if (start >= end) continue;
    if (last?.kind === kind) spans[spans.length - 1] = { ...last, to: end };
    else spans.push({ kind, from: start, to: end });
  }
  return spans;
}

/** A stall is one whatever it stands in: the time before a first step that stays away is not what a first step takes. */
function kindAt(marks: UseMarks | null, at: number): UseKind {
  if (marks === null) return "unknown";
  const { firstStepAt, again, againUntil, stalls, isBlind } = marks;
  if (stalls.some((stall) => stall.from <= at && (stall.to === null || at < stall.to))) return "stalled";
  if (firstStepAt === null && isBlind) return "unknown";
  if (firstStepAt === null || at < firstStepAt) return "before_first_step";
  return again !== null && (againUntil === null || at < againUntil) ? "recomputed" : "productive";
}

export type UsePart = { readonly day: string; readonly node: string; readonly kind: UseKind; readonly gpuMs: number };

/** By UTC day and node, in whole GPU-milliseconds: they add up to the duration times the GPUs. None for an interval that a wall clock has torn. */
export function partsOf(marks: UseMarks | null, placement: Placement, from: number, to: number): readonly UsePart[] {
  if (gpuMsByDay(1, from, to).length === 0) return [];
  return spansOf(marks, from, to).flatMap((span) =>
    placement
      .filter(({ gpus }) => gpus > 0)
      .flatMap(({ node, gpus }) =>
        gpuMsByDay(gpus, span.from, span.to).map(({ day, gpuMs }): UsePart => ({ day, node, kind: span.kind, gpuMs })),
      ),
  );
}

export const NO_USE: UseSplit = { productive: 0, recomputed: 0, stalled: 0, before_first_step: 0, unknown: 0 };

export function addUse(a: UseSplit, b: UseSplit): UseSplit {
  return {
    productive: a.productive + b.productive,
    recomputed: a.recomputed + b.recomputed,
    stalled: a.stalled + b.stalled,
    before_first_step: a.before_first_step + b.before_first_step,
    unknown: a.unknown + b.unknown,
  };
}

export function totalUse(split: UseSplit): number {
  return USE_KINDS.reduce((sum, kind) => sum + split[kind], 0);
}

export type UseKey = "day" | "user" | "workload" | "node";

/** GPU-milliseconds by kind; null = summed over. */
export type UseSum = {
  readonly day: string | null;
  readonly userId: string | null;
  readonly workload: Workload | null;
  readonly node: string | null;
  readonly split: UseSplit;
};
