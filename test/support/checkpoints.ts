/** Checkpoint folders in verl's layout; the files are torch's zip format with nothing in it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { CheckpointShape } from "../../src/domain/checkpoint.ts";

/** Begins and ends as a file of torch.save does. */
export const TORCH_FILE = Buffer.from(`PK\x03\x04${"x".repeat(40)}PK\x05\x06${"\0".repeat(18)}`, "latin1");

/** Writes one step whole, with the tracker that says so. */
export function savedCheckpoint(directory: string, step: number, { workload, ranks }: CheckpointShape): void {
  const parts = workload === "sft" ? [""] : workload === "ppo" ? ["actor/", "critic/"] : ["actor/"];
  const ranked = Array.from({ length: ranks }, (_, rank) =>
    ["model", "optim", "extra_state"].map((kind) => `${kind}_world_size_${ranks}_rank_${rank}.pt`),
  ).flat();
  const names = [...parts.flatMap((part) => ranked.map((name) => `${part}${name}`)), workload === "sft" ? "data_0.pt" : "data.pt"];
  for (const name of names) {
    const path = join(directory, `global_step_${step}`, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, TORCH_FILE);
  }
  writeFileSync(join(directory, "latest_checkpointed_iteration.txt"), String(step));
}
