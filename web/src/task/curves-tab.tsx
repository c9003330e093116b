import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { useLocation, useSearch } from "wouter";
import type { CurvesWire } from "../../../src/contract/insight.ts";
import { isTerminal } from "../../../src/domain/task-state.ts";
import { call } from "../api/client.ts";
import { metric } from "../format.ts";
import { useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { Empty, ErrorFace, Loading } from "../ui/faces.tsx";
import { CurveChart } from "./curve-chart.tsx";
import { pointsOf, type Points, summaryOf, type Zoom, zoomed } from "./curve-points.ts";
import { KeyPicker } from "./key-picker.tsx";
import type { TabProps } from "./task-view.tsx";

const ASK_EVERY_MS = 5_000;
/** Shown when nobody has chosen: what verl's trainers log first of all. */
export const FIRST_KEYS = [
  "critic/rewards/mean",
  "actor/pg_loss",
  "actor/entropy",
  "train/loss",
  "val/loss",
  "response_length/mean",
  "train/lr",
];
export const MOST_FIRST_KEYS = 4;

export function CurvesTab({ task }: TabProps) {
  const t = useWords();
  const search = useSearch();
  const [, go] = useLocation();
  const asked = useMemo(() => new URLSearchParams(search).getAll("key"), [search]);
  const own = task.progress?.metric?.key;
  const wanted = asked.length > 0 ? asked : [...new Set([...(own === undefined ? [] : [own]), ...FIRST_KEYS])];
  const curves = useQuery({
    queryKey: ["task", task.task_id, "curves", wanted],
    queryFn: ({ signal }) =>
      call("readCurves", "GET", "/api/v2/tasks/{task_id}/curves", { path: { task_id: task.task_id }, query: { key: wanted }, signal }),
    refetchInterval: (query) => (query.state.data?.complete === false ? 500 : isTerminal(task.state) ? false : ASK_EVERY_MS),
    placeholderData: keepPreviousData,
  });
  const [zoom, setZoom] = useState<Zoom>(null);
  const [isLog, setLog] = useState(false);
  if (curves.data === undefined)
    return curves.isError ? <ErrorFace error={curves.error} again={() => void curves.refetch()} /> : <Loading />;
  const { keys } = curves.data;
  if (keys.length === 0)
    return (
      <Empty title={t("curves.none")}>
        <p>{t(isTerminal(task.state) ? "curves.noneEnded" : "curves.noneYet")}</p>
      </Empty>
    );
  const shown = asked.length > 0 ? asked : firstShown(wanted, keys);
  const choose = (next: readonly string[]): void => {
    const query = new URLSearchParams(next.map((key) => ["key", key]));
    go(`/tasks/${task.task_id}/curves${next.length === 0 ? "" : `?${query.toString()}`}`, { replace: true });
  };
  return (
    <section aria-label={t("tab.curves")} className="curves">
      <Toolbar curves={curves.data} zoom={zoom} onZoom={setZoom} isLog={isLog} onLog={setLog} />
      <KeyPicker keys={keys} chosen={shown} onChoose={choose} />
      {curves.data.every > 1 ? <p className="muted">{t("curves.every", { n: curves.data.every })}</p> : null}
      <div className="curve-grid">
        {shown.map((key) => (
          <Curve key={key} curves={curves.data} name={key} zoom={zoom} onZoom={setZoom} isLog={isLog} />
        ))}
      </div>
    </section>
  );
}

function firstShown(wanted: readonly string[], keys: readonly string[]): readonly string[] {
  const there = wanted.filter((key) => keys.includes(key)).slice(0, MOST_FIRST_KEYS);
  return there.length > 0 ? there : keys.slice(0, MOST_FIRST_KEYS);
}

function Toolbar({
  curves,
  zoom,
  onZoom,
  isLog,
  onLog,
}: {
  readonly curves: CurvesWire;
  readonly zoom: Zoom;
  readonly onZoom: (zoom: Zoom) => void;
  readonly isLog: boolean;
  readonly onLog: (on: boolean) => void;
}) {
  const t = useWords();
  const steps = curves.attempts.flatMap((one) => one.steps);
  const all = { min: steps.reduce((a, b) => Math.min(a, b), Infinity), max: steps.reduce((a, b) => Math.max(a, b), -Infinity) };
  const change = (factor: number, by: number): void => onZoom(zoomed(zoom, all, factor, by));
  return (
    <div className="toolbar" role="toolbar" aria-label={t("curves.zoom")}>
      <button type="button" className="button small" onClick={() => change(0.5, 0)}>
        {t("curves.in")}
      </button>
      <button type="button" className="button small" onClick={() => change(2, 0)} disabled={zoom === null}>
        {t("curves.out")}
      </button>
      <button type="button" className="button small" onClick={() => change(1, -0.5)} disabled={zoom === null} aria-label={t("curves.left")}>
        ←
      </button>
      <button type="button" className="button small" onClick={() => change(1, 0.5)} disabled={zoom === null} aria-label={t("curves.right")}>
        →
      </button>
      <button type="button" className="button small" onClick={() => onZoom(null)} disabled={zoom === null}>
        {t("curves.all")}
      </button>
      <label className="check">
        <input type="checkbox" checked={isLog} onChange={(event) => onLog(event.target.checked)} />
        {t("curves.log")}
      </label>
      <span role="status" className="muted">
        {zoom === null ? "" : t("curves.range", { min: Math.ceil(zoom.min), max: Math.floor(zoom.max) })}
      </span>
    </div>
  );
}

function Curve({
  curves,
  name,
  zoom,
  onZoom,
  isLog,
}: {
  readonly curves: CurvesWire;
  readonly name: string;
  readonly zoom: Zoom;
  readonly onZoom: (zoom: Zoom) => void;
  readonly isLog: boolean;
}) {
  const t = useWords();
  const points = useMemo(() => pointsOf(curves, name), [curves, name]);
  const summary = useMemo(() => summaryOf(points), [points]);
  const [place, setPlace] = useState<number | null>(null);
  const attemptLabel = useCallback((n: number) => t("timeline.attempt", { n }), [t]);
  const shown = visible(name);
  return (
    <figure className="card">
      <figcaption>
        <span className="mono">{shown}</span>
        {summary === null ? null : (
          <span className="muted">
            {place === null ? (
              <>
                {metric(summary.first)} → <strong>{metric(summary.last)}</strong>
              </>
            ) : (
              <Reading points={points} place={place} />
            )}
          </span>
        )}
        {points.attempts.length > 1 ? <Legend points={points} /> : null}
      </figcaption>
      {summary === null ? (
        <p className="muted">{t("curves.noValue")}</p>
      ) : (
        <>
          <CurveChart
            label={t("curves.label", {
              key: shown,
              count: summary.count,
              last: metric(summary.last),
              min: metric(summary.min),
              max: metric(summary.max),
            })}
            points={points}
            zoom={zoom}
            onZoom={onZoom}
            onPoint={setPlace}
            isLog={isLog && summary.min > 0}
            attemptLabel={attemptLabel}
          />
          <Values points={points} name={shown} />
        </>
      )}
    </figure>
  );
}

/** What the lines say at one step. */
function Reading({ points, place }: { readonly points: Points; readonly place: number }) {
  const t = useWords();
  const step = points.steps[place];
  if (step === undefined) return null;
  const values = points.attempts.flatMap((one) => one.values[place] ?? []);
  return (
    <>
      {t("progress.step", { step })} <strong>{values.length === 0 ? "–" : values.map(metric).join(" · ")}</strong>
    </>
  );
}

function Legend({ points }: { readonly points: Points }) {
  const t = useWords();
  return (
    <span className="legend">
      {points.attempts.map((one, n) => (
        <span key={one.attempt}>
          <span className={`swatch curve-${n % 6}`} aria-hidden="true" />
          {t("timeline.attempt", { n: one.attempt })}
        </span>
      ))}
    </span>
  );
}

const MOST_VALUES = 200;

/** The same for those who can't see a line. */
function Values({ points, name }: { readonly points: Points; readonly name: string }) {
  const t = useWords();
  const [open, setOpen] = useState(false);
  const first = Math.max(0, points.steps.length - MOST_VALUES);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t("curves.values")}</summary>
      {open ? (
        <div className="scroll" tabIndex={0} role="region" aria-label={name}>
          <table>
            <thead>
              <tr>
                <th scope="col">{t("curves.step")}</th>
                {points.attempts.map((one) => (
                  <th key={one.attempt} scope="col">
                    {t("timeline.attempt", { n: one.attempt })}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {points.steps.slice(first).map((step, n) => (
                <tr key={step}>
                  <th scope="row">{step}</th>
                  {points.attempts.map((one) => {
                    const value = one.values[first + n] ?? null;
                    return <td key={one.attempt}>{value === null ? "–" : metric(value)}</td>;
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </details>
  );
}
