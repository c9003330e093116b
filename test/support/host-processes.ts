/** What runs on a host of test/support/netns.ts and what it holds, read from this machine's /proc: no word of the agents is believed. */
import { readdirSync, readFileSync, readlinkSync, statfsSync } from "node:fs";
import type { Host } from "./netns.ts";

export type HostProcess = {
  readonly pid: number;
  readonly parent: number;
  /** Clock ticks since boot; with the pid, which process this is. */
  readonly startTicks: number;
  /** As the kernel has it: at most 15 letters. */
  readonly name: string;
  readonly argv: string;
};

/** Every process in each host's network namespace, whatever PID namespace it is in; without the hosts' own pid 1. */
export function processesOf<H extends Host>(hosts: readonly H[]): ReadonlyMap<H, readonly HostProcess[]> {
  const byNetwork = new Map(hosts.map((host) => [namespaceOf(host.init, "net"), host]));
  const outside = namespaceOf(process.pid, "pid");
  const found = new Map<H, HostProcess[]>(hosts.map((host) => [host, []]));
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const network = namespaceOf(pid, "net");
    const host = network === null ? undefined : byNetwork.get(network);
    // What made the host, and what leads into it, is ours.
    if (host !== undefined && pid !== host.init && namespaceOf(pid, "pid") !== outside) found.get(host)?.push(...describe(pid));
  }
  return found;
}

export function named(name: string, processes: readonly HostProcess[]): readonly HostProcess[] {
  return processes.filter((process) => process.name === name);
}

/** Those whose parent has died: the host's pid 1 has taken them, or the pid 1 of a PID namespace whose own parent is gone. */
export function orphansOf(host: Host, processes: readonly HostProcess[]): readonly HostProcess[] {
  return processes.filter(({ parent }) => parent === host.init);
}

/** `raylet 4711/889123`: the same text is the same process. */
export function identity(process: HostProcess): string {
  return `${process.name} ${process.pid}/${process.startTicks}`;
}

/** TCP ports on which something of the host listens. */
export function listeningPorts(host: Host): readonly number[] {
  const LISTEN = "0A";
  const lines = ["tcp", "tcp6"].flatMap((table) => readFileSync(`/proc/${host.init}/net/${table}`, "latin1").trim().split("\n").slice(1));
  const fields = lines.map((line) => line.trim().split(/\s+/));
  const ports = fields.filter(([, , , state]) => state === LISTEN).map(([, local = ""]) => Number.parseInt(local.split(":")[1] ?? "", 16));
  return [...new Set(ports)].sort((a, b) => a - b);
}

/** Bytes in the host's /dev/shm, unlinked files that a process still maps included. */
export function shmBytes(host: Host): number {
  const { blocks, bfree, bsize } = statfsSync(`/proc/${host.init}/root/dev/shm`);
  return (blocks - bfree) * bsize;
}

function namespaceOf(pid: number, kind: "net" | "pid"): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`);
  } catch {
    return null;
  }
}

function describe(pid: number): readonly HostProcess[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie holds nothing any more but its number.
    if (fields[0] === "Z" || fields[0] === "X") return [];
    return [{ pid, parent: Number(fields[1]), startTicks: Number(fields[19]), name, argv }];
  } catch {
    // It ended while we looked.
    return [];
  }
}
