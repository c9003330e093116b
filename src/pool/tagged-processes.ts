/**
 * Finds the processes of a pool by a variable in their environment, which every descendant inherits, whatever its parent, group or session became.
 * `SPT_NOENV=1` stands beside it: without it Ray's setproctitle blanks /proc/PID/environ (docs/interfaces, measured on Ray 2.60).
 */
import { readdirSync, readFileSync } from "node:fs";
import type { Clock } from "../control/ports.ts";
import { isGone, startTicksOf } from "./process-record.ts";

export const POOL_TAG = "VERLPOOL_POOL_NODE";

export type TaggedProcess = { readonly pid: number; readonly startTicks: number; readonly node: string; readonly argv: readonly string[] };

/** Living processes whose tag is `tag` or lies under it (`<tag>/…`). Processes of other users can't be read and are none of ours. */
export function findTagged(tag: string): readonly TaggedProcess[] {
  const found: TaggedProcess[] = [];
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const node = tagOf(pid);
    if (node === null || (node !== tag && !node.startsWith(`${tag}/`))) continue;
    const startTicks = startTicksOf(pid);
    if (startTicks !== null) found.push({ pid, startTicks, node, argv: argvOf(pid) });
  }
  return found;
}

export function signalTagged(processes: readonly Pick<TaggedProcess, "pid" | "startTicks">[], signal: NodeJS.Signals): void {
  for (const found of processes) {
    if (startTicksOf(found.pid) !== found.startTicks) continue;
    try {
      process.kill(found.pid, signal);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
}

/**
 * Kills until none is left and every one that was seen has closed its files: a dying process loses its environment before its sockets. `seen`:
 * what was found earlier and may be dying by now. Resolves with how many were killed; throws when some outlive `deadlineMs` (a hung mount).
 */
export async function killTagged(
  tag: string,
  clock: Clock,
  deadlineMs: number,
  signal: AbortSignal,
  seen: readonly TaggedProcess[] = [],
): Promise<number> {
  const start = clock.monotonicMs();
  const known = new Map(seen.map((one) => [`${one.pid}/${one.startTicks}`, one]));
  for (;;) {
    const found = findTagged(tag);
    for (const one of found) known.set(`${one.pid}/${one.startTicks}`, one);
    signalTagged(found, "SIGKILL");
    const left = [...known.values()].filter((one) => startTicksOf(one.pid) === one.startTicks);
    if (left.length === 0) return known.size;
    if (clock.monotonicMs() - start > deadlineMs) {
      throw new Error(
        `${left.length} processes of the pool outlive SIGKILL (pids ${left.map((one) => one.pid).join(", ")}): a hung mount or device holds them`,
      );
    }
    await clock.sleep(50, signal);
  }
}

function tagOf(pid: number): string | null {
  return environmentOf(pid, [POOL_TAG]).get(POOL_TAG) ?? null;
}

/** What the process was started with for these names; those that it lacks, or that can't be read, are left out. */
export function environmentOf(pid: number, names: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const word of readWords(`/proc/${pid}/environ`)) {
    const name = names.find((one) => word.startsWith(`${one}=`));
    if (name !== undefined && !found.has(name)) found.set(name, word.slice(name.length + 1));
  }
  return found;
}

function argvOf(pid: number): readonly string[] {
  return readWords(`/proc/${pid}/cmdline`);
}

function readWords(path: string): readonly string[] {
  try {
    return readFileSync(path, "utf8").split("\0");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (isGone(error) || code === "EACCES" || code === "EPERM") return [];
    throw error;
  }
}
