import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { Link } from "wouter";
import type { QueueWire, TaskSummaryWire } from "../../../src/contract/resources.ts";
import { call } from "../api/client.ts";
import { duration } from "../format.ts";
import { useWords } from "../i18n/language.ts";
import { useMe } from "../me.ts";
import { visible } from "../text/visible.ts";
import { Action } from "../ui/action.tsx";
import { useNow } from "../ui/time.tsx";
import { EndsIn } from "../tasks/ends-in.tsx";
import { barOf, horizonMs } from "./queue-times.ts";

const MOST_ROWS = 60;

/** What runs and what runs next, on one line of time: solid as far as it is sure, faint as far as it may be. */
export function QueuePicture({ queue }: { readonly queue: QueueWire }) {
  const t = useWords();
  const now = useNow();
  const rows: readonly (readonly [TaskSummaryWire, number | null])[] = [
    ...queue.running.map((task) => [task, null] as const),
    ...queue.waiting.map((task) => [task, task.position] as const),
  ];
  const horizon = horizonMs(
    rows.map(([task]) => task.estimate),
    now,
  );
  return (
    <section className="card" aria-labelledby="queue-title">
      <div className="plan-head">
        <h2 id="queue-title">{t("queue.title", { running: queue.running.length, waiting: queue.waiting.length })}</h2>
        <Pause queue={queue} />
      </div>
      {queue.paused === null ? null : (
        <p className="notice warn">
          {t("queue.paused", { by: visible(queue.paused.by) })} {queue.paused.reason === null ? "" : visible(queue.paused.reason)}
        </p>
      )}
      {queue.notes.map((note) => (
        <p key={note} className="notice" lang="en">
          {visible(note)}
        </p>
      ))}
      {rows.length === 0 ? <p className="muted">{t("queue.empty")}</p> : null}
      <ol className="queue">
        {rows.slice(0, MOST_ROWS).map(([task, position]) => (
          <QueueRow key={task.task_id} task={task} position={position} now={now} horizon={horizon} />
        ))}
      </ol>
      {rows.length === 0 ? null : (
        <p className="queue-axis muted" aria-hidden="true">
          <span>{t("queue.now")}</span>
          <span>+{duration(horizon / 2)}</span>
          <span>+{duration(horizon)}</span>
        </p>
      )}
      {rows.length > MOST_ROWS ? <p className="muted">{t("queue.more", { n: rows.length - MOST_ROWS })}</p> : null}
      {queue.hidden > 0 ? <p className="muted">{t("queue.hidden", { n: queue.hidden })}</p> : null}
    </section>
  );
}

function QueueRow({
  task,
  position,
  now,
  horizon,
}: {
  readonly task: TaskSummaryWire;
  readonly position: number | null;
  readonly now: number;
  readonly horizon: number;
}) {
  const t = useWords();
  const bar = barOf(task.estimate, position === null, now, horizon);
  const percent = (share: number): string => `${(share * 100).toFixed(2)}%`;
  return (
    <li>
      <span className="queue-name">
        <span className="muted">{position === null ? "▶" : `${position}.`}</span>{" "}
        <Link href={`/tasks/${task.task_id}`}>{visible(task.name ?? task.task_id)}</Link>
      </span>
      <span className="queue-line" aria-hidden="true">
        {bar === null ? null : (
          <svg width="100%" height="14" preserveAspectRatio="none">
            <rect className="bar-maybe" x={percent(bar.start)} width={percent(bar.end - bar.start)} y="3" height="8" rx="2" />
            <rect className="bar-sure" x={percent(bar.start)} width={percent(bar.sure - bar.start)} y="3" height="8" rx="2" />
          </svg>
        )}
      </span>
      <span className="queue-when">
        <EndsIn task={task} />
        {position !== null && task.estimate === null ? (
          <span className="muted one-line" lang="en" title={task.waiting === null ? undefined : visible(task.waiting.text)}>
            {task.waiting === null ? t("queue.unknown") : visible(task.waiting.text)}
          </span>
        ) : null}
      </span>
    </li>
  );
}

function Pause({ queue }: { readonly queue: QueueWire }) {
  const t = useWords();
  const me = useMe();
  const queries = useQueryClient();
  const field = useId();
  const [reason, setReason] = useState("");
  const done = (): Promise<void> => queries.invalidateQueries({ queryKey: ["queue"] });
  const resume = useMutation({ mutationFn: () => call("resumeQueue", "POST", "/api/v2/queue:resume"), onSuccess: done });
  if (me.role !== "admin") return null;
  if (queue.paused !== null)
    return (
      <button type="button" className="button" disabled={resume.isPending} onClick={() => resume.mutate()}>
        {t("queue.resume")}
      </button>
    );
  return (
    <Action
      label={t("queue.pause")}
      question={t("queue.pauseQuestion")}
      explanation={
        <>
          <p>{t("queue.pauseText")}</p>
          <label htmlFor={field}>{t("queue.reason")}</label>
          <input id={field} value={reason} maxLength={500} onChange={(event) => setReason(event.target.value)} />
        </>
      }
      run={async () => {
        await call("pauseQueue", "POST", "/api/v2/queue:pause", { json: reason.trim() === "" ? {} : { reason: reason.trim() } });
        await done();
      }}
    />
  );
}
