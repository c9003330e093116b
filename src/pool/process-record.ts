/** Which process is meant: a pid alone may have been given to another one since. Linux only (/proc). */
import { readFileSync } from "node:fs";

export type ProcessRecord = {
  readonly name: string;
  readonly pid: number;
  /** Clock ticks between boot and the start of the process (/proc/PID/stat, field 22). */
  readonly startTicks: number;
  readonly bootId: string;
};

/** The record of a process of ours that has just been started; null when it has ended already. */
export function recordProcess(name: string, pid: number): ProcessRecord | null {
  const startTicks = startTicksOf(pid);
  return startTicks === null ? null : { name, pid, startTicks, bootId: bootId() };
}

/** Whether this very process lives (a zombie does not). */
export function isAlive(record: ProcessRecord): boolean {
  return record.bootId === bootId() && startTicksOf(record.pid) === record.startTicks;
}

/** Signals the process, or its whole group when it leads one; a process that is gone, or is another one now, is left alone. */
export function signalProcess(record: ProcessRecord, signal: NodeJS.Signals, target: "process" | "group"): void {
  if (!isAlive(record)) return;
  try {
    process.kill(target === "group" ? -record.pid : record.pid, signal);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** The start ticks of a living pid, or null. The name in the second field may hold blanks and parentheses, so fields count from the last one. */
export function startTicksOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state] = fields;
    return state === "Z" || state === "X" ? null : Number(fields[19]);
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
}

/** The error of an operation on a process or a file of /proc that has gone. */
export function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ESRCH";
}
