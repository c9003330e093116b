/** The value below which `share` of them lie; 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return tenths(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
}

export function largest(values: readonly number[]): number {
  return tenths(Math.max(0, ...values));
}

function tenths(value: number): number {
  return Math.round(value * 1000) / 1000;
}
