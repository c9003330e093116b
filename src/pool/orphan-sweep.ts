/** Processes of attempts on this machine, and the end of those that have no right to live any more (docs/protocol.md rule 5). */
import { readdirSync } from "node:fs";
import type { Clock, Log } from "../control/ports.ts";
import { parseSubmissionId } from "../domain/ids.ts";
import { type AttemptSight, type AttemptTimes, judgeAttempt, NEW_ATTEMPT, seeAttempt } from "../domain/orphan-watch.ts";
import type { AttemptFiles } from "../domain/types.ts";
import { startTicksOf } from "./process-record.ts";
import { environmentOf, POOL_TAG, signalTagged } from "./tagged-processes.ts";

const ATTEMPT_TAG = "VERLPOOL_ATTEMPT";

export type AttemptProcess = {
  readonly pid: number;
  readonly startTicks: number;
  readonly attempt: string;
  /** The pool and node whose raylet it descends from; null = it does not say. */
  readonly node: string | null;
};

/** Those of other users can't be read and are none of ours. */
export function findAttemptProcesses(): readonly AttemptProcess[] {
  return readdirSync("/proc").flatMap((entry) => {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    const environment = environmentOf(pid, [ATTEMPT_TAG, POOL_TAG]);
    const attempt = environment.get(ATTEMPT_TAG) ?? "";
    const startTicks = parseSubmissionId(attempt) === null ? null : startTicksOf(pid);
    return startTicks === null ? [] : [{ pid, startTicks, attempt, node: environment.get(POOL_TAG) ?? null }];
  });
}

/** Null = no job directory of this root is the attempt's. Rejects when storage does not answer. */
export type ReadAttempt = (
  submissionId: string,
  userId: string | null,
) => Promise<{ readonly userId: string; readonly files: AttemptFiles; readonly times: AttemptTimes } | null>;

export type OrphanSweep = {
  /** The attempts whose processes live on this node at this moment. */
  readonly list: () => readonly string[];
  /** Looks at each attempt's files once, and kills what has no right to live. */
  readonly sweep: () => Promise<void>;
};

export type SweepOptions = {
  /** The tag of this agent's raylets; processes of another pool's node are listed by its own agent. */
  readonly tag: string;
  readonly readAttempt: ReadAttempt;
  readonly staleMs: number;
  readonly clock: Clock;
  readonly log: Log;
};

type Known = { sight: AttemptSight; userId: string | null; times: AttemptTimes | null };

export function createOrphanSweep({ tag, readAttempt, staleMs, clock, log }: SweepOptions): OrphanSweep {
  const known = new Map<string, Known>();

  async function look(attempt: string): Promise<Known> {
    const one = known.get(attempt) ?? { sight: NEW_ATTEMPT, userId: null, times: null };
    known.set(attempt, one);
    const found = await readAttempt(attempt, one.userId).catch(() => null);
    one.sight = seeAttempt(one.sight, found?.files ?? null, clock.monotonicMs());
    one.userId = found?.userId ?? one.userId;
    one.times = found?.times ?? one.times;
    return one;
  }

  async function sweep(): Promise<void> {
    const processes = findAttemptProcesses();
    const attempts = attemptsOf(processes);
    for (const attempt of known.keys()) if (!attempts.includes(attempt)) known.delete(attempt);
    for (const attempt of attempts) {
      const { sight, times } = await look(attempt);
      const verdict = times === null ? null : judgeAttempt(sight, times, staleMs);
      if (verdict?.kind !== "kill") continue;
      const doomed = processes.filter((one) => one.attempt === attempt);
      log.warn(
        { submission_id: attempt, pids: doomed.map((one) => one.pid), why: verdict.why },
        "killing processes that outlived their attempt",
      );
      signalTagged(doomed, "SIGKILL");
    }
  }

  return { list: () => attemptsOf(findAttemptProcesses().filter((one) => isOfPool(one, tag))), sweep };
}

/** One that does not say where it belongs is everybody's. */
export function isOfPool({ node }: AttemptProcess, tag: string): boolean {
  return node === null || node === tag || node.startsWith(`${tag}/`);
}

function attemptsOf(processes: readonly AttemptProcess[]): readonly string[] {
  return [...new Set(processes.map((one) => one.attempt))].toSorted();
}
