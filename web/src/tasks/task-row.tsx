import { memo } from "react";
import { Link } from "wouter";
import type { TaskSummaryWire } from "../../../src/contract/resources.ts";
import { isTerminal } from "../../../src/domain/task-state.ts";
import { shortId } from "../format.ts";
import { useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { Progress } from "../ui/progress.tsx";
import { StateBadge } from "../ui/state-badge.tsx";
import { Ago, Span } from "../ui/time.tsx";
import { EndsIn } from "./ends-in.tsx";

export const TaskRow = memo(function TaskRow({
  task,
  index,
  withUser,
}: {
  readonly task: TaskSummaryWire;
  readonly index: number;
  readonly withUser: boolean;
}) {
  const t = useWords();
  const name = visible(task.name ?? task.task_id);
  return (
    <div role="row" className="task-row" aria-rowindex={index + 2}>
      <span role="cell" className="c-state">
        <StateBadge state={task.state} />
      </span>
      <span role="cell" className="c-name">
        <Link href={`/tasks/${task.task_id}`} data-row={index} title={task.task_id}>
          {name}
        </Link>
        {task.name === null ? null : <span className="muted mono"> {shortId(task.task_id)}</span>}
      </span>
      <span role="cell" className="c-workload">
        {task.workload}
      </span>
      {withUser ? (
        <span role="cell" className="c-user">
          {task.user_id}
        </span>
      ) : null}
      <span role="cell" className="c-doing">
        <Doing task={task} />
      </span>
      <span role="cell" className="c-age">
        <Ago at={task.created_at} />
      </span>
      <span role="cell" className="c-duration">
        {task.started_at === null ? <span aria-label={t("tasks.notStarted")}>–</span> : <Span from={task.started_at} to={task.ended_at} />}
      </span>
    </div>
  );
});

/** What it is doing, why it waits, or why it died: one line. */
function Doing({ task }: { readonly task: TaskSummaryWire }) {
  const t = useWords();
  if (task.failure !== null && isTerminal(task.state)) {
    const text = visible(task.failure.text);
    return (
      <span className="one-line" title={text} lang="en">
        <span className="label bad">{visible(task.failure.label)}</span> {text}
      </span>
    );
  }
  if (task.cancel_requested && !isTerminal(task.state)) return <span className="one-line muted">{t("tasks.canceling")}</span>;
  if (task.waiting !== null && !isTerminal(task.state)) {
    const text = visible(task.waiting.text);
    return (
      <span className="one-line muted" title={text} lang="en">
        {text}
      </span>
    );
  }
  return (
    <span className="one-line">
      {task.progress === null ? null : <Progress progress={task.progress} isBrief />} <EndsIn task={task} />
    </span>
  );
}
