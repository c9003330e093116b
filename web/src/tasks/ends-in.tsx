import type { TaskSummaryWire } from "../../../src/contract/resources.ts";
import { isTerminal } from "../../../src/domain/task-state.ts";
import { durationRange } from "../format.ts";
import { useWords } from "../i18n/language.ts";
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
  const range = durationRange(left(low), high === null ? null : left(high));
  return <span className="muted">{t(runs ? "estimate.ends" : "estimate.starts", { range })}</span>;
}
