/** Ray's head under an agent's eye: started again when a process of it ends or it hangs, and asked which memory it came back with. */
import type { Clock, Log, RayCluster } from "../control/ports.ts";
import { signalProcess } from "./process-record.ts";
import type { PlannedNode } from "./pool-plan.ts";
import { exitText, logTail } from "./ray-process.ts";
import { superviseRay, SWEEP_MS } from "./supervised-ray.ts";
import { findTagged, killTagged } from "./tagged-processes.ts";

export type HeadRayTimes = {
  /** A start that takes longer has failed. */
  readonly startMs: number;
  /** A head that was up and does not answer for so long is started again. */
  readonly hungMs: number;
};

export type HeadRayView = {
  readonly isUp: boolean;
  /** The memory it had when it last answered; null = never yet. */
  readonly session: string | null;
  readonly starts: number;
};

export type HeadRay = {
  readonly view: () => HeadRayView;
  /** Resolves with the reason once it is not started any more; null = it was stopped. */
  readonly ended: Promise<string | null>;
  /** Kills all of it; resolves when nothing is left. */
  readonly stop: () => Promise<void>;
};

export type HeadRayOptions = {
  readonly planned: PlannedNode;
  readonly cluster: RayCluster;
  readonly times: HeadRayTimes;
  /** Before Ray is started again, nothing of the last start left. */
  readonly beforeRestart: () => void;
  /** At the first answer, and whenever the memory is another one. */
  readonly onSession: (session: string) => void;
  readonly clock: Clock;
  readonly log: Log;
};

const ASK_MS = 1_000;
const ASK_STARTING_MS = 200;

export function startHeadRay({ planned, cluster, times, beforeRestart, onSession, clock, log }: HeadRayOptions): HeadRay {
  const lifetime = new AbortController();
  const node = superviseRay(
    { planned, beforeRestart: async () => beforeRestart(), onRestart: () => (restartedAt = clock.monotonicMs()), clock, log },
    lifetime.signal,
  );
  let restartedAt = clock.monotonicMs();
  let session: string | null = null;
  let isUp = false;

  /** Resolves when the head never came up in time. */
  async function follow(): Promise<string | null> {
    let answeredAt = clock.monotonicMs();
    while (!lifetime.signal.aborted) {
      const view = await cluster.head(lifetime.signal).catch(() => null);
      if (lifetime.signal.aborted) return null;
      if (view?.kind === "up") {
        if (!isUp) log.info({ session: view.session, starts: node.starts() }, toldOf(session, view.session));
        [isUp, answeredAt] = [true, clock.monotonicMs()];
        if (view.session !== session) onSession((session = view.session));
      } else {
        if (isUp) log.warn({ why: view?.error }, "Ray's head does not answer");
        isUp = false;
        const silentMs = clock.monotonicMs() - Math.max(answeredAt, restartedAt);
        if (session === null && silentMs > times.startMs) return `it did not answer within ${times.startMs} ms`;
        const patienceMs = answeredAt > restartedAt ? times.hungMs : times.startMs;
        if (session !== null && silentMs > patienceMs && node.record() !== null) {
          log.warn({ silent_ms: Math.round(silentMs) }, "Ray's head hangs and is started again");
          restartedAt = clock.monotonicMs();
          node.restart();
        }
      }
      await clock.sleep(isUp ? ASK_MS : ASK_STARTING_MS, lifetime.signal).catch(() => undefined);
    }
    return null;
  }

  const died = node.ended.then((exit) => (exit === null ? null : `it ${exitText(exit)} again and again`));
  const ended = Promise.race([died, follow()]).then((why) =>
    why === null ? null : `${why}. ${planned.spawning.logFile} ends with:\n${logTail(planned.spawning.logFile, 20)}`,
  );
  return {
    view: () => ({ isUp, session, starts: node.starts() }),
    ended,
    stop: async () => {
      lifetime.abort(new Error("the head is stopped"));
      const seen = findTagged(planned.tag);
      // A frozen one can't hear unshare's death.
      const record = node.record();
      if (record !== null) signalProcess(record, "SIGKILL", "group");
      await node.stop();
      await killTagged(planned.tag, clock, SWEEP_MS, new AbortController().signal, seen);
    },
  };
}

function toldOf(before: string | null, now: string): string {
  if (before === null) return "Ray's head is up";
  return before === now ? "Ray's head is back with its memory" : "Ray's head is back, empty";
}
