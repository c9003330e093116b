import type { TaskSummaryWire } from "../../../src/contract/resources.ts";
import { isTerminal } from "../../../src/domain/task-state.ts";
import { duration, durationRange } from "../format.ts";
import { type Translate, useWords } from "../i18n/language.ts";
import { useNow } from "../ui/time.tsx";

/** When it starts, or ends where it runs, as the server reckons; nothing where that can't be told. */
export function EndsIn({ task }: { readonly task: Pick<TaskSummaryWire, "estimate" | "state" | "started_at"> }) {
  const t = useWords();
  const now = useNow();
  const { estimate } = task;
  if (estimate === null || isTerminal(task.state)) return null;
  const runs = task.state === "RUNNING";
  const low = runs ? estimate.end_at_low : estimate.start_at_low;
  const high = runs ? estimate.end_at_high : estimate.start_at_high;
  if (low === null) return null;
  const left = (instant: string): number => Math.max(0, Date.parse(instant) - now);
  return <span className="muted">{estimateText(t, runs ? "ends" : "starts", left(low), high === null ? null : left(high))}</span>;
}

const NOW_MS = 5_000;

/** A range of time as a sentence; an end that is open, or that may be now, is said in words. */
export function estimateText(t: Translate, what: "starts" | "ends", lowMs: number, highMs: number | null): string {
  if (highMs === null) return lowMs < NOW_MS ? t(`estimate.${what}Any`) : t(`estimate.${what}From`, { low: duration(lowMs) });
  if (lowMs < NOW_MS) return t(`estimate.${what}Within`, { high: duration(highMs) });
  return t(`estimate.${what}`, { range: durationRange(lowMs, highMs) });
}
