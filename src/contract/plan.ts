/** What `:plan` answers: all of a submission but its task. */
import { z } from "zod";
import { EstimateWire, WarningWire } from "./resources.ts";

const NeedsWire = z.object({ nodes: z.int(), gpus_per_node: z.int(), cpus_per_node: z.int() }).meta({ id: "Needs" });
export const TrainingPlanWire = z
  .object({
    train_rows: z.int().nullable(),
    val_rows: z.int().nullable(),
    train_batch_size: z.int().nullable().meta({ description: "data.train_batch_size of the profile" }),
    steps_per_epoch: z.int().nullable(),
    total_steps: z.int().nullable().meta({ description: "At most: rows that verl leaves out as too long are counted" }),
    checkpoints: z.int().nullable().meta({ description: "How many it saves" }),
    checkpoints_kept: z.int().nullable(),
    checkpoint_bytes: z.int().nullable().meta({ description: "Of one, by the size of the model's weights: an estimate" }),
  })
  .meta({ id: "TrainingPlan" });
export type TrainingPlanWire = z.infer<typeof TrainingPlanWire>;

export const PlanWire = z
  .object({
    valid: z.literal(true),
    argv: z.array(z.string()),
    env: z.record(z.string(), z.string()),
    profile: z.object({ name: z.string(), verl_version: z.string() }),
    needs: NeedsWire,
    fit: z.object({
      verdict: z.enum(["now", "later", "impossible", "unknown"]),
      per_node: z.array(
        z.object({ node: z.string(), gpus_free: z.number(), cpus_free: z.number(), fits: z.boolean(), why: z.string().nullable() }),
      ),
    }),
    training: TrainingPlanWire.nullable().meta({ description: "What the data and the profile come to; null = storage did not answer" }),
    position: z.int().meta({ description: "1 = next to start" }),
    estimate: EstimateWire.nullable(),
    warnings: z.array(WarningWire),
  })
  .meta({ id: "Plan" });
export type PlanWire = z.infer<typeof PlanWire>;
