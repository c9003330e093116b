/**
 * Profiles of the demo: real verl 0.9 on CPUs with logical GPUs and a tiny model. `prepare` writes them beside the operator's own, named
 * `<name>@1.yaml`. Their values were measured (docs/profiles.md); no GPU is touched, so they say nothing about speed on GPUs.
 */

const HEAD = `version: 1
verl: ["0.9"]
device: cpu
exclusive: false
keep_checkpoints: 2
`;

const ENV = `env:
  # The "cpu" platform of verlpool_cpu: gloo for nccl, the rollout "hf"; Ray's resource stays GPU, so logical GPUs are scheduled.
  VERL_USE_EXTERNAL_MODULES: verlpool_cpu
  VERL_PLATFORM: cpu
  # verl's own variable: its FSDP engine classes are registered for cuda.
  VERL_ENGINE_DEVICE: cuda
  OMP_NUM_THREADS: 2
  VERLPOOL_ROLLOUT_THREADS: 2
  # Waiting threads sleep: on a shared machine, spinning ones cost four times the CPU (measured).
  OMP_WAIT_POLICY: passive
  # TransferQueue wants 8 threads and warns on each call on a smaller machine.
  TQ_NUM_THREADS: 2
  WANDB_MODE: disabled
`;

/** FSDP1 fails on the CPU, flash attention and torch.compile want CUDA, and bf16 on a CPU is slow. */
const MIXED = "{param_dtype: fp32, reduce_dtype: fp32, buffer_dtype: fp32}";

const RL_SETTINGS = `settings:
  data.train_batch_size: 32
  data.val_batch_size: 128
  data.val_max_samples: 128
  data.max_prompt_length: 36
  data.max_response_length: 16
  data.dataloader_num_workers: 0
  data.seed: 2
  actor_rollout_ref.model.use_remove_padding: false
  actor_rollout_ref.actor.strategy: fsdp2
  actor_rollout_ref.actor.fsdp_config.use_torch_compile: false
  +actor_rollout_ref.actor.fsdp_config.mixed_precision: ${MIXED}
  # 1e-3 collapses (the model forgets to stop); 2e-4 to 3e-4 learns.
  actor_rollout_ref.actor.optim.lr: 3e-4
  actor_rollout_ref.actor.ppo_mini_batch_size: 32
  actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu: 32
  actor_rollout_ref.rollout.name: hf
  actor_rollout_ref.rollout.tensor_model_parallel_size: 1
  actor_rollout_ref.rollout.n: 8
  actor_rollout_ref.rollout.seed: 2
  actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu: 32
  actor_rollout_ref.rollout.agent.num_workers: 1
  reward.num_workers: 1
  trainer.val_before_train: false
  # verl's replay buffer looks each 2 s for finished rollouts; a tiny model needs less.
  trainer.v1.sampler.custom_sampler.path: pkg://verlpool_cpu_sampler
  trainer.v1.sampler.custom_sampler.name: FastPoll
  transfer_queue.backend.SimpleStorage.num_data_storage_units: 1
  # The head has 0 CPUs, so TransferQueue's storage must not be pinned to it.
  +transfer_queue.backend.SimpleStorage.required_node_resource: worker_node
`;

const CRITIC_SETTINGS = `  critic.model.use_remove_padding: false
  critic.strategy: fsdp2
  critic.fsdp.use_torch_compile: false
  +critic.fsdp.mixed_precision: ${MIXED}
  critic.optim.lr: 1e-3
  critic.ppo_micro_batch_size_per_gpu: 32
`;

/** One storage unit and the controller of TransferQueue, and 1 for verl's TaskRunner. */
const RL_CPUS = "cpus_per_gpu: 3\ncpus_extra: 3\n";

const SFT_SETTINGS = `settings:
  data.train_batch_size: 64
  data.micro_batch_size_per_gpu: 64
  data.use_dynamic_bsz: false
  data.max_length: 64
  data.truncation: right
  model.use_remove_padding: false
  engine.strategy: fsdp2
  engine.use_torch_compile: false
  +engine.mixed_precision: ${MIXED}
  optim.lr: 3e-3
`;

function text(name: string, workload: string, description: string, driver: string, rest: string): string {
  return `name: ${name}\nworkload: ${workload}\ndescription: ${description}\ndriver: ${driver}\n${HEAD}${rest}${ENV}`;
}

const DEMO_PPO = text(
  "demo-ppo",
  "ppo",
  "PPO with a critic on a tiny model, on CPUs",
  "verl.trainer.main_ppo",
  RL_CPUS + RL_SETTINGS + CRITIC_SETTINGS,
);
const DEMO_GRPO = text("demo-grpo", "grpo", "GRPO on a tiny model, on CPUs", "verl.trainer.main_ppo", RL_CPUS + RL_SETTINGS);
const DEMO_SFT = text(
  "demo-sft",
  "sft",
  "Supervised fine-tuning of a tiny model, on CPUs",
  "verl.trainer.sft_trainer_ray",
  `cpus_per_gpu: 10\ncpus_extra: 0\n${SFT_SETTINGS}`,
);

/** File name → text. */
export const DEMO_PROFILES: { readonly [fileName: string]: string } = {
  "demo-ppo@1.yaml": DEMO_PPO,
  "demo-grpo@1.yaml": DEMO_GRPO,
  "demo-sft@1.yaml": DEMO_SFT,
};
