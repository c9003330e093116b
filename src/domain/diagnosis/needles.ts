/**
 * Finds many words in one pass over a text, whatever the text: an Aho-Corasick automaton over a table of transitions. Its cost is one look-up a
 * character, so no log can make it slow. Words are compared without regard to ASCII case.
 */
export type WordFinder = {
  /** Calls `hit(word index, offset of the word's last character)` for each occurrence, in order of its end. */
  readonly scan: (text: string, hit: (word: number, at: number) => void) => void;
};

const CODES = 65_536;

/** Class 0 is every character that no word has. */
function classesOf(words: readonly string[]): { readonly classes: Uint16Array; readonly width: number } {
  const classes = new Uint16Array(CODES);
  let width = 1;
  for (const word of words)
    for (let i = 0; i < word.length; i += 1) {
      const code = word.charCodeAt(i);
      if (classes[code] === 0) classes[code] = width++;
    }
  for (let upper = 65; upper <= 90; upper += 1) classes[upper] = classes[upper + 32] ?? 0;
  return { classes, width };
}

export function wordFinder(words: readonly string[]): WordFinder {
  const { classes, width } = classesOf(words);
  const states = words.reduce((sum, word) => sum + word.length, 1);
  const next = new Int32Array(states * width);
  const found: number[][] = [[]];
  for (const [index, word] of words.entries()) {
    let state = 0;
    for (let i = 0; i < word.length; i += 1) {
      const at = state * width + (classes[word.charCodeAt(i)] ?? 0);
      if (next[at] === 0) {
        next[at] = found.length;
        found.push([]);
      }
      state = next[at] ?? 0;
    }
    found[state]?.push(index);
  }
  completeTransitions(next, found, width);
  const ends = Uint8Array.from(found, (list) => (list.length > 0 ? 1 : 0));
  return {
    scan: (text, hit) => {
      let state = 0;
      for (let i = 0; i < text.length; i += 1) {
        state = next[state * width + (classes[text.charCodeAt(i)] ?? 0)] ?? 0;
        if (ends[state] === 1) for (const word of found[state] ?? []) hit(word, i);
      }
    },
  };
}

/** Breadth first: where a word can't go on, the longest other beginning that the text just ended with does. */
function completeTransitions(next: Int32Array, found: number[][], width: number): void {
  const fallback = new Int32Array(found.length);
  const queue: number[] = [];
  for (let c = 0; c < width; c += 1) {
    const state = next[c] ?? 0;
    if (state !== 0) queue.push(state);
  }
  for (let head = 0; head < queue.length; head += 1) {
    const state = queue[head] ?? 0;
    const other = fallback[state] ?? 0;
    found[state]?.push(...(found[other] ?? []));
    for (let c = 0; c < width; c += 1) {
      const at = state * width + c;
      const child = next[at] ?? 0;
      const through = next[other * width + c] ?? 0;
      if (child === 0) next[at] = through;
      else {
        fallback[child] = through;
        queue.push(child);
      }
    }
  }
}
