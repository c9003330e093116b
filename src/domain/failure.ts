/** What went wrong with an attempt, by evidence, and what that means for the task. Labels are those of docs/failures.md. */
import type { AttemptResult, Failure, RayJobView } from "./types.ts";

export type Evidence = {
  readonly result: AttemptResult | null;
  /** The end of the driver's log. */
  readonly logTail: string;
  readonly ray: RayJobView;
};

type Rule = Omit<Failure, "text"> & { readonly pattern: RegExp };

/**
 * First match wins; the text shown is the line that matched. Sources: verl 0.3–0.9, Ray 2.51–2.60, PyTorch 2.x, CPython 3.10–3.12.
 * What lies between two fixed parts is bounded: a log is a user's text, and an unbounded gap costs the square of its length.
 */
const LOG_RULES: readonly Rule[] = [
  {
    label: "gpu_shortage",
    blame: "infra",
    retryable: true,
    pattern:
      /Total available GPUs [\d.]+ is less than total desired GPUs [\d.]+|Resource pool .{0,200}?cannot be satisfied in this ray cluster/,
    fix: "Nothing to do: the task waits and is tried again when the GPUs are free.",
  },
  {
    label: "disk_full",
    blame: "infra",
    retryable: false,
    pattern: /No space left on device|Disk quota exceeded/,
    fix: "Free space on the shared storage or the node's disk (old checkpoints, /tmp/ray), then submit the task again.",
  },
  {
    label: "cuda_oom_train",
    blame: "config",
    retryable: false,
    pattern: /torch(?:\.cuda)?\.OutOfMemoryError: CUDA out of memory.*/,
    fix: "Ask the operator for a profile with smaller micro batches, shorter lengths or offload.",
  },
  {
    label: "host_oom",
    blame: "config",
    retryable: false,
    pattern: /worker\(s\) were killed due to the node running low on memory|ray\.exceptions\.OutOfMemoryError.*/,
    fix: "Use a node with more RAM, or a profile that keeps less in host memory (offload, data workers).",
  },
  {
    label: "missing_module",
    blame: "config",
    retryable: false,
    pattern: /ModuleNotFoundError: No module named .*/,
    fix: "Install the module in the Python environment of the profile (an operator does this), or choose another profile.",
  },
  {
    label: "config_divisibility",
    blame: "config",
    retryable: false,
    pattern: /must be divisible by .*/,
    fix: "Choose a number of GPUs, or a profile with batch sizes, that divide.",
  },
  {
    label: "config_unknown_key",
    blame: "config",
    retryable: false,
    pattern: /Could not override '.{0,300}'|Key '.{0,300}' is not in struct/,
    fix: "The profile does not fit this verl version; ask the operator for one that does.",
  },
  {
    label: "dataset_schema",
    blame: "user",
    retryable: false,
    pattern: /KeyError: '(?:prompt|messages|reward_model|data_source)'/,
    fix: "RL needs the columns prompt, data_source and reward_model; SFT needs messages.",
  },
  {
    label: "dataset_unreadable",
    blame: "user",
    retryable: false,
    pattern: /(?:ArrowInvalid|Parquet).{0,300}(?:magic bytes|footer|not a parquet file).*|FileNotFoundError: .{0,1000}\.parquet.*/,
    fix: "Check that train_file and val_file are whole parquet files.",
  },
  {
    label: "numeric_nan",
    blame: "user",
    retryable: false,
    pattern: /(?:loss|grad_norm)[^\n]{0,40}\bnan\b/i,
    fix: "Lower the learning rate or look for bad rows in the data.",
  },
];

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
  const { result, logTail, ray } = evidence;
  const certain = result === null ? null : fromResult(result);
  if (certain !== null) return certain;
  const texts = [logTail, ray.kind === "found" ? ray.message : ""];
  for (const rule of LOG_RULES) {
    for (const text of texts) {
      const match = rule.pattern.exec(text);
      if (match === null) continue;
      const { pattern: _, ...failure } = rule;
      return { ...failure, text: match[0].slice(0, 500) };
    }
  }
  if (result?.outcome === "stopped") {
    return {
      label: "interrupted",
      blame: "infra",
      retryable: true,
      text: "the attempt was ended from outside (its node or Ray stopped it)",
      fix: "Nothing to do: it is tried again.",
    };
  }
  if (result === null) {
    return {
      label: "node_lost",
      blame: "infra",
      retryable: true,
      text: "the attempt's node fell silent: its lease stopped moving and no result was written",
      fix: "Nothing to do: it is tried again. If it repeats, look at the node.",
    };
  }
  const how = result.signal === null ? `exit code ${result.exitCode ?? "?"}` : `signal ${result.signal}`;
  const line = lastLine(logTail);
  return {
    label: "unknown",
    blame: "unknown",
    retryable: false,
    text: line === null ? `the driver ended with ${how} and wrote nothing` : `the driver ended with ${how}: ${line}`,
    fix: "Read the log: verlpool logs ID.",
  };
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
  return launcherFailed(text);
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
