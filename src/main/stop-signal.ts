import { clock } from "./clock.ts";

/** One Ctrl-C may arrive twice: npm and supervisors pass it on. */
const SAME_PRESS_MS = 500;

export type SecondSignal = "exits" | "is ignored";

/**
 * Aborts at the first SIGINT, SIGTERM or SIGHUP. A second one ends the process at once, since every step is safe to be killed in; or it is ignored, for
 * programs that started other processes and must take them down.
 */
export function stopSignal(second: SecondSignal = "exits"): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  const stop = (signal: NodeJS.Signals): void => {
    if (!controller.signal.aborted) {
      first = clock.monotonicMs();
      controller.abort(new Error(`stopped by ${signal}`));
    } else if (second === "exits" && clock.monotonicMs() - first > SAME_PRESS_MS) process.exit(signal === "SIGINT" ? 130 : 143);
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  // The terminal is gone: the same.
  process.on("SIGHUP", stop);
  return controller.signal;
}
