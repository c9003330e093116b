/** Many worlds in one process, one after another on one database. */
import { makePlan, type Plan } from "./plan.ts";
import { runWorld } from "./run-world.ts";
import { openDatabase } from "./world/database.ts";
import type { Violation } from "./world/model.ts";

export type Failure = { readonly seed: number; readonly violation: Violation };

export type Summary = {
  readonly seeds: number;
  readonly steps: number;
  readonly virtualMs: number;
  readonly cpuMs: number;
  /** How often each thing occurred that must occur sometimes. */
  readonly seen: Readonly<Record<string, number>>;
  readonly failures: readonly Failure[];
};

export type SeedsOptions = {
  readonly start: number;
  readonly count: number;
  /** Stops after so many failing seeds. */
  readonly maxFailures: number;
  /** Ends early, after the seed in work. */
  readonly isOver?: () => boolean;
};

export async function runSeeds({ start, count, maxFailures, isOver }: SeedsOptions): Promise<Summary> {
  const database = await openDatabase();
  const began = process.cpuUsage();
  const seen: Record<string, number> = {};
  const failures: Failure[] = [];
  let [seeds, steps, virtualMs] = [0, 0, 0];
  for (let seed = start; seed < start + count; seed += 1) {
    if (failures.length >= maxFailures || isOver?.() === true) break;
    const outcome = await runWorld(database, makePlan(seed), false);
    seeds += 1;
    steps += outcome.steps;
    virtualMs += outcome.virtualMs;
    for (const [what, times] of outcome.seen) seen[what] = (seen[what] ?? 0) + times;
    if (outcome.violation !== null) failures.push({ seed, violation: outcome.violation });
  }
  const { user, system } = process.cpuUsage(began);
  return { seeds, steps, virtualMs, cpuMs: (user + system) / 1000, seen, failures };
}

export function addUp(parts: readonly Summary[]): Summary {
  const seen: Record<string, number> = {};
  for (const part of parts) for (const [what, times] of Object.entries(part.seen)) seen[what] = (seen[what] ?? 0) + times;
  const sum = (of: (part: Summary) => number): number => parts.reduce((total, part) => total + of(part), 0);
  return {
    seeds: sum((part) => part.seeds),
    steps: sum((part) => part.steps),
    virtualMs: sum((part) => part.virtualMs),
    cpuMs: sum((part) => part.cpuMs),
    seen,
    failures: parts.flatMap((part) => part.failures).toSorted((a, b) => a.seed - b.seed),
  };
}

/** The plan of a seed, or what is left of it when only some of its items happen. */
export function planOf(seed: number, only: readonly number[] | null): Plan {
  const plan = makePlan(seed);
  return only === null ? plan : { ...plan, items: plan.items.filter((item) => only.includes(item.id)) };
}
