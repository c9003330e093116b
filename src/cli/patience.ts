/** What may be tried again, how long to wait, and how Ctrl-C ends a wait. */
import { ApiError } from "./problem-error.ts";
import { Unreachable } from "./transport.ts";
import type { CliWorld } from "./world.ts";

const TRANSIENT: ReadonlySet<number> = new Set([429, 502, 503, 504]);
/** In a row: a limit that holds for so long is not one that waiting changes. */
const MOST_LIMITED = 10;

/** No answer, or one that a later try may turn: the server restarts, its database is away, too many requests. `tries` in a row came before. */
export function isTransient(error: unknown, tries = 0): boolean {
  if (error instanceof ApiError && error.problem.status === 429) return tries < MOST_LIMITED;
  return error instanceof Unreachable || (error instanceof ApiError && TRANSIENT.has(error.problem.status));
}

export function transientText(error: unknown): string {
  if (error instanceof Unreachable) return `no answer (${error.reason})`;
  return error instanceof ApiError ? error.problem.detail : String(error);
}

/** Doubling from 0.5 s to 15 s, ± 20 %, never sooner than the server asked for. `tries` counts from 0. */
export function backoffMs(tries: number, error: unknown, random: () => number): number {
  const base = Math.min(15_000, 500 * 2 ** Math.min(tries, 6));
  const asked = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(asked, Math.round(base * (0.8 + 0.4 * random())));
}

/** The reason of the signal when the user pressed Ctrl-C. */
class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** Runs `work` with a signal that Ctrl-C aborts; then `onInterrupt` gives the exit code. Outside of it Ctrl-C ends the program. */
export async function interruptible(
  world: CliWorld,
  work: (signal: AbortSignal) => Promise<number>,
  onInterrupt: () => Promise<number>,
): Promise<number> {
  const controller = new AbortController();
  const release = world.onInterrupt(() => {
    // A second Ctrl-C finds no listener and ends the program, whatever hangs.
    release();
    controller.abort(new Interrupted("interrupted"));
  });
  try {
    return await work(controller.signal);
  } catch (error) {
    if (error instanceof Interrupted) return await onInterrupt();
    throw error;
  } finally {
    release();
  }
}
