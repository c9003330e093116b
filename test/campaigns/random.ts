/** Mulberry32: what a round draws depends on its number alone. */
export type Draw = {
  readonly below: (limit: number) => number;
  readonly chance: (share: number) => boolean;
};

export function drawFrom(seed: number): Draw {
  let state = Math.imul(seed, 0x9e3779b1);
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return { below: (limit) => next() * limit, chance: (share) => next() < share };
}
