/** What went wrong with an attempt, by evidence, and what that means for the task. Labels are those of docs/failures.md. */
import { decide } from "./diagnosis/diagnose.ts";
import { type Label, LABELS } from "./diagnosis/labels.ts";
import type { AttemptResult, Failure, RayJobView } from "./types.ts";

export type Evidence = {
  readonly result: AttemptResult | null;
  /** The end of the driver's log. */
  readonly logTail: string;
  readonly ray: RayJobView;
  /** Ray's head came back without its memory since the attempt began. */
  readonly headLost: boolean;
  /** We ended it because nothing moved. */
  readonly stalled: boolean;
};

const TIME_LIMIT_FIX = "Give a longer max_runtime_s or deadline, and retry: it goes on from the last checkpoint.";

export function timeLimit(text: string): Failure {
  return { label: "time_limit", blame: "user", retryable: false, text, fix: TIME_LIMIT_FIX };
}

function fromResult(result: AttemptResult): Failure | null {
  if (result.outcome === "self_fenced") {
    return {
      label: "node_lost",
      blame: "infra",
      retryable: true,
      text: "the launcher could not write its lease to shared storage in time and ended the attempt itself",
      fix: "Nothing to do: it is tried again. If it repeats, check the node's mount (verlpool nodes).",
    };
  }
  if (result.outcome === "not_started") {
    return {
      label: "config_invalid_value",
      blame: "user",
      retryable: false,
      text: result.error ?? "the launcher refused to start the attempt",
      fix: "Correct what the message names and submit again.",
    };
  }
  if (result.oomKill) {
    return {
      label: "host_oom",
      blame: "config",
      retryable: false,
      text: "the kernel killed a process of the attempt for want of memory",
      fix: "Use a node with more RAM, or a profile that keeps less in host memory.",
    };
  }
  return null;
}

function lastLine(text: string): string | null {
  const line = text
    .split("\n")
    .map((part) => part.trim())
    .findLast((part) => part !== "" && !part.startsWith("(") && !part.startsWith("at "));
  return line === undefined ? null : line.slice(0, 500);
}

/** Why a started attempt that did not succeed ended. Never guesses: what no rule knows is `unknown`, with the log's last line. */
export function classify(evidence: Evidence): Failure {
  const { result, logTail, ray, headLost, stalled } = evidence;
  const certain = result === null ? null : fromResult(result);
  if (certain !== null) return certain;
  const message = ray.kind === "found" ? ray.message : "";
  const { diagnosis, strength, decisive } = decide({ log: [{ text: logTail, firstLine: 1 }], rayMessage: message });
  const ended = howItEnded(result);
  // What the log only tells of an end, the launcher knows better; of a wait that we ended it tells what was waited for.
  const told = strength === "cause" || ((ended === null || stalled) && strength !== null);
  if (told && decisive !== null) {
    const { label, blame, retryable, fix } = diagnosis;
    return { label, blame, retryable, text: decisive, fix };
  }
  const full = result?.outcome === "exited" ? NO_ROOM.exec(result.error ?? "") : null;
  if (full !== null) return noRoom(full[0]);
  if (ended !== null) return ended;
  const failure = unknown(result, decisive ?? lastLine(logTail));
  return headLost && failure.label === "unknown" ? withTheHead(failure) : failure;
}

/** How the launcher says that a part of driver.log is lost. */
const NO_ROOM = /\d+ bytes of driver\.log were lost \((?:No space left on device|Disk quota exceeded)\)/;

function noRoom(lost: string): Failure {
  return {
    ...labelled("disk_full"),
    text: `the shared storage was full while it ran: ${lost}`,
    fix: "Free space there (old checkpoints: verlpool artifacts ID), save less often or keep fewer checkpoints, then submit it again.",
  };
}

/** A Ray driver that loses its head ends in many ways, some with nothing but a stack trace of libc (seen on 2.60): no rule can know them all. */
function withTheHead({ text }: Failure): Failure {
  return {
    ...labelled("head_lost"),
    text: `Ray's head was lost while it ran; ${text}`,
    fix: "Nothing to do: it is tried again. If it ends the same way without a lost head, read the log: verlpool logs ID.",
  };
}

function howItEnded(result: AttemptResult | null): Failure | null {
  if (result === null) {
    return {
      ...labelled("node_lost"),
      text: "the attempt's node fell silent: its lease stopped moving and no result was written",
      fix: "Nothing to do: it is tried again. If it repeats, look at the node.",
    };
  }
  if (result.outcome !== "stopped") return null;
  return {
    ...labelled("interrupted"),
    text: "the attempt was ended from outside (its node or Ray stopped it)",
    fix: "Nothing to do: it is tried again.",
  };
}

/** Signals that a process gets from outside; the others it gets from its own fault. */
const FROM_OUTSIDE = new Set(["SIGTERM", "SIGINT", "SIGHUP"]);

function unknown(result: AttemptResult | null, line: string | null): Failure {
  const signal = result?.signal ?? null;
  const how = signal === null ? `exit code ${result?.exitCode ?? "?"}` : `signal ${signal}`;
  const text = line === null ? `the driver ended with ${how} and wrote nothing` : `the driver ended with ${how}: ${line}`;
  if (signal === null) return { ...labelled("unknown"), text, fix: "Read the log: verlpool logs ID." };
  const fix = "Look at the node's kernel log (dmesg -T) for an OOM kill or a fault of the GPU; it is tried again.";
  return { ...labelled(FROM_OUTSIDE.has(signal) ? "interrupted" : "worker_crash_unknown"), text, fix };
}

function labelled(label: Label): Pick<Failure, "label" | "blame" | "retryable"> {
  const { blame, retryable } = LABELS[label];
  return { label, blame, retryable };
}

/** Ray ended the job before its launcher could claim the attempt: nothing ran. Null = no reason of its own (start it again). */
export function beforeStart(ray: RayJobView): Failure | null {
  if (ray.kind !== "found") return null;
  const text = ray.message.slice(0, 500);
  if (ray.status === "SUCCEEDED") return launcherFailed("its entrypoint ended with 0 and never claimed the attempt");
  // A supervisor that died never ran (its node went, Ray killed it): the next one may start at once.
  if (ray.status !== "FAILED" || ray.errorType === "JOB_SUPERVISOR_ACTOR_DIED") return null;
  if (ray.errorType === "JOB_SUPERVISOR_ACTOR_START_TIMEOUT" || ray.errorType === "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE") {
    return {
      label: "gpu_shortage",
      blame: "infra",
      retryable: true,
      text,
      fix: "Nothing to do: no node could take the driver; it is tried again.",
    };
  }
  if (ray.errorType === "RUNTIME_ENV_SETUP_FAILURE") {
    return {
      label: "runtime_env_failed",
      blame: "infra",
      retryable: true,
      text,
      fix: "Check the worker's Ray installation; it is tried again.",
    };
  }
  return launcherFailed(launcherSaid(ray.message) ?? text);
}

/** Ray's message has the end of the job's log, with the launcher's own word among its lines. */
function launcherSaid(message: string): string | null {
  const words = [...message.matchAll(/^verlpool launcher: (.+)$/gm)].at(-1)?.[1];
  return words === undefined ? null : words.slice(0, 500);
}

/** Waits between tries, and a budget: a launcher that can't start anywhere would else be started for ever, as fast as Ray can. */
function launcherFailed(why: string): Failure {
  return {
    label: "ray_job_failed",
    blame: "infra",
    retryable: true,
    text: `the launcher could not start on the worker: ${why}`,
    fix: "Check that the worker sees the shared storage under pool.worker_root and has pool.python (verlpool nodes).",
  };
}
