/** An agent as a compute platform keeps it: started on a host by one command, and started again, there and with nothing cleaned up, when it ends. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { childrenOf, type Host, type InHost, spawnInHost } from "./netns.ts";
import { realClock } from "./real-ray.ts";

const AGAIN_MS = 1_000;

export type KeptAgent = {
  readonly host: Host;
  readonly logFile: string;
  /** How often it was started. */
  readonly starts: () => number;
  /** Its pid as this machine counts; null while it is down. */
  readonly pid: () => number | null;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Ends it for good: asks, and resolves when it has ended. */
  readonly stop: (signal: "SIGTERM" | "SIGKILL") => Promise<void>;
};

export function keepAgent(host: Host, command: Omit<InHost, "output">, logFile: string): KeptAgent {
  const stopping = new AbortController();
  let starts = 0;
  let current: ChildProcess | null = null;

  async function keep(): Promise<void> {
    while (!stopping.signal.aborted) {
      const output = openSync(logFile, "a");
      current = spawnInHost(host, { ...command, output });
      closeSync(output);
      starts += 1;
      await once(current, "exit");
      current = null;
      await realClock.sleep(AGAIN_MS, stopping.signal).catch(() => undefined);
    }
  }

  function pid(): number | null {
    if (current?.pid === undefined || current.exitCode !== null || current.signalCode !== null) return null;
    try {
      return childrenOf(current.pid)[0] ?? null;
    } catch {
      return null;
    }
  }

  function signalIt(signal: NodeJS.Signals): void {
    const found = pid();
    if (found === null) return;
    process.kill(found, signal);
    // nsenter stops itself when its child is stopped.
    if (signal === "SIGCONT") current?.kill(signal);
  }

  const kept = keep();
  return {
    host,
    logFile,
    starts: () => starts,
    pid,
    signal: signalIt,
    stop: async (signal) => {
      stopping.abort();
      signalIt("SIGCONT");
      signalIt(signal);
      await kept;
    },
  };
}
