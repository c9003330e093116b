/** One Ray node that is started again whenever it ends by itself, until it is stopped or fails too often. */
import type { Clock, Log } from "../control/ports.ts";
import { signalProcess, type ProcessRecord } from "./process-record.ts";
import { type Exit, exitText, type RayProcess } from "./ray-process.ts";

const QUICK_MS = 30_000;
const MAX_QUICK_FAILURES = 5;
const LONGEST_BACKOFF_MS = 15_000;

export type SupervisedNode = {
  readonly name: string;
  readonly record: () => ProcessRecord | null;
  /** How often it was started; 1 after the first. */
  readonly starts: () => number;
  /** Kills the running process; it is started again. */
  readonly restart: () => void;
  /** Kills the running process for good and resolves when it has ended. */
  readonly stop: () => Promise<void>;
  /** Resolves with the last end once the node is not started any more; null = it was stopped. */
  readonly ended: Promise<Exit | null>;
};

export type NodeSupervision = {
  readonly name: string;
  readonly start: () => RayProcess;
  /** Cleans up what the last run left (orphans, stale files), before the next start. */
  readonly beforeRestart: () => Promise<void>;
  readonly onRestart: () => void;
  readonly clock: Clock;
  readonly log: Log;
};

export function superviseNode(supervision: NodeSupervision): SupervisedNode {
  const { name, clock, log } = supervision;
  const stopping = new AbortController();
  let current = supervision.start();
  let starts = 1;

  async function loop(): Promise<Exit | null> {
    let quickFailures = 0;
    for (;;) {
      const startedAt = clock.monotonicMs();
      const exit = await current.ended;
      if (stopping.signal.aborted) return null;
      quickFailures = clock.monotonicMs() - startedAt < QUICK_MS ? quickFailures + 1 : 0;
      if (quickFailures >= MAX_QUICK_FAILURES) return exit;
      log.warn({ node: name, exit: exitText(exit), quick_failures: quickFailures }, "a Ray node ended by itself and is started again");
      try {
        await clock.sleep(Math.min(250 * 2 ** quickFailures, LONGEST_BACKOFF_MS), stopping.signal);
        await supervision.beforeRestart();
      } catch (error) {
        if (stopping.signal.aborted) return null;
        return { code: null, signal: null, error: error instanceof Error ? error.message : String(error) };
      }
      if (stopping.signal.aborted) return null;
      current = supervision.start();
      starts += 1;
      supervision.onRestart();
    }
  }

  const ended = loop();
  const kill = () => current.record !== null && signalProcess(current.record, "SIGKILL", "group");
  return {
    name,
    record: () => current.record,
    starts: () => starts,
    restart: kill,
    stop: async () => {
      stopping.abort();
      kill();
      await ended;
    },
    ended,
  };
}
