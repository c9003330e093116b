import type { TaskSummaryWire } from "../../../src/contract/resources.ts";
import { metric, shortKey } from "../format.ts";
import { useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";

export function Progress({
  progress,
  isBrief = false,
}: {
  readonly progress: NonNullable<TaskSummaryWire["progress"]>;
  readonly isBrief?: boolean;
}) {
  const t = useWords();
  const { step, total_steps: total } = progress;
  const label = total === null ? t("progress.step", { step }) : t("progress.of", { step, total });
  return (
    <span className="progress">
      {total === null ? null : <meter min={0} max={total} value={step} aria-label={label} />}
      <span className="progress-text">
        {total === null ? step : `${step}/${total}`}
        {progress.metric === null ? null : (
          <span className="muted" title={visible(progress.metric.key)}>
            {" "}
            {visible(isBrief ? shortKey(progress.metric.key) : progress.metric.key)} <span>{metric(progress.metric.value)}</span>
          </span>
        )}
      </span>
    </span>
  );
}
