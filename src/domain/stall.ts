/** Whether a running attempt still makes progress (docs/stalls.md). Pure: what was seen goes in, the reason in words comes out. */

export type StallLimits = {
  /** A step may take so many times the median of the steps before it … */
  readonly factor: number;
  /** … but never less than this: validation, a checkpoint and a slow rollout are no stall. */
  readonly minMs: number;
  /** For the first step, which loads models and compiles. */
  readonly firstStepMs: number;
};

export type StallSight = {
  /** The newest step of this attempt; null = none yet. */
  readonly step: number | null;
  /** For how long it has been the newest, by a clock that stands while storage does not answer. */
  readonly stillMs: number;
  /** The median of this attempt's steps; null = too few were seen to tell. */
  readonly stepMs: number | null;
  /** The same clock: for how long Ray's head has not answered; 0 = it answers. */
  readonly headSilentMs: number;
  /** The line of the log that says that Ray can't place what verl asks for; null = it says no such thing, or was not read. */
  readonly unplaceable: string | null;
};

export type Stall = { readonly code: "no_step" | "no_first_step" | "placement_pending" | "head_silent"; readonly text: string };

/** How long the newest step may be the newest. An attempt whose pace is not known gets as long as a first step. */
export function stallLimitMs({ step, stepMs }: Pick<StallSight, "step" | "stepMs">, limits: StallLimits): number {
  if (step === null || stepMs === null) return Math.max(limits.firstStepMs, limits.minMs);
  return Math.max(limits.minMs, limits.factor * stepMs);
}

/** Null = it makes progress, or it is too early to say. The most exact reason is told. */
export function stallOf(sight: StallSight, limits: StallLimits): Stall | null {
  const { step, stillMs, headSilentMs, unplaceable } = sight;
  if (stillMs < limits.minMs) return null;
  const since = `for ${duration(stillMs)}`;
  if (step === null && unplaceable !== null)
    return {
      code: "placement_pending",
      text: `Ray can't place what it asks for, and no step has come ${since}: ${unplaceable.slice(0, 300)}`,
    };
  const at = step === null ? "no first step" : `no step after step ${step}`;
  // A head that went after the step, or just before it: training goes on without its head, and then steps go on to come (verl-facts, measured).
  if (headSilentMs >= limits.minMs)
    return { code: "head_silent", text: `Ray's head has not answered for ${duration(headSilentMs)}, and ${at} has come ${since}` };
  if (stillMs < stallLimitMs(sight, limits)) return null;
  if (step === null) return { code: "no_first_step", text: `no first step has come ${since}` };
  const usual = sight.stepMs === null ? "" : `; its steps take ${duration(sight.stepMs)}`;
  return { code: "no_step", text: `${at} has come ${since}${usual}` };
}

/**
 * Ray tells every driver of a cluster what it can't place, whoever asked (seen on 2.60). What wants more GPUs at once than the task has on a node
 * is another's.
 */
export function withoutRequestsOfOthers(log: string, gpusPerNode: number): string {
  if (!log.includes(UNPLACEABLE)) return log;
  const lines = log.split("\n");
  return lines.map((line) => (line.includes(UNPLACEABLE) && gpusAsked(line) > gpusPerNode ? "" : line)).join("\n");
}

const UNPLACEABLE = "No available node types can fulfill resource request";

function gpusAsked(line: string): number {
  return Number(/'GPU': (\d+(?:\.\d+)?)/.exec(line)?.[1] ?? 0);
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}
