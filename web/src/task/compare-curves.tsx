import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import type { CurvesWire } from "../../../src/contract/insight.ts";
import type { TaskWire } from "../../../src/contract/resources.ts";
import { call } from "../api/client.ts";
import { metric, shortId } from "../format.ts";
import { useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { Loading } from "../ui/faces.tsx";
import { CurveChart } from "./curve-chart.tsx";
import { pointsOf, summaryOf, type Zoom } from "./curve-points.ts";
import { FIRST_KEYS, MOST_FIRST_KEYS } from "./curves-tab.tsx";

type Both = { readonly a: TaskWire; readonly b: TaskWire };

/** The metrics that both tasks have, each task's attempts as one line. */
export function CompareCurves({ a, b }: Both) {
  const wanted = [...new Set([a, b].flatMap((one) => one.progress?.metric?.key ?? []).concat(FIRST_KEYS))];
  const [left, right] = [useLine(a, wanted), useLine(b, wanted)];
  const [zoom, setZoom] = useState<Zoom>(null);
  if (left.data === undefined || right.data === undefined) return left.isError || right.isError ? null : <Loading />;
  const lines = [left.data.line, right.data.line];
  const keys = wanted.filter((key) => lines.every((line) => line?.series[key]?.some((value) => value !== null) === true));
  return (
    <div className="curve-grid">
      {keys.slice(0, MOST_FIRST_KEYS).map((key) => (
        <Overlay key={key} name={key} a={a} b={b} lines={lines} zoom={zoom} onZoom={setZoom} />
      ))}
    </div>
  );
}

function useLine(task: TaskWire, key: readonly string[]) {
  return useQuery({
    queryKey: ["task", task.task_id, "curves", "line", key],
    queryFn: ({ signal }) =>
      call("readCurves", "GET", "/api/v2/tasks/{task_id}/curves", {
        path: { task_id: task.task_id },
        query: { key, view: "line" },
        signal,
      }),
    refetchInterval: (query) => (query.state.data?.complete === false ? 500 : false),
  });
}

function Overlay({
  name,
  a,
  b,
  lines,
  zoom,
  onZoom,
}: Both & {
  readonly name: string;
  readonly lines: readonly CurvesWire["line"][];
  readonly zoom: Zoom;
  readonly onZoom: (zoom: Zoom) => void;
}) {
  const t = useWords();
  const nameOf = useCallback((n: number) => visible((n === 1 ? a : b).name ?? shortId((n === 1 ? a : b).task_id)), [a, b]);
  const points = useMemo(() => {
    const both = pointsOf(
      { attempts: lines.map((line, n) => ({ attempt: n + 1, steps: line?.steps ?? [], series: line?.series ?? {} })) },
      name,
    );
    // Where a task begins is no event in the other's life: nothing is marked.
    return { ...both, attempts: both.attempts.map((one) => ({ ...one, firstStep: -1 })) };
  }, [lines, name]);
  const [place, setPlace] = useState<number | null>(null);
  const summary = summaryOf(points);
  if (summary === null) return null;
  return (
    <figure className="card">
      <figcaption>
        <span className="mono">{visible(name)}</span>
        {place === null ? null : <span className="muted">{t("progress.step", { step: points.steps[place] ?? 0 })}</span>}
        <span className="legend">
          {points.attempts.map((one, n) => (
            <span key={one.attempt}>
              <span className={`swatch curve-${n}`} aria-hidden="true" />
              {nameOf(one.attempt)} <strong>{valueText(one.values, place)}</strong>
            </span>
          ))}
        </span>
      </figcaption>
      <CurveChart
        label={t("curves.label", {
          key: visible(name),
          count: summary.count,
          last: points.attempts.map((one) => `${nameOf(one.attempt)} ${valueText(one.values, null)}`).join(", "),
          min: metric(summary.min),
          max: metric(summary.max),
        })}
        points={points}
        zoom={zoom}
        onZoom={onZoom}
        onPoint={setPlace}
        isLog={false}
        attemptLabel={nameOf}
      />
    </figure>
  );
}

/** The value at a step, or the last one. */
function valueText(values: readonly (number | null)[], place: number | null): string {
  const value = place === null ? values.findLast((one) => one !== null) : values[place];
  return value === null || value === undefined ? "–" : metric(value);
}
