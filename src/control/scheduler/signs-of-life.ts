/**
 * What has to go on while a pass lasts, however slow Ray or a file is, and while the loop rests: the leader's beat, by which other servers know
 * that it is not frozen, and proof that storage answers, without which no silence of a launcher counts.
 */
import type { SchedulerDeps, SchedulerMemory } from "./context.ts";

/** Rule 10 of docs/protocol.md; far below the 10 s in which a proof that storage answers is fresh. */
export const SIGN_EVERY_MS = 2_000;

/** Runs beside `work`, and ends with it; what it finds out is for the next pass: a lost lead is seen by each write's epoch. */
export async function withSignsOfLife<T>(
  deps: SchedulerDeps,
  memory: SchedulerMemory,
  owner: string,
  epoch: number,
  work: () => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const beats = each(deps, over.signal, async () => (await deps.store.leader.lead(owner, deps.clock.now())) === epoch);
  // Not waited for: a probe may hang, and its answer counts whenever it comes.
  void each(deps, over.signal, () => probeStorage(deps, memory));
  try {
    return await work();
  } finally {
    over.abort();
    await beats;
  }
}

/** False when storage does not answer. */
export async function probeStorage(deps: SchedulerDeps, memory: SchedulerMemory): Promise<boolean> {
  try {
    await deps.files.probe();
    memory.healthy.probeOk(deps.clock.monotonicMs());
    return true;
  } catch (error) {
    memory.healthy.probeFailed();
    deps.log.warn({ error: String(error) }, "the shared storage does not answer");
    return false;
  }
}

/** Until the signal aborts, or `act` says that it is no use. */
async function each(deps: SchedulerDeps, signal: AbortSignal, act: () => Promise<boolean>): Promise<void> {
  while (!signal.aborted) {
    try {
      await deps.clock.sleep(SIGN_EVERY_MS, signal);
      if (!(await act())) return;
    } catch (error) {
      if (!signal.aborted) deps.log.warn({ error: String(error) }, "no sign of life could be given; the next pass tries again");
      return;
    }
  }
}
