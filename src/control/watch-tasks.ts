/** Which tasks changed, for as many watchers as there are: the database is looked at once for all of them, and not at all when nobody watches. */
import { maySee } from "../domain/access.ts";
import type { Principal } from "../domain/types.ts";
import type { Clock, Store, TaskVersion } from "./ports.ts";

/** Ids of tasks that the watcher may see; `missed`: more happened than is kept, so everything is to be read anew. */
export type TasksChanged = { readonly kind: "changed"; readonly taskIds: readonly string[] } | { readonly kind: "missed" };

export type WatchTasks = (principal: Principal, signal: AbortSignal) => AsyncGenerator<TasksChanged>;

const LOOK_EVERY_MS = 1_000;
/** Looks whose changes are kept for a watcher whose client reads slowly. */
const KEPT = 60;

type Look = { readonly n: number; readonly changed: readonly TaskVersion[] };

/** Each step of a generator waits for one look; it ends with its signal. The first look only learns how things stand. */
export function taskWatch(store: Pick<Store, "tasks">, clock: Clock): WatchTasks {
  let known: ReadonlyMap<string, TaskVersion> | null = null;
  let looks: readonly Look[] = [];
  let n = 0;
  let last: { readonly at: number; readonly done: Promise<void> } | null = null;

  const look = async (): Promise<void> => {
    const now = new Map((await store.tasks.versions()).map((one) => [one.taskId, one]));
    const before = known;
    known = now;
    if (before === null) return;
    const changed = [
      ...[...now.values()].filter((one) => before.get(one.taskId)?.version !== one.version),
      ...[...before.values()].filter((one) => !now.has(one.taskId)),
    ];
    n += 1;
    looks = [...looks.slice(1 - KEPT), { n, changed }];
  };
  /** Of two watchers that ask at once, one looks. */
  const looked = async (): Promise<void> => {
    const at = clock.monotonicMs();
    // After a time without watchers nobody knows what changed since: begin anew.
    if (last !== null && at - last.at > LOOK_EVERY_MS * KEPT) known = null;
    if (last === null || at - last.at >= LOOK_EVERY_MS) last = { at, done: look() };
    await last.done;
  };

  return async function* watch(principal, signal) {
    await looked();
    let seen = n;
    while (!signal.aborted) {
      await clock.sleep(LOOK_EVERY_MS, signal);
      await looked();
      const missed = looks.filter((one) => one.n > seen);
      const isWhole = missed.length === n - seen;
      seen = n;
      const taskIds = [
        ...new Set(missed.flatMap(({ changed }) => changed.filter((one) => maySee(principal, one)).map((one) => one.taskId))),
      ];
      yield isWhole ? { kind: "changed", taskIds } : { kind: "missed" };
    }
  };
}
