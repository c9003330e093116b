/** The three tasks of the demo: real verl on a tiny model, sized so that learning shows within minutes on two cores. */
import type { Workload } from "../../domain/types.ts";

export type DemoTask = {
  readonly workload: Workload;
  readonly profile: string;
  readonly nnodes: number;
  readonly steps: number;
  readonly saveFreq: number;
  readonly metric: string;
};

/** GRPO asks for two nodes, so that a gang is seen; the order is that of the contract's happy path. */
export const DEMO_TASKS: readonly DemoTask[] = [
  { workload: "ppo", profile: "demo-ppo", nnodes: 1, steps: 12, saveFreq: 6, metric: "critic/rewards/mean" },
  { workload: "grpo", profile: "demo-grpo", nnodes: 2, steps: 12, saveFreq: 6, metric: "critic/rewards/mean" },
  { workload: "sft", profile: "demo-sft", nnodes: 1, steps: 30, saveFreq: 10, metric: "train/loss" },
];

export function demoSpec(task: DemoTask, codePath: string): string {
  const isSft = task.workload === "sft";
  const data = `/private/common/datasets/${isSft ? "gsm8k-demo-sft" : "gsm8k-demo"}`;
  return [
    `workload: ${task.workload}`,
    `code_path: ${codePath}`,
    `model_id: /private/common/models/verlpool-demo/${isSft ? "base" : "warm"}`,
    `train_file: ${data}/train.parquet`,
    `val_file: ${data}/test.parquet`,
    `nnodes: ${task.nnodes}`,
    "n_gpus_per_node: 1",
    "total_epochs: 1",
    `total_training_steps: ${task.steps}`,
    `save_freq: ${task.saveFreq}`,
    "",
  ].join("\n");
}
