/** Keeps one process running: it is started again whenever it ends, after a wait that doubles, until it is told to stop. */
import type { Clock } from "../../control/ports.ts";

export type End = {
  readonly text: string;
  /** It was refused its arguments or configuration (exit code 2). */
  readonly isUsage: boolean;
};

export type Running<P> = {
  /** Null = it could not be started, or has ended already. */
  readonly record: P | null;
  readonly ended: Promise<End>;
  /** Asks it to end; more than once does no harm. */
  readonly stop: () => void;
};

export type SuperviseState<P> =
  | { readonly kind: "running"; readonly process: P | null; readonly restarts: number }
  | { readonly kind: "waiting"; readonly waitMs: number; readonly restarts: number; readonly last: End }
  | { readonly kind: "stopping"; readonly process: P | null; readonly restarts: number }
  | { readonly kind: "failed"; readonly last: End; readonly restarts: number };

export type Supervision<P> = {
  /** The process of an earlier supervisor that was killed: it is watched as if it were our own. Null = none lives. */
  readonly adopted: Running<P> | null;
  readonly start: () => Running<P>;
  readonly onState: (state: SuperviseState<P>) => void;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
};

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;
/** A run as long as this is no flapping: the wait begins anew. */
export const STEADY_MS = 60_000;

/** Resolves `stopped` after the signal, once the process has ended; `failed` when its very first start is refused as misused: that heals never. */
export async function supervise<P>(supervision: Supervision<P>, signal: AbortSignal): Promise<"stopped" | "failed"> {
  const { clock, onState } = supervision;
  let current = supervision.adopted ?? supervision.start();
  let restarts = 0;
  let quickEnds = 0;
  for (;;) {
    const startedAt = clock.monotonicMs();
    onState({ kind: "running", process: current.record, restarts });
    const last = await endOf(current, signal, () => onState({ kind: "stopping", process: current.record, restarts }));
    if (signal.aborted) return "stopped";
    if (last.isUsage && restarts === 0 && supervision.adopted === null) {
      onState({ kind: "failed", last, restarts });
      return "failed";
    }
    quickEnds = clock.monotonicMs() - startedAt < STEADY_MS ? quickEnds + 1 : 1;
    const waitMs = waitBefore(quickEnds, supervision.random());
    onState({ kind: "waiting", waitMs, restarts, last });
    try {
      await clock.sleep(waitMs, signal);
    } catch {
      return "stopped";
    }
    current = supervision.start();
    restarts += 1;
  }
}

/** 1 s, 2 s, … 60 s, each ± 20 %, so that the agents of a pool that failed together do not come back together. */
export function waitBefore(quickEnds: number, random: number): number {
  const whole = Math.min(FIRST_WAIT_MS * 2 ** (quickEnds - 1), LONGEST_WAIT_MS);
  return Math.round(whole * (0.8 + 0.4 * random));
}

async function endOf<P>(running: Running<P>, signal: AbortSignal, onStopping: () => void): Promise<End> {
  const stop = (): void => {
    onStopping();
    running.stop();
  };
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  const end = await running.ended;
  signal.removeEventListener("abort", stop);
  return end;
}
