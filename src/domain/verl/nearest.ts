/** Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`; both should be short. */
function editDistance(a: string, b: string): number {
  let older: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(replaced, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, (older[j - 2] ?? 0) + 1);
      current.push(best);
    }
    older = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/** The known word that `text` was most likely meant to be, or null when none is near. Case, `-` and `_` do not count. */
export function nearest(text: string, known: readonly string[]): string | null {
  if (text.length > 64) return null;
  const plain = (word: string): string => word.toLowerCase().replaceAll("-", "_");
  let best: { readonly word: string; readonly distance: number } | null = null;
  for (const word of known) {
    const distance = editDistance(plain(text), plain(word));
    const limit = Math.max(1, Math.floor(Math.max(text.length, word.length) / 3));
    if (distance <= limit && (best === null || distance < best.distance)) best = { word, distance };
  }
  return best?.word ?? null;
}
