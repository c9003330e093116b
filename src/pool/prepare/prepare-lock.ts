/** One `prepare` at a time on a root: two of them would build the same environment into each other. */
import { hostname } from "node:os";
import { mkdir, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { readText } from "./steps.ts";

type Holder = { readonly host: string; readonly pid: number };

/**
 * Takes the lock file or throws, saying who holds it. A holder of this host whose process is gone has no lock; one of another host can't be judged, so its
 * lock stays until somebody deletes the file.
 */
export async function takePrepareLock(path: string): Promise<{ readonly release: () => Promise<void> }> {
  await mkdir(dirname(path), { recursive: true });
  const me: Holder = { host: hostname(), pid: process.pid };
  for (let attempt = 0; attempt < 3; attempt += 1) {
    try {
      const file = await open(path, "wx", 0o600);
      await file.writeFile(`${JSON.stringify(me)}\n`);
      await file.close();
      return { release: () => rm(path, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      await clearIfDead(path, me.host);
    }
  }
  throw new Error(`${path} could not be taken: another \`verlpool prepare\` starts at the same moment. Run it again.`);
}

async function clearIfDead(path: string, host: string): Promise<void> {
  const text = await readText(path);
  if (text === null) return;
  const holder = parseHolder(text);
  // An unreadable one is a holder that was killed between making the file and writing it, or is about to write it: left to a person.
  if (holder === null || holder.host !== host || isAlive(holder.pid)) {
    const who = holder === null ? "an unknown process" : `process ${holder.pid} on ${holder.host}`;
    throw new Error(`another \`verlpool prepare\` works on this root (${who}). Wait for it, or, if it is gone, delete ${path}`);
  }
  await rm(path, { force: true });
}

function parseHolder(text: string): Holder | null {
  try {
    const holder = JSON.parse(text) as Partial<Holder>;
    if (typeof holder.host !== "string" || typeof holder.pid !== "number") return null;
    return { host: holder.host, pid: holder.pid };
  } catch {
    return null;
  }
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
