/** A curve in braille characters: 2 × 4 dots a cell, so it is sharp enough for a terminal and still plain text. */
import { cells } from "./visible.ts";

export type Point = { readonly x: number; readonly y: number };

/** Bits of the dots of one braille cell, by column and row (Unicode, Braille Patterns U+2800). */
const DOTS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;

export function axisNumber(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(4)));
}

/** Where a value lies on an axis of `dots` dots; a flat curve lies in the middle. */
function dotOf(value: number, low: number, high: number, dots: number): number {
  return high === low ? Math.floor((dots - 1) / 2) : Math.round(((value - low) / (high - low)) * (dots - 1));
}

/** Draws a line from dot to dot (Bresenham), so that steep parts do not fall apart. */
function drawLine(set: (x: number, y: number) => void, x0: number, y0: number, x1: number, y1: number): void {
  const steps = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0), 1);
  for (let step = 0; step <= steps; step += 1)
    set(Math.round(x0 + ((x1 - x0) * step) / steps), Math.round(y0 + ((y1 - y0) * step) / steps));
}

/** Lines of text, at most `width` cells wide, `height` rows of dots and one row for the axis. Points in ascending x; not finite ones are gaps. */
export function plot(points: readonly Point[], width: number, height: number): readonly string[] {
  const finite = points.filter((point) => Number.isFinite(point.y));
  const [first] = finite;
  const last = finite.at(-1);
  if (first === undefined || last === undefined) return ["(no finite value)"];
  const low = Math.min(...finite.map((point) => point.y));
  const high = Math.max(...finite.map((point) => point.y));
  const top = axisNumber(high);
  const bottom = axisNumber(low);
  const margin = Math.max(cells(top), cells(bottom));
  const columns = Math.max(8, width - margin - 2);
  const grid = Array.from({ length: height }, () => new Uint8Array(columns));
  const set = (x: number, y: number): void => {
    const row = grid[Math.floor(y / 4)];
    const bit = DOTS[x % 2 === 0 ? 0 : 1][(y % 4) as 0 | 1 | 2 | 3];
    if (row !== undefined) row[Math.floor(x / 2)] = (row[Math.floor(x / 2)] ?? 0) | bit;
  };
  let before: { readonly x: number; readonly y: number } | null = null;
  for (const point of points) {
    if (!Number.isFinite(point.y)) {
      before = null;
      continue;
    }
    const x = dotOf(point.x, first.x, last.x, columns * 2);
    const y = height * 4 - 1 - dotOf(point.y, low, high, height * 4);
    drawLine(set, before?.x ?? x, before?.y ?? y, x, y);
    before = { x, y };
  }
  const rows = grid.map((row, at) => {
    const label = at === 0 ? top : at === height - 1 && high !== low ? bottom : "";
    return `${label.padStart(margin)} ┤${[...row].map((bits) => String.fromCodePoint(0x2800 + bits)).join("")}`;
  });
  const left = axisNumber(first.x);
  const right = axisNumber(last.x);
  const axis = first.x === last.x ? left : `${left}${right.padStart(Math.max(right.length + 1, columns - left.length))}`;
  return [...rows, `${" ".repeat(margin + 2)}${axis}`];
}
