import { useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { useLocation } from "wouter";
import type { TaskWire } from "../../../src/contract/resources.ts";
import { isTerminal, type TaskAction, whyNot } from "../../../src/domain/task-state.ts";
import { call } from "../api/client.ts";
import { useWords } from "../i18n/language.ts";
import { mayWrite, useMe } from "../me.ts";
import { visible } from "../text/visible.ts";
import { Action } from "../ui/action.tsx";
import { Copy } from "../ui/copy.tsx";
import { Progress } from "../ui/progress.tsx";
import { StateBadge } from "../ui/state-badge.tsx";
import { Ago, Span } from "../ui/time.tsx";
import { EndsIn } from "../tasks/ends-in.tsx";
import type { TabProps } from "./task-view.tsx";

export function TaskHeader({ task }: TabProps) {
  const t = useWords();
  const me = useMe();
  return (
    <header className="task-header">
      <div className="task-title">
        <h1>{visible(task.name ?? task.task_id)}</h1>
        <span role="status">
          <StateBadge state={task.state} />
        </span>
        {task.held ? <span className="badge tone-wait">{t("task.held")}</span> : null}
        {task.cancel_requested && !isTerminal(task.state) ? <span className="badge tone-wait">{t("tasks.canceling")}</span> : null}
        <Actions task={task} />
      </div>
      <p className="doing">
        <Doing task={task} />
      </p>
      <p className="facts muted">
        <span className="id">
          <span className="mono">{task.task_id}</span>
          <Copy text={task.task_id} what={t("task.id")} />
        </span>
        <span>{task.workload}</span>
        {me.role === "admin" ? <span>{task.user_id}</span> : null}
        <span>{visible(task.profile)}</span>
        <span>{t("task.shape", { nodes: task.spec.nnodes, gpus: task.spec.n_gpus_per_node })}</span>
        {task.priority === 0 ? null : <span>{t("task.priority", { n: task.priority })}</span>}
        <span>
          {t("task.submitted")} <Ago at={task.created_at} />
        </span>
        {Object.entries(task.labels).map(([key, value]) => (
          <span key={key} className="label">
            {visible(`${key}=${value}`)}
          </span>
        ))}
      </p>
    </header>
  );
}

/** What it is doing, and when that ends. */
function Doing({ task }: TabProps) {
  const t = useWords();
  if (isTerminal(task.state))
    return (
      <>
        {task.started_at === null ? t("task.neverRan") : t("task.ran")}{" "}
        {task.started_at === null ? null : <Span from={task.started_at} to={task.ended_at} />}
        {task.ended_at === null ? null : (
          <span className="muted">
            {" "}
            · {t("task.ended")} <Ago at={task.ended_at} />
          </span>
        )}
      </>
    );
  if (task.waiting !== null)
    return (
      <>
        <span lang="en">{visible(task.waiting.text)}</span> <EndsIn task={task} />
      </>
    );
  if (task.state !== "RUNNING") return <>{t("task.starting")}</>;
  return (
    <>
      {t("task.running")} {task.started_at === null ? null : <Span from={task.started_at} to={null} />}{" "}
      {task.progress === null ? <span className="muted">{t("task.noStep")}</span> : <Progress progress={task.progress} />}{" "}
      <EndsIn task={task} />
    </>
  );
}

function Actions({ task }: TabProps) {
  const t = useWords();
  const me = useMe();
  const queries = useQueryClient();
  const path = { task_id: task.task_id };
  const changed = async (): Promise<void> => {
    await queries.invalidateQueries({ queryKey: ["task", task.task_id] });
  };
  const why = (action: TaskAction): string | null =>
    mayWrite(me)
      ? whyNot(action, { state: task.state, held: task.held, cancelRequestedAt: task.cancel_requested ? 0 : null })
      : t("action.readOnly");
  return (
    <div className="actions">
      <Action
        label={t("action.cancel")}
        whyNot={why("cancel")}
        question={t("action.cancelQuestion")}
        explanation={<p>{t("action.cancelText")}</p>}
        danger
        run={async () => {
          await call("cancelTask", "POST", "/api/v2/tasks/{task_id}:cancel", { path });
          await changed();
        }}
      />
      {task.held ? (
        <Action
          label={t("action.release")}
          whyNot={why("release")}
          question={t("action.releaseQuestion")}
          run={async () => {
            await call("releaseTask", "POST", "/api/v2/tasks/{task_id}:release", { path });
            await changed();
          }}
        />
      ) : (
        <Action
          label={t("action.hold")}
          whyNot={why("hold")}
          question={t("action.holdQuestion")}
          explanation={<p>{t("action.holdText")}</p>}
          run={async () => {
            await call("holdTask", "POST", "/api/v2/tasks/{task_id}:hold", { path });
            await changed();
          }}
        />
      )}
      <Retry task={task} whyNot={why("retry")} />
    </div>
  );
}

function Retry({ task, whyNot: reason }: { readonly task: TaskWire; readonly whyNot: string | null }) {
  const t = useWords();
  const [, go] = useLocation();
  const [anew, setAnew] = useState(false);
  const box = useId();
  return (
    <Action
      label={t("action.retry")}
      whyNot={reason}
      question={t("action.retryQuestion")}
      explanation={
        <>
          <p>{t("action.retryText")}</p>
          <label className="check" htmlFor={box}>
            <input id={box} type="checkbox" checked={anew} onChange={(event) => setAnew(event.target.checked)} />
            {t("action.fromScratch")}
          </label>
        </>
      }
      run={async () => {
        const created = await call("retryTask", "POST", "/api/v2/tasks/{task_id}:retry", {
          path: { task_id: task.task_id },
          query: { from_scratch: anew ? "true" : undefined },
        });
        go(`/tasks/${created.task_id}`);
      }}
    />
  );
}
