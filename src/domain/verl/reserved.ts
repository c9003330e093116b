/** What a profile may not say, because verlpool says it: where output, code, data and the shape of a task come from. */

const BY_SPEC = "set by verlpool from the TaskSpec";
const BY_ATTEMPT = "set by verlpool for each attempt";

/** Hydra keys (without `+`) → who sets them. A key that ends in `.` covers all below it. */
const RESERVED_KEYS: { readonly [key: string]: string } = {
  "trainer.nnodes": BY_SPEC,
  "trainer.n_gpus_per_node": BY_SPEC,
  "trainer.total_epochs": BY_SPEC,
  "trainer.total_training_steps": BY_SPEC,
  "trainer.save_freq": BY_SPEC,
  "trainer.test_freq": BY_SPEC,
  "trainer.device": "set by verlpool from the TaskSpec, or from the profile's own field device",
  "data.train_files": BY_SPEC,
  "data.val_files": BY_SPEC,
  "actor_rollout_ref.model.path": BY_SPEC,
  "critic.model.path": BY_SPEC,
  "model.path": BY_SPEC,
  "model.partial_pretrain": BY_SPEC,
  "algorithm.adv_estimator": "set by verlpool from the workload",
  "trainer.default_local_dir": BY_ATTEMPT,
  "trainer.default_hdfs_dir": BY_ATTEMPT,
  "trainer.rollout_data_dir": BY_ATTEMPT,
  "trainer.validation_data_dir": BY_ATTEMPT,
  "trainer.project_name": BY_ATTEMPT,
  "trainer.experiment_name": BY_ATTEMPT,
  "trainer.logger": BY_ATTEMPT,
  "trainer.resume_mode": BY_ATTEMPT,
  "trainer.resume_from_path": BY_ATTEMPT,
  "trainer.del_local_ckpt_after_load": "refused: it deletes what a later attempt would resume from",
  "trainer.max_actor_ckpt_to_keep": "set by verlpool from the profile's own field keep_checkpoints",
  "trainer.max_critic_ckpt_to_keep": "set by verlpool from the profile's own field keep_checkpoints",
  "trainer.max_ckpt_to_keep": "set by verlpool from the profile's own field keep_checkpoints",
  "trainer.remove_previous_ckpt_in_save": "set by verlpool from the profile's own field keep_checkpoints",
  "hydra.": BY_ATTEMPT,
  "ray_kwargs.ray_init.": "set by verlpool: environment variables go into the profile's own field env",
  "ray_init.": "set by verlpool: environment variables go into the profile's own field env",
};

/** Who sets this Hydra key instead of a profile; null = a profile may. Parents (`trainer`) are refused too: they would hold the rest. */
export function reservedKey(key: string): string | null {
  const bare = key.replace(/^\++/, "");
  for (const [reserved, why] of Object.entries(RESERVED_KEYS)) {
    const stem = reserved.endsWith(".") ? reserved.slice(0, -1) : reserved;
    const below = reserved.endsWith(".") && bare.startsWith(reserved);
    if (bare === stem || below || stem.startsWith(`${bare}.`)) return why;
  }
  return null;
}

const RESERVED_ENV: ReadonlySet<string> = new Set([
  "VERLPOOL_TASK_ID",
  "VERLPOOL_ATTEMPT",
  "VERLPOOL_DRIVER_DEVICE",
  "VERL_FILE_LOGGER_PATH",
  "MLP_CURRENT_CAPACITY_BLOCK_EXPIRATION_TIMESTAMP",
  "PYTHONPATH",
  "PYTHONUNBUFFERED",
  "HF_HUB_OFFLINE",
  "HF_HOME",
  "SPT_NOENV",
  "RAY_JOB_STOP_WAIT_TIME_S",
  "RAY_ADDRESS",
]);
const SECRET = /(^|_)(TOKENS?|SECRETS?|PASSWORD|PASSWD|CREDENTIALS?|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY)(_|$)/i;

/** Why a profile may not set this environment variable; null = it may. */
export function envProblem(name: string, value: string): string | null {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name)) return "is not the name of an environment variable";
  if (RESERVED_ENV.has(name)) return "is set by verlpool for each attempt";
  if (name.startsWith("MVP_")) return "belongs to the server and never reaches a job";
  if (SECRET.test(name)) return "looks like a secret: Ray shows the environment of jobs to everyone who can read its API";
  if (value.length > 4096) return `has a value of ${value.length} characters (at most 4096)`;
  return /[^\x20-\x7e]/.test(value) ? "has a value that is not printable ASCII in one line" : null;
}
