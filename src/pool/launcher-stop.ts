import type { Clock } from "../control/ports.ts";
import { findTagged, signalTagged, type TaggedProcess } from "./tagged-processes.ts";

const POLL_MS = 200;

/**
 * Asks every launcher of the pool to end its attempt (SIGTERM: it ends the training and writes result.json) and waits until all have ended, at
 * most `drainMs`. Resolves with how many were asked. Ray itself would end a node without a word to its jobs (measured on 2.60).
 */
export async function endLaunchers(tag: string, drainMs: number, clock: Clock): Promise<number> {
  const asked = findTagged(tag).filter((found) => isLauncher(found));
  signalTagged(asked, "SIGTERM");
  const patience = new AbortController().signal;
  const start = clock.monotonicMs();
  while (clock.monotonicMs() - start < drainMs && findTagged(tag).some((found) => isLauncher(found))) {
    await clock.sleep(POLL_MS, patience);
  }
  return asked.length;
}

/** `<python> … <root>/common/verlpool/launcher/<sha>/launch.py <job directory>`: the interpreter itself, not the shell around it, whose own TERM would orphan it. */
function isLauncher(found: TaggedProcess): boolean {
  const script = found.argv.findIndex((word) => /\/launcher\/[0-9a-f]+\/launch\.py$/.test(word));
  return script >= 1 && script === found.argv.length - 2 - trailingEmpty(found.argv);
}

/** /proc/PID/cmdline ends with a NUL, so its last word is empty. */
function trailingEmpty(argv: readonly string[]): number {
  return argv.at(-1) === "" ? 1 : 0;
}
