/**
 * pip or the demo maker of a `prepare` that was killed (SIGKILL): they go on, and would write into what the next `prepare` builds.
 * They carry the pool's tag with the root, so the next one finds and ends them, and nothing else.
 */
import { findTagged, POOL_TAG, signalTagged } from "../tagged-processes.ts";

const DEADLINE_MS = 30_000;

export function prepareTag(root: string): { readonly [key: string]: string } {
  return { [POOL_TAG]: tagOf(root) };
}

/** Ends the programs that an earlier `prepare` of this root left on this machine; gives how many. Call it under the lock only. */
export async function endLeftPrograms(root: string, monotonicMs: () => number, signal: AbortSignal): Promise<number> {
  // Only Linux shows the environment of processes; elsewhere a leftover pip fails by itself, its directory being gone.
  if (process.platform !== "linux") return 0;
  const start = monotonicMs();
  const ended = new Set<number>();
  for (;;) {
    signal.throwIfAborted();
    const left = findTagged(tagOf(root));
    if (left.length === 0) return ended.size;
    for (const { pid } of left) ended.add(pid);
    signalTagged(left, "SIGKILL");
    if (monotonicMs() - start > DEADLINE_MS) {
      throw new Error(`processes ${left.map((one) => one.pid).join(", ")} of an earlier prepare outlive SIGKILL: a hung mount holds them`);
    }
    await nextTurn();
  }
}

/** The kernel needs some milliseconds; each turn reads /proc once, so this neither spins hard nor needs a timer. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function tagOf(root: string): string {
  return `prepare:${root}`;
}
