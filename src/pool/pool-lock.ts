/** At most one pool runs on a state directory of this machine. */
import { createHash } from "node:crypto";
import { mkdirSync, realpathSync } from "node:fs";
import { createServer } from "node:net";

export type PoolLock = {
  /** 12 hex digits that stand for this state directory and user: the tag of the pool's processes and the name of its temp directory. */
  readonly id: string;
  readonly release: () => Promise<void>;
};

/** The id of the pool on `stateDir`, which must exist. */
export function poolId(stateDir: string): string {
  return createHash("sha256")
    .update(`${process.getuid?.() ?? 0}:${realpathSync(stateDir)}`)
    .digest("hex")
    .slice(0, 12);
}

/** Held by an abstract Unix socket: taken in one step, and the kernel lets go of it when the process dies, however it dies. Null = another process holds it. */
export async function lockPool(stateDir: string): Promise<PoolLock | null> {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const id = poolId(stateDir);
  const server = createServer((socket) => socket.destroy());
  const isOurs = await new Promise<boolean>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => (error.code === "EADDRINUSE" ? resolve(false) : reject(error)));
    server.listen(`\0verlpool-pool-${id}`, () => resolve(true));
  });
  if (!isOurs) return null;
  server.unref();
  return { id, release: () => new Promise((resolve) => server.close(() => resolve())) };
}
