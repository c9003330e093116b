/** Chance that is a function of the seed alone: one stream a purpose, so that leaving out one fault does not change what all others do. */

export type Random = {
  /** Uniform in [0, 1). */
  readonly next: () => number;
  /** A whole number, both ends included. */
  readonly int: (low: number, high: number) => number;
  readonly chance: (probability: number) => boolean;
  readonly pick: <T>(items: readonly T[]) => T;
  /** Picks by weight. */
  readonly weighted: <T>(items: readonly (readonly [weight: number, item: T])[]) => T;
};

export type Streams = (purpose: string) => Random;

export function streams(seed: number): Streams {
  const known = new Map<string, Random>();
  return (purpose) => {
    const existing = known.get(purpose);
    if (existing !== undefined) return existing;
    const made = randomOf(seed, purpose);
    known.set(purpose, made);
    return made;
  };
}

export function randomOf(seed: number, purpose: string): Random {
  const next = sfc32(hash(purpose, seed >>> 0), hash(purpose, Math.floor(seed / 2 ** 32) ^ 0x9e3779b9), hash(`${seed}`, 0x85ebca6b));
  const int = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  const pick = <T>(items: readonly T[]): T => {
    const item = items[int(0, items.length - 1)];
    if (items.length === 0) throw new RangeError("nothing to pick from");
    return item as T;
  };
  const weighted = <T>(items: readonly (readonly [number, T])[]): T => {
    let left = next() * items.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, item] of items) {
      left -= weight;
      if (left < 0) return item;
    }
    return pick(items)[1];
  };
  return { next, int, chance: (probability) => next() < probability, pick, weighted };
}

/** FNV-1a with a final mix, 32 bits. */
export function hash(text: string, start: number): number {
  let value = (0x811c9dc5 ^ start) >>> 0;
  for (let i = 0; i < text.length; i += 1) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
  value = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  value = Math.imul(value ^ (value >>> 15), 0x846ca68b);
  return (value ^ (value >>> 16)) >>> 0;
}

/** Small Fast Counter by Chris Doty-Humphrey (PractRand), 128 bits of state. */
function sfc32(a: number, b: number, c: number): () => number {
  let counter = 1;
  const step = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return (sum >>> 0) / 4294967296;
  };
  for (let i = 0; i < 12; i += 1) step();
  return step;
}
