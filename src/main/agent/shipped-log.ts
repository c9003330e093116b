/**
 * An agent writes to a file on this machine's own disk, and its supervisor carries that to `<root>/common/logs`, rotated: so a hung mount never
 * stops the agent, and the death of the supervisor loses no line.
 */
import { constants, readFileSync, writeFileSync } from "node:fs";
import { mkdir, open, rename, stat, truncate } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "../../control/ports.ts";

export type LogLimits = {
  /** A log that has grown to this is moved aside. */
  readonly rotateBytes: number;
  /** How many older ones are kept, as `.1` (the newest) and so on. */
  readonly keep: number;
  /** The file on our own disk is emptied at this size, once all of it is carried over. */
  readonly emptyBytes: number;
  /** And at this size in any case: a mount that is away for days must not fill the disk. */
  readonly dropBytes: number;
};

export const LOG_LIMITS: LogLimits = { rotateBytes: 20 << 20, keep: 5, emptyBytes: 8 << 20, dropBytes: 256 << 20 };

const EVERY_MS = 500;
const CHUNK_BYTES = 1 << 20;

export type Shipping = { readonly outputFile: string; readonly shippedFile: string; readonly logFile: string; readonly limits: LogLimits };

/** Until the signal, and once more after it. Trouble with the shared storage only delays it. */
export async function shipLog(shipping: Shipping, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await shipOnce(shipping).catch(() => undefined);
    await clock.sleep(EVERY_MS, signal).catch(() => undefined);
  }
  await shipOnce(shipping).catch(() => undefined);
}

/** Carries over all that is new. Rejects when it can't; what was carried is not carried again. */
export async function shipOnce({ outputFile, shippedFile, logFile, limits }: Shipping): Promise<void> {
  const output = await open(outputFile, "r");
  try {
    let offset = shippedBytes(shippedFile);
    const { size } = await output.stat();
    // Emptied by somebody else.
    if (size < offset) offset = 0;
    if (size - offset > limits.dropBytes) offset = size - (limits.dropBytes >> 1);
    const buffer = Buffer.alloc(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await output.read(buffer, 0, CHUNK_BYTES, offset);
      if (bytesRead === 0) break;
      await append(logFile, buffer.subarray(0, bytesRead), limits);
      offset += bytesRead;
      writeFileSync(shippedFile, String(offset), { mode: 0o600 });
    }
    if (offset > limits.emptyBytes && (await output.stat()).size === offset) {
      await truncate(outputFile, 0);
      writeFileSync(shippedFile, "0", { mode: 0o600 });
    }
  } finally {
    await output.close();
  }
}

function shippedBytes(shippedFile: string): number {
  try {
    return Number.parseInt(readFileSync(shippedFile, "utf8"), 10) || 0;
  } catch {
    return 0;
  }
}

/** Jobs may write beside the log, so a link in its place is not followed. */
async function append(logFile: string, bytes: Uint8Array, limits: LogLimits): Promise<void> {
  await mkdir(dirname(logFile), { recursive: true });
  const size = await stat(logFile).then(
    (found) => found.size,
    () => 0,
  );
  if (size > 0 && size + bytes.length > limits.rotateBytes) await rotate(logFile, limits.keep);
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;
  const log = await open(logFile, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600);
  try {
    await log.writeFile(bytes);
  } finally {
    await log.close();
  }
}

async function rotate(logFile: string, keep: number): Promise<void> {
  for (let age = keep; age >= 1; age -= 1) {
    await rename(age === 1 ? logFile : `${logFile}.${age - 1}`, `${logFile}.${age}`).catch(() => undefined);
  }
}
