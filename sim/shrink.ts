/** Makes a failing plan smaller: leaves out items while the same invariant still breaks (delta debugging, Zeller 2002). */

const MAX_RUNS = 400;

/** The smallest list found for which `fails` holds; `items` itself must fail. */
export async function shrink<T>(items: readonly T[], fails: (items: readonly T[]) => Promise<boolean>): Promise<readonly T[]> {
  let kept = items;
  let runs = 0;
  for (let parts = 2; kept.length > 0 && parts <= kept.length * 2;) {
    const size = Math.ceil(kept.length / Math.min(parts, kept.length));
    let smaller: readonly T[] | null = null;
    for (let from = 0; from < kept.length && smaller === null; from += size) {
      const without = [...kept.slice(0, from), ...kept.slice(from + size)];
      runs += 1;
      if (runs > MAX_RUNS) return kept;
      if (await fails(without)) smaller = without;
    }
    if (smaller !== null) {
      kept = smaller;
      parts = Math.max(2, parts - 1);
      continue;
    }
    if (size === 1) break;
    parts *= 2;
  }
  return kept;
}
