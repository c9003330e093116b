import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { isTerminal } from "../../../src/domain/task-state.ts";
import { call } from "../api/client.ts";
import { metric } from "../format.ts";
import { known, useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { Copy } from "../ui/copy.tsx";
import { ErrorFace, Loading } from "../ui/faces.tsx";
import { NodeFit } from "../ui/node-fit.tsx";
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
        {answer === undefined ? why.isError ? <ErrorFace error={why.error} again={() => void why.refetch()} /> : <Loading /> : null}
        {answer === undefined ? null : (
          <div>
            {task.state === "FAILED" ? null : (
              <p className="headline" lang="en">
                {visible(answer.headline)}
              </p>
            )}
            {answer.again === null ? null : (
              <>
                <p className="command">
                  <code className="mono wrap">{visible(answer.again.command)}</code>{" "}
                  <Copy text={answer.again.command} what={t("why.command")} />
                </p>
                <p className="muted" lang="en">
                  {visible(sentence(answer.again.text))}
                </p>
              </>
            )}
            {answer.waiting === null || answer.waiting.sooner.length === 0 ? null : (
              <>
                <h3>{t("why.sooner")}</h3>
                <ul className="plain" lang="en">
                  {answer.waiting.sooner.map((text) => (
                    <li key={text}>{visible(text)}</li>
                  ))}
                </ul>
              </>
            )}
            {answer.waiting === null ? null : <NodeFit rows={answer.waiting.per_node} />}
            {answer.running === null ? null : <Running running={answer.running} />}
            {answer.ended?.checkpoint == null ? null : (
              <p className="muted">
                {t("why.checkpoint", { step: answer.ended.checkpoint.step })}{" "}
                <span className="mono wrap">{answer.ended.checkpoint.submission_id}</span>
              </p>
            )}
            {answer.alerts.map((alert) => (
              <p key={`${alert.code} ${alert.at}`} className="notice warn" lang="en">
                {visible(alert.text)}
              </p>
            ))}
            {answer.notes.map((note) => (
              <p key={note} className="muted" lang="en">
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

/** The server's own words, as a sentence of their own. */
function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

function Running({ running }: { readonly running: NonNullable<Why["running"]> }) {
  const t = useWords();
  const facts: readonly (readonly [name: string, value: string | null])[] = [
    [t("why.stepSeconds"), running.step_seconds === null ? null : metric(running.step_seconds)],
    [t("why.stepsPerHour"), running.steps_per_hour === null ? null : metric(running.steps_per_hour)],
    [t("why.tokens"), running.tokens_per_s === null ? null : metric(running.tokens_per_s)],
    ...running.shares.map((share): readonly [string, string] => [known(t, "share", share.name), `${Math.round(share.share * 100)} %`]),
  ];
  return (
    <>
      {running.stalled === null ? null : (
        <p className="notice warn" lang="en">
          {visible(running.stalled)}
        </p>
      )}
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
