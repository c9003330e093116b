import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { isTerminal } from "../../../src/domain/task-state.ts";
import { call } from "../api/client.ts";
import { metric } from "../format.ts";
import { useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { Copy } from "../ui/copy.tsx";
import { ErrorFace, Loading } from "../ui/faces.tsx";
import { Diagnosis } from "./diagnosis.tsx";
import type { TabProps } from "./task-view.tsx";
import { Timeline } from "./timeline.tsx";

/** What it does and why, then how it came to that. */
export function Overview({ task }: TabProps) {
  const t = useWords();
  const why = useQuery({
    queryKey: ["task", task.task_id, "why"],
    queryFn: ({ signal }) => call("explainTask", "GET", "/api/v2/tasks/{task_id}/why", { path: { task_id: task.task_id }, signal }),
    retry: 1,
  });
  const answer = why.data;
  return (
    <div className="overview">
      {task.state === "FAILED" ? <Diagnosis task={task} why={answer ?? null} /> : null}
      <section className="card" aria-labelledby="why-title">
        <h2 id="why-title">{t(isTerminal(task.state) ? "why.ended" : "why.title")}</h2>
        {answer === undefined ? why.isError ? <ErrorFace error={why.error} /> : <Loading /> : null}
        {answer === undefined ? null : (
          <div lang="en">
            {task.state === "FAILED" ? null : <p className="headline">{visible(answer.headline)}</p>}
            {answer.again === null ? null : (
              <p>
                {visible(answer.again.text)} <Copy text={answer.again.command} what={visible(answer.again.command)} />
              </p>
            )}
            {answer.waiting === null ? null : (
              <ul className="plain">
                {answer.waiting.sooner.map((text) => (
                  <li key={text}>{visible(text)}</li>
                ))}
              </ul>
            )}
            {answer.running === null ? null : <Running running={answer.running} />}
            {answer.ended?.checkpoint == null ? null : (
              <p className="muted">
                checkpoint: step {answer.ended.checkpoint.step} of <span className="mono">{answer.ended.checkpoint.submission_id}</span>
              </p>
            )}
            {answer.alerts.map((alert) => (
              <p key={`${alert.code} ${alert.at}`} className="notice warn">
                {visible(alert.text)}
              </p>
            ))}
            {answer.notes.map((note) => (
              <p key={note} className="muted">
                {visible(note)}
              </p>
            ))}
          </div>
        )}
        {isTerminal(task.state) || task.attempts === 0 ? null : (
          <p>
            <Link href={`/tasks/${task.task_id}/log`}>{t("task.followLog")}</Link>
          </p>
        )}
      </section>
      <Timeline task={task} />
    </div>
  );
}

type Why = Awaited<ReturnType<typeof call<"explainTask">>>;

function Running({ running }: { readonly running: NonNullable<Why["running"]> }) {
  const facts: readonly (readonly [name: string, value: string | null])[] = [
    ["seconds a step", running.step_seconds === null ? null : metric(running.step_seconds)],
    ["steps an hour", running.steps_per_hour === null ? null : metric(running.steps_per_hour)],
    ["tokens/s", running.tokens_per_s === null ? null : metric(running.tokens_per_s)],
    ...running.shares.map((share): readonly [string, string] => [visible(share.name), `${Math.round(share.share * 100)} %`]),
  ];
  return (
    <>
      {running.stalled === null ? null : <p className="notice warn">{visible(running.stalled)}</p>}
      <dl className="facts-grid">
        {facts.map(([name, value]) =>
          value === null ? null : (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
        )}
      </dl>
    </>
  );
}
