/** The closed list of labels: what each means, whose it is, and whether another attempt of the same task can help. */
import type { Blame } from "../types.ts";

type LabelFacts = { readonly blame: Blame; readonly retryable: boolean; readonly means: string };

/**
 * `blame`: `user` = the TaskSpec, the data or the user's code; `config` = the profile or the installed software; `node` = one machine;
 * `infra` = Ray, network, storage. `retryable` is what the failure policy does (docs/failures.md); a rule may know better than its label.
 */
export const LABELS = {
  gpu_shortage: { blame: "infra", retryable: true, means: "verl found fewer free GPUs than it asked for and refused at once" },
  placement_pending: { blame: "config", retryable: false, means: "a placement group or actor waits for resources that no node can give" },
  ray_job_failed: {
    blame: "infra",
    retryable: true,
    means: "Ray's job machinery failed, not the training: its supervisor died or was never scheduled",
  },
  register_center_failed: {
    blame: "infra",
    retryable: true,
    means: "verl's register-center actor was not found in time, or its name was taken",
  },
  runtime_env_failed: { blame: "config", retryable: false, means: "Ray could not set up the job's environment (working_dir, pip)" },
  node_lost: { blame: "infra", retryable: true, means: "a node died, was preempted, or fell silent" },
  head_lost: { blame: "infra", retryable: true, means: "Ray's head could not be reached" },
  worker_crash_unknown: {
    blame: "infra",
    retryable: true,
    means: "a process vanished or died of a native signal, and the log shows no cause",
  },
  interrupted: { blame: "infra", retryable: true, means: "it was ended from outside: a signal, a stop, its node or Ray" },
  host_oom: { blame: "config", retryable: false, means: "the host's memory was full: the kernel or Ray's memory monitor killed a process" },
  cuda_oom_train: { blame: "config", retryable: false, means: "the trainer ran out of GPU memory" },
  cuda_oom_rollout: { blame: "config", retryable: false, means: "the generation engine (vLLM, SGLang) ran out of GPU memory" },
  kv_cache_capacity: {
    blame: "config",
    retryable: false,
    means: "the generation engine has too little room for its KV cache and does not start",
  },
  shm_too_small: { blame: "node", retryable: false, means: "shared memory (/dev/shm) is full or too small" },
  collective_timeout: {
    blame: "infra",
    retryable: true,
    means: "ranks waited for one another until the time-out: one was slow, stuck, or on another path",
  },
  comm_network: { blame: "infra", retryable: true, means: "a connection between ranks broke or could not be made" },
  port_in_use: { blame: "infra", retryable: true, means: "a port to listen on was taken" },
  gpu_visibility: { blame: "node", retryable: false, means: "the process saw the wrong GPUs, one twice, or none" },
  gpu_hardware: { blame: "node", retryable: true, means: "a GPU is broken: ECC error, Xid, fallen off the bus" },
  cuda_compat: { blame: "node", retryable: false, means: "the GPU driver or the GPU does not fit the installed CUDA build" },
  cuda_kernel_error: { blame: "unknown", retryable: true, means: "a GPU kernel failed: illegal access, device-side assertion" },
  thread_limit: { blame: "node", retryable: false, means: "the limit of processes, threads or open files is reached" },
  disk_full: { blame: "infra", retryable: false, means: "no space left on a disk, or a quota is reached" },
  missing_module: { blame: "config", retryable: false, means: "a Python module is not installed" },
  version_mismatch: { blame: "config", retryable: false, means: "installed versions do not fit each other" },
  config_unknown_key: { blame: "config", retryable: false, means: "a configuration key that this verl does not have" },
  config_divisibility: { blame: "config", retryable: false, means: "batch or parallel sizes do not divide, or become zero" },
  config_invalid_value: { blame: "config", retryable: false, means: "a setting is missing, wrong, or contradicts another" },
  dataset_unreadable: { blame: "user", retryable: false, means: "a data file is missing or can't be read" },
  dataset_schema: { blame: "user", retryable: false, means: "a column or field of the data is absent or of the wrong form" },
  dataset_empty: { blame: "user", retryable: false, means: "no rows, or no whole batch, are left of the data" },
  prompt_too_long: { blame: "user", retryable: false, means: "a prompt is longer than the configured length" },
  chat_template_missing: { blame: "user", retryable: false, means: "the model's tokenizer has no chat template" },
  reward_error: { blame: "user", retryable: false, means: "the reward function raised, timed out, or never returns" },
  numeric_nan: { blame: "user", retryable: false, means: "loss or gradients are NaN or infinite" },
  hub_unreachable: { blame: "config", retryable: false, means: "the model hub could not be reached" },
  hub_access_denied: { blame: "user", retryable: false, means: "the model hub refused access: gated, private, or a wrong token" },
  tracker_auth: { blame: "config", retryable: false, means: "the experiment tracker is not logged in" },
  checkpoint_io: { blame: "user", retryable: false, means: "a checkpoint could not be written or loaded" },
  hang_unknown: { blame: "unknown", retryable: false, means: "nothing moves and no error is shown" },
  time_limit: { blame: "user", retryable: false, means: "`max_runtime_s` or `deadline` is over" },
  unknown: { blame: "unknown", retryable: false, means: "no rule knows it; the text has the log's last line" },
} as const satisfies { readonly [label: string]: LabelFacts };

export type Label = keyof typeof LABELS;
