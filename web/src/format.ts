/** Numbers and times as people read them. */

const HOUR_MS = 3_600_000;

/** `3m 20s`, `2h 5m`, `4d 3h`: two units at most. */
export function duration(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s}s`;
  const m = Math.floor(s / 60);
  if (m < 60) return s % 60 === 0 || m >= 10 ? `${m}m` : `${m}m ${s % 60}s`;
  const h = Math.floor(m / 60);
  if (h < 24) return m % 60 === 0 ? `${h}h` : `${h}h ${m % 60}m`;
  const d = Math.floor(h / 24);
  return h % 24 === 0 ? `${d}d` : `${d}d ${h % 24}h`;
}

/** As a guess is told: in whole hours from ten hours on. */
function rough(ms: number): string {
  return duration(ms < 10 * HOUR_MS ? ms : Math.round(ms / HOUR_MS) * HOUR_MS);
}

/** `10–14m`: a range in one unit where its ends share it. */
export function durationRange(lowMs: number, highMs: number): string {
  const [low, high] = [rough(lowMs), rough(highMs)];
  if (low === high) return low;
  const areAlike = /^\d+[smhd]$/.test(low) && /^\d+[smhd]$/.test(high) && low.at(-1) === high.at(-1);
  return `${areAlike ? low.slice(0, -1) : low}–${high}`;
}

/** A metric: 0.3127, 1.2e-6, 12345. */
export function metric(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = count;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[unit] ?? ""}`;
}

/** `8h`, `90m`, `1d 12h`, `3600`: seconds; null where it is none of these. */
export function parseDuration(text: string): number | null {
  const trimmed = text.trim();
  if (/^\d+$/.test(trimmed)) return Number(trimmed);
  if (!/^(\d+\s*[dhms]\s*)+$/.test(trimmed)) return null;
  const unit: { readonly [letter: string]: number } = { d: 86_400, h: 3_600, m: 60, s: 1 };
  let sum = 0;
  for (const [, count, letter] of trimmed.matchAll(/(\d+)\s*([dhms])/g)) sum += Number(count) * (unit[letter ?? ""] ?? 0);
  return sum;
}

/** The last two parts of a metric's key, which tell it apart in a narrow place: `rewards/mean`. */
export function shortKey(key: string): string {
  return key.split("/").slice(-2).join("/");
}

/** The last part of a task id, which tells tasks of one user apart. */
export function shortId(taskId: string): string {
  return taskId.split("-").at(-1) ?? taskId;
}

/** `2026-11-24 08:00:00 UTC` of an instant of the API. */
export function utc(instant: string): string {
  return `${instant.slice(0, 10)} ${instant.slice(11, 19)} UTC`;
}
