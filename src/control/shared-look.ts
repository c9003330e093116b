/** One look serves all who want the same at about the same time. */
import type { Clock } from "./ports.ts";

export type Shared = <T>(key: string, look: () => Promise<T>) => Promise<T>;

/** For how long a look is fresh; less than followers wait between two. */
const FRESH_MS = 300;
/** Looks that are kept at once; what they hold is small, or shared by those who read it. */
const MAX_KEPT = 256;

/** The same key always means the same kind of answer. A failed look is everybody's, and not kept. */
export function sharedLooks(clock: Pick<Clock, "monotonicMs">, freshMs = FRESH_MS): Shared {
  const kept = new Map<string, { readonly at: number; readonly answer: Promise<unknown> }>();
  return <T>(key: string, look: () => Promise<T>): Promise<T> => {
    const now = clock.monotonicMs();
    for (const [old, { at }] of kept) {
      if (now - at < freshMs && kept.size < MAX_KEPT) break;
      kept.delete(old);
    }
    const known = kept.get(key);
    if (known !== undefined) return known.answer as Promise<T>;
    const answer = look();
    kept.set(key, { at: now, answer });
    answer.catch(() => kept.get(key)?.answer === answer && kept.delete(key));
    return answer;
  };
}
