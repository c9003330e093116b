/** A commented TaskSpec to start from, for the command line and the web page. Imports nothing, so that the page can take it whole. */

export const WORKLOADS = ["ppo", "grpo", "sft"] as const;
export type Workload = (typeof WORKLOADS)[number];

export const WORKLOAD_TITLES: { readonly [workload in Workload]: string } = {
  ppo: "PPO: an actor and a critic learn from a reward",
  grpo: "GRPO: several answers a prompt, rewarded against each other; no critic",
  sft: "SFT: supervised fine-tuning on prompts and answers",
};

/** A TaskSpec that runs as it is on the pool of `verlpool up` after `verlpool prepare`. */
export function templateText(workload: Workload): string {
  const model = workload === "sft" ? "base" : "warm";
  const data = workload === "sft" ? "gsm8k-demo-sft" : "gsm8k-demo";
  const folder = `/private/common/datasets/${data}`;
  return `# ${WORKLOAD_TITLES[workload]}
# It runs as it is on the pool of \`verlpool up\`. Every path lies under /private/common, which all users share.
workload: ${workload}

# A verl source tree; several versions may lie side by side.
code_path: /private/common/code/verl-0.9.1

# A path under /private/common, or a Hugging Face repo id (Qwen/Qwen2.5-0.5B-Instruct) that lies in /private/common/hf.
model_id: /private/common/models/verlpool-demo/${model}

train_file: ${folder}/train.parquet
${workload === "sft" ? "# Optional for sft.\n" : ""}val_file: ${folder}/test.parquet

# The gang: all of it starts at once, or waits. Left out: 2 nodes of 4 GPUs.
nnodes: 1
n_gpus_per_node: 1

# Both bind: training ends at whichever comes first. total_training_steps: null leaves only the epochs.
total_epochs: 1
total_training_steps: 4

# Steps between checkpoints and between validations; -1 = only at the end, or never. 0 is refused.
save_freq: 2
test_freq: -1

# Learning rate, batch sizes, lengths, engine …: the operator's profiles (verlpool profiles), chosen with submit --profile.
`;
}
