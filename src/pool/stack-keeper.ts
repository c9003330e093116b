/** Answers the server's request for the stacks of an attempt that makes no progress, for the processes of it that live here (docs/stalls.md). */
import { dirname, join } from "node:path";
import type { Clock, Log } from "../control/ports.ts";
import { type AttemptProcess, findAttemptProcesses, isOfPool } from "./orphan-sweep.ts";
import { stacksOf } from "./process-stacks.ts";

/** Each call rejects when storage does not answer. */
export type StackStorage = {
  readonly request: (
    submissionId: string,
    userId: string | null,
  ) => Promise<{ readonly userId: string; readonly at: string; readonly isDone: boolean } | null>;
  readonly keep: (userId: string, submissionId: string, at: string, text: string) => Promise<void>;
};

export type StackKeeperOptions = {
  /** Processes of another pool's node are answered for by its own agent. */
  readonly tag: string;
  readonly storage: StackStorage;
  /** The interpreter of the pool, beside which py-spy is looked for; without a directory it is looked for on PATH. */
  readonly python: () => Promise<string>;
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
};

export type StackKeeper = {
  /** One look at what is asked for; never throws for one attempt. */
  readonly look: (signal: AbortSignal) => Promise<void>;
  /** Until the signal aborts. */
  readonly run: (signal: AbortSignal) => Promise<void>;
};

const EVERY_MS = 5_000;
/** For all processes of one attempt. */
const LIMIT_MS = 90_000;
/** A job can write a request as well as the server: it gets no more of them than a run can stall in a day. */
const MOST_ANSWERS = 100;

export function createStackKeeper({ tag, storage, python, path, clock, log }: StackKeeperOptions): StackKeeper {
  const known = new Map<string, { userId: string | null; answers: number }>();

  async function answer(submissionId: string, processes: readonly AttemptProcess[], signal: AbortSignal): Promise<void> {
    const one = known.get(submissionId) ?? { userId: null, answers: 0 };
    known.set(submissionId, one);
    const request = await storage.request(submissionId, one.userId);
    if (request === null || request.isDone || one.answers >= MOST_ANSWERS) return;
    one.userId = request.userId;
    one.answers += 1;
    const exe = await python();
    const pySpy = exe.includes("/") ? join(dirname(exe), "py-spy") : "py-spy";
    const limit = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
    const stacks = await stacksOf(processes, pySpy, path, limit);
    const head = `stacks of ${submissionId} on this node, asked for at ${request.at}, taken at ${new Date(clock.now()).toISOString()}\n\n`;
    await storage.keep(request.userId, submissionId, request.at, head + stacks);
    log.info({ submission_id: submissionId, processes: processes.length }, "the stacks of an attempt were collected");
  }

  async function look(signal: AbortSignal): Promise<void> {
    const here = findAttemptProcesses().filter((one) => isOfPool(one, tag));
    const attempts = new Set(here.map(({ attempt }) => attempt));
    for (const submissionId of known.keys()) if (!attempts.has(submissionId)) known.delete(submissionId);
    for (const submissionId of attempts) {
      const processes = here.filter(({ attempt }) => attempt === submissionId);
      await answer(submissionId, processes, signal).catch((error: unknown) =>
        log.debug({ submission_id: submissionId, error: String(error) }, "stacks that were asked for can't be collected now"),
      );
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await look(signal);
      await clock.sleep(EVERY_MS, signal).catch(() => undefined);
    }
  }

  return { look, run };
}
