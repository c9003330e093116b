import { useEffect, useRef } from "react";
import uPlot from "uplot";
import { metric } from "../format.ts";
import { useObservable } from "../observable.ts";
import { isDark } from "../theme.ts";
import type { Points, Zoom } from "./curve-points.ts";

export type CurveChartProps = {
  readonly label: string;
  readonly points: Points;
  readonly zoom: Zoom;
  readonly onZoom: (zoom: Zoom) => void;
  /** The place of the step below the pointer, in this chart or in one beside it; null = it is elsewhere. */
  readonly onPoint: (place: number | null) => void;
  readonly isLog: boolean;
  readonly attemptLabel: (attempt: number) => string;
};

const HEIGHT_PX = 190;
/** uPlot names its kinds of scales by a const enum, which nothing but its own compiler can read; 3 is the logarithmic one. */
// oxlint-disable-next-line typescript/no-unsafe-enum-assignment
const LOGARITHMIC: uPlot.Scale = { distr: 3 };

/** One key over the steps; a line an attempt, each beginning of one marked. */
export function CurveChart({ label, points, zoom, onZoom, onPoint, isLog, attemptLabel }: CurveChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const dark = useObservable(isDark);
  const attempts = points.attempts.map((one) => one.attempt).join(",");
  const firsts = useRef<readonly number[]>([]);
  firsts.current = points.attempts.slice(1).map((one) => one.firstStep);
  const told = useRef(onZoom);
  told.current = onZoom;
  const pointed = useRef(onPoint);
  pointed.current = onPoint;

  useEffect(() => {
    const place = box.current;
    if (place === null) return;
    const colours = getComputedStyle(place);
    const colour = (name: string): string => colours.getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--muted"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui",
    };
    const made = new uPlot(
      {
        width: place.clientWidth || 300,
        height: HEIGHT_PX,
        cursor: { sync: { key: "curves" }, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
        legend: { show: false },
        scales: { x: { time: false }, y: isLog ? LOGARITHMIC : {} },
        axes: [
          { ...axis, size: 26 },
          { ...axis, size: 60, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : metric(tick))) },
        ],
        series: [
          {},
          ...attempts.split(",").map((attempt, n) => ({
            label: attemptLabel(Number(attempt)),
            stroke: colour(`--curve-${n % 6}`),
            width: 1.6,
            spanGaps: true,
            points: { size: 4 },
          })),
        ],
        hooks: {
          draw: [(drawn) => drawFirsts(drawn, firsts.current, colour("--warn"))],
          setCursor: [(drawn) => pointed.current(drawn.cursor.idx ?? null)],
          setSelect: [
            (drawn) => {
              const { left, width } = drawn.select;
              if (width < 4) return;
              told.current({ min: drawn.posToVal(left, "x"), max: drawn.posToVal(left + width, "x") });
              drawn.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            },
          ],
        },
      },
      [[], ...attempts.split(",").map(() => [])],
      place,
    );
    made.over.addEventListener("dblclick", () => told.current(null));
    chart.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: place.clientWidth, height: HEIGHT_PX }));
    watch.observe(place);
    return () => {
      watch.disconnect();
      made.destroy();
      chart.current = null;
    };
  }, [attempts, isLog, dark, attemptLabel]);

  useEffect(() => {
    const made = chart.current;
    if (made === null) return;
    made.setData([[...points.steps], ...points.attempts.map((one) => [...one.values])] as uPlot.AlignedData, zoom === null);
    if (zoom !== null) made.setScale("x", zoom);
  }, [points, zoom, attempts, isLog, dark]);

  return <div ref={box} className="curve" role="img" aria-label={label} />;
}

function drawFirsts(drawn: uPlot, firsts: readonly number[], colour: string): void {
  const { ctx, bbox } = drawn;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.setLineDash([4, 4]);
  for (const step of firsts) {
    const x = drawn.valToPos(step, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}
