/** The scheduler's loop: leads if nobody else does, makes a pass each tick, at once when woken, and goes on after any failure. */
import type { HeadView, NodeView } from "../../domain/types.ts";
import type { SchedulerDeps, SchedulerMemory } from "./context.ts";
import { handOver, healthyTime, stillness } from "./memory.ts";
import { pass } from "./pass.ts";
import { type NodeSighting, poolMemory, sightings } from "./pool-sight.ts";
import { messageOf } from "./settle-attempts.ts";
import { SIGN_EVERY_MS, withSignsOfLife } from "./signs-of-life.ts";
import { stallMemory } from "./stalls.ts";

/** What the loop last saw, for /nodes, /queue, :plan and /readyz; `at` is monotonic. */
export type LoopView = {
  readonly head: HeadView | null;
  readonly nodes: readonly NodeView[] | null;
  /** Every node whose agent has ever reported, as it told last. */
  readonly agents: readonly NodeSighting[];
  readonly at: number | null;
  readonly leads: boolean;
  readonly lastError: string | null;
};

export type SchedulerLoop = {
  /** Makes the next pass start now: something was submitted or canceled. */
  readonly wake: () => void;
  readonly view: () => LoopView;
  /** Runs until the signal aborts; never throws for a failing pass. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** One pass, for tests and for the loop itself. */
  readonly once: (signal: AbortSignal) => Promise<boolean>;
};

export function schedulerLoop(deps: SchedulerDeps, owner: string): SchedulerLoop {
  const memory: SchedulerMemory = {
    healthy: healthyTime(),
    still: stillness(),
    handOver: handOver(deps.settings.handOverMs),
    pool: poolMemory(),
    watches: new Map(),
    toRemove: new Map(),
    disagreed: new Set(),
    stalls: stallMemory(),
    metricOffsets: new Map(),
    running: new Map(),
  };
  let view: LoopView = { head: null, nodes: null, agents: [], at: null, leads: false, lastError: null };
  let woken = false;
  let rouse: (() => void) | null = null;

  let epoch: number | null = null;

  const once = async (signal: AbortSignal): Promise<boolean> => {
    epoch = await deps.store.leader.lead(owner, deps.clock.now());
    if (epoch === null) {
      view = { ...view, leads: false, at: deps.clock.monotonicMs(), lastError: null };
      return false;
    }
    const start = deps.clock.monotonicMs();
    const mine = epoch;
    const { moved, world } = await withSignsOfLife(deps, memory, owner, mine, () => pass(deps, memory, mine, signal));
    deps.meters.tick((deps.clock.monotonicMs() - start) / 1000);
    view = {
      head: world.head,
      nodes: world.nodes ?? view.nodes,
      agents: sightings(memory.pool),
      at: deps.clock.monotonicMs(),
      leads: true,
      lastError: null,
    };
    return moved;
  };

  const rest = async (signal: AbortSignal): Promise<void> => {
    if (woken) return;
    const wakeUp = new AbortController();
    rouse = () => wakeUp.abort();
    try {
      await deps.clock.sleep(deps.settings.tickMs, AbortSignal.any([signal, wakeUp.signal]));
    } catch (error) {
      if (!wakeUp.signal.aborted && !signal.aborted) throw error;
    } finally {
      rouse = null;
    }
  };

  const run = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      woken = false;
      let moved = false;
      try {
        moved = await once(signal);
      } catch (error) {
        if (signal.aborted) return;
        view = { ...view, lastError: messageOf(error) };
        deps.log.error(
          { error: messageOf(error), stack: error instanceof Error ? error.stack : undefined },
          "a scheduler pass failed; the next one starts anew",
        );
      }
      if (moved) continue;
      // A tick may last longer than others wait for a leader's beat, and than a proof that storage answers is fresh.
      if (epoch === null || deps.settings.tickMs <= SIGN_EVERY_MS) await rest(signal);
      else await withSignsOfLife(deps, memory, owner, epoch, () => rest(signal));
    }
  };

  return {
    wake: () => {
      woken = true;
      rouse?.();
    },
    view: () => view,
    run,
    once,
  };
}
