/**
 * The profiles that are always there: `ppo`, `grpo`, `sft` for each supported verl minor (`grpo@0.9`), with verl's quickstart values on real
 * GPUs. An operator's file `grpo@1.yaml` becomes the site's default instead. What differs between versions was read in the releases' sources and is composed by real Hydra in test/real/hydra-compose.test.ts.
 */
import type { Profile, Setting } from "./profile.ts";

type Settings = { readonly [key: string]: Setting };

const RL_DRIVER = "verl.trainer.main_ppo";

const RL: Settings = {
  "data.train_batch_size": 256,
  "data.max_prompt_length": 512,
  "data.max_response_length": 512,
  "actor_rollout_ref.actor.optim.lr": 1e-6,
  "actor_rollout_ref.actor.ppo_mini_batch_size": 64,
  "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu": 4,
  "actor_rollout_ref.rollout.name": "sglang",
  "actor_rollout_ref.rollout.tensor_model_parallel_size": 1,
  "actor_rollout_ref.rollout.gpu_memory_utilization": 0.4,
  "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu": 8,
  "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu": 4,
  "algorithm.kl_ctrl.kl_coef": 0.001,
  "trainer.val_before_train": false,
};

const PPO: Settings = { ...RL, "critic.optim.lr": 1e-5, "critic.ppo_micro_batch_size_per_gpu": 4 };

const GRPO: Settings = {
  ...RL,
  "actor_rollout_ref.rollout.n": 5,
  "actor_rollout_ref.actor.use_kl_loss": true,
  "actor_rollout_ref.actor.kl_loss_coef": 0.001,
  "actor_rollout_ref.actor.kl_loss_type": "low_var_kl",
};

const SFT: Settings = {
  "data.train_batch_size": 256,
  "data.micro_batch_size_per_gpu": 4,
  "data.max_length": 1024,
  "data.truncation": "right",
  "optim.lr": 1e-5,
};

/** verl 0.9 pins TransferQueue's storage to every node, the head with its 0 CPUs included, unless a resource says which nodes. */
const TRANSFER_QUEUE: Settings = { "+transfer_queue.backend.SimpleStorage.required_node_resource": "worker_node" };

type RlVersion = {
  readonly verl: string;
  readonly cpusPerGpu: number;
  readonly cpusExtra: number;
  readonly exclusive: boolean;
  readonly settings: Settings;
};

/**
 * CPUs a GPU: `max_colocate_count`, 1 up to 0.6.1 and 3 from 0.7.1. Extra: 1 for the TaskRunner, and in 0.9 TransferQueue's controller and
 * its 8 storage units (1 CPU each), which may all come to lie on one node. Only 0.9's fixed names are known, so the rest run alone.
 */
const RL_VERSIONS: readonly RlVersion[] = [
  { verl: "0.9", cpusPerGpu: 3, cpusExtra: 10, exclusive: false, settings: TRANSFER_QUEUE },
  { verl: "0.8", cpusPerGpu: 3, cpusExtra: 1, exclusive: true, settings: {} },
  { verl: "0.7", cpusPerGpu: 3, cpusExtra: 1, exclusive: true, settings: {} },
  { verl: "0.6", cpusPerGpu: 1, cpusExtra: 1, exclusive: true, settings: {} },
  { verl: "0.5", cpusPerGpu: 1, cpusExtra: 1, exclusive: true, settings: {} },
];

function rl(workload: "ppo" | "grpo", version: RlVersion): Profile {
  return {
    name: workload,
    version: 0,
    workload,
    verl: [version.verl],
    description: `verl's quickstart values for ${workload === "ppo" ? "PPO with a critic" : "GRPO"} on GPUs, rollout by SGLang`,
    driver: RL_DRIVER,
    device: "cuda",
    exclusive: version.exclusive,
    python: null,
    cpusPerGpu: version.cpusPerGpu,
    cpusExtra: version.cpusExtra,
    keepCheckpoints: 2,
    settings: { ...(workload === "ppo" ? PPO : GRPO), ...version.settings },
    env: {},
  };
}

/** The Ray driver for SFT came with 0.7.1; torchrun, which older ones need, is no Ray job. Its bundles ask for 10 CPUs a GPU. */
function sft(verl: string, exclusive: boolean): Profile {
  return {
    name: "sft",
    version: 0,
    workload: "sft",
    verl: [verl],
    description: "verl's own values for supervised fine-tuning on GPUs (FSDP)",
    driver: "verl.trainer.sft_trainer_ray",
    // The driver has no GPU and makes tensors on trainer.device; verl's workers find their own device.
    device: "cpu",
    exclusive,
    python: null,
    cpusPerGpu: 10,
    cpusExtra: 0,
    keepCheckpoints: 2,
    settings: SFT,
    env: {},
  };
}

export const BUILTIN_PROFILES: readonly Profile[] = [
  ...RL_VERSIONS.flatMap((version) => [rl("ppo", version), rl("grpo", version)]),
  sft("0.9", false),
  sft("0.8", true),
  sft("0.7.1", true),
];
