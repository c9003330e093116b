import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import type { AttemptWire } from "../../../src/contract/resources.ts";
import { call } from "../api/client.ts";
import { type Key, known, useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { ErrorFace, Loading } from "../ui/faces.tsx";
import { Ago, Span } from "../ui/time.tsx";
import type { TabProps } from "./task-view.tsx";

/** Attempts with what happened in each, and what happened between them. */
export function Timeline({ task }: TabProps) {
  const t = useWords();
  const path = { task_id: task.task_id };
  const attempts = useQuery({
    queryKey: ["task", task.task_id, "attempts"],
    queryFn: ({ signal }) => call("listAttempts", "GET", "/api/v2/tasks/{task_id}/attempts", { path, query: { limit: 200 }, signal }),
  });
  const events = useInfiniteQuery({
    queryKey: ["task", task.task_id, "events"],
    initialPageParam: 0,
    queryFn: ({ signal, pageParam }) =>
      call("listEvents", "GET", "/api/v2/tasks/{task_id}/events", { path, query: { limit: 200, after: pageParam }, signal }),
    getNextPageParam: (page) => (page.next_cursor === null ? undefined : (rowsOf(page).at(-1)?.seq ?? undefined)),
  });
  const rows = (attempts.data?.["attempts"] ?? []) as readonly AttemptWire[];
  const all = events.data?.pages.flatMap(rowsOf) ?? [];
  return (
    <section className="card" aria-labelledby="timeline-title">
      <h2 id="timeline-title">{t("timeline.title")}</h2>
      {attempts.isError ? <ErrorFace error={attempts.error} again={() => void attempts.refetch()} /> : null}
      {rows.length === 0 && attempts.isSuccess ? <p className="muted">{t("timeline.noAttempts")}</p> : null}
      {rows.length === 0 ? null : (
        <ol className="attempts">
          {rows.map((attempt) => (
            <AttemptRow key={attempt.attempt} attempt={attempt} />
          ))}
        </ol>
      )}
      <h3>{t("timeline.events")}</h3>
      {events.isError ? <ErrorFace error={events.error} again={() => void events.refetch()} /> : null}
      {events.isPending && !events.isError ? <Loading /> : null}
      <ol className="events" reversed>
        {all.toReversed().map((event) => (
          <li key={event.seq}>
            <span className="muted nowrap">
              <Ago at={event.at} />
            </span>
            <span>
              {event.to === null || event.from === null
                ? known(t, "event", event.type)
                : `${known(t, "state", event.from)} → ${known(t, "state", event.to)}`}
              {event.attempt === null ? null : <span className="muted"> · {t("timeline.attempt", { n: event.attempt })}</span>}
              {event.reason === null ? null : <span lang="en"> · {visible(event.reason.text)}</span>}
              {event.actor === "system" ? null : <span className="muted"> · {visible(event.actor.replace(/^user:/, ""))}</span>}
            </span>
          </li>
        ))}
      </ol>
      {events.hasNextPage ? (
        <button type="button" className="button" disabled={events.isFetchingNextPage} onClick={() => void events.fetchNextPage()}>
          {t("timeline.more")}
        </button>
      ) : null}
    </section>
  );
}

type Event = {
  readonly seq: number;
  readonly at: string;
  readonly type: string;
  readonly from: string | null;
  readonly to: string | null;
} & {
  readonly actor: string;
  readonly attempt: number | null;
  readonly reason: { readonly code: string; readonly text: string } | null;
};

function rowsOf(page: { readonly [noun: string]: unknown }): readonly Event[] {
  return (page["events"] ?? []) as readonly Event[];
}

const TONES: { readonly [state in AttemptWire["state"]]: string } = {
  SUBMITTING: "busy",
  SUBMITTED: "busy",
  RUNNING: "busy",
  SUCCEEDED: "good",
  FAILED: "bad",
  CANCELED: "off",
  NEVER_STARTED: "off",
  LOST: "bad",
};

function AttemptRow({ attempt }: { readonly attempt: AttemptWire }) {
  const t = useWords();
  const flags: readonly (readonly [boolean, Key])[] = [
    [attempt.stalled, "timeline.stalled"],
    [attempt.quarantined, "timeline.quarantined"],
  ];
  return (
    <li className={`attempt tone-${TONES[attempt.state]}`}>
      <div>
        <strong>{t("timeline.attempt", { n: attempt.attempt })}</strong>{" "}
        <span className={`badge tone-${TONES[attempt.state]}`}>{known(t, "state", attempt.state)}</span>
        {flags.map(([on, key]) =>
          on ? (
            <span key={key} className="badge tone-wait">
              {t(key)}
            </span>
          ) : null,
        )}
        {attempt.started_at === null ? null : (
          <span className="muted">
            {" "}
            <Span from={attempt.started_at} to={attempt.ended_at} />
          </span>
        )}
      </div>
      <div className="muted parted">
        {attempt.node === null ? null : <span>{t("timeline.on", { node: visible(attempt.node) })}</span>}
        {attempt.resumed_from === null ? null : <span>{t("timeline.resumed", { step: attempt.resumed_from.step })}</span>}
        {attempt.exit_code === null ? null : <span>{t("timeline.exit", { code: attempt.exit_code })}</span>}
        {attempt.signal === null ? null : <span>{visible(attempt.signal)}</span>}
      </div>
      {attempt.failure === null ? null : <div lang="en">{visible(attempt.failure.text)}</div>}
      <div className="mono small muted wrap">{visible(attempt.job_dir)}</div>
    </li>
  );
}
