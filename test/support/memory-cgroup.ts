/** A memory limit for processes, as a container has it: the kernel kills in it what it can't give memory to. Wants root. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const MOUNT = "/sys/fs/cgroup";
const V1 = join(MOUNT, "memory");

export type MemoryCgroup = {
  /** What these start from now on is in it too. */
  readonly hold: (pids: readonly number[]) => void;
  /** Of what its processes ask for from now on (version 1), or have in all (version 2). */
  readonly limit: (bytes: number) => void;
  /** Its processes must have ended. */
  readonly remove: () => void;
};

/** Null where this process may make none. */
export function makeMemoryCgroup(name: string): MemoryCgroup | null {
  const isV1 = existsSync(V1);
  const path = join(isV1 ? V1 : MOUNT, name);
  try {
    mkdirSync(path);
  } catch {
    return null;
  }
  const limitFile = join(path, isV1 ? "memory.limit_in_bytes" : "memory.max");
  if (!existsSync(limitFile)) {
    rmdirSync(path);
    return null;
  }
  return {
    hold: (pids) => {
      for (const pid of pids) writeFileSync(join(path, "cgroup.procs"), String(pid));
    },
    limit: (bytes) => writeFileSync(limitFile, String(bytes)),
    remove: () => {
      const left = readFileSync(join(path, "cgroup.procs"), "utf8").trim();
      if (left !== "") throw new Error(`${path} still holds the processes ${left.replaceAll("\n", ", ")}`);
      rmdirSync(path);
    },
  };
}
