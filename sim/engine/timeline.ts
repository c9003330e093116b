/** Virtual time: what is due next, and nothing in between. Two things due at one instant happen in the order in which they were planned. */

export type Timer = { readonly cancel: () => void };

type Due = { readonly at: number; readonly order: number; readonly label: string; act: (() => void | Promise<void>) | null };

export type Happening = { readonly label: string; readonly act: () => void | Promise<void> };

export type Timeline = {
  /** Milliseconds since the world began. */
  readonly now: () => number;
  /** A thing due in the past is due now. */
  readonly at: (time: number, label: string, act: () => void | Promise<void>) => Timer;
  readonly after: (ms: number, label: string, act: () => void | Promise<void>) => Timer;
  /** Moves time to the next thing that is due at `horizon` at the latest, and takes it; null = there is none. */
  readonly next: (horizon: number) => Happening | null;
};

export function makeTimeline(): Timeline {
  const heap: Due[] = [];
  let now = 0;
  let order = 0;

  const at: Timeline["at"] = (time, label, act) => {
    const due: Due = { at: Math.max(now, Math.round(time)), order: (order += 1), label, act };
    push(heap, due);
    return {
      cancel: () => {
        due.act = null;
      },
    };
  };

  const next: Timeline["next"] = (horizon) => {
    for (let first = heap[0]; first !== undefined && first.at <= horizon; first = heap[0]) {
      pop(heap);
      if (first.act === null) continue;
      now = first.at;
      return { label: first.label, act: first.act };
    }
    return null;
  };

  return { now: () => now, at, after: (ms, label, act) => at(now + ms, label, act), next };
}

function isBefore(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function push(heap: Due[], due: Due): void {
  let index = heap.push(due) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent] as Due;
    if (!isBefore(due, above)) break;
    heap[index] = above;
    index = parent;
  }
  heap[index] = due;
}

function pop(heap: Due[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Due, heap[child] as Due)) child += 1;
    if (!isBefore(heap[child] as Due, last)) break;
    heap[index] = heap[child] as Due;
    index = child;
  }
  heap[index] = last;
}
