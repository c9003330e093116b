/** All rules. Where two stand on one line and are equally strong, the earlier in this list is the answer. */
import type { Rule } from "./rule.ts";
import { COMMUNICATION } from "./rules/communication.ts";
import { ENDINGS } from "./rules/endings.ts";
import { GPU_MEMORY } from "./rules/gpu-memory.ts";
import { GPU_PLATFORM } from "./rules/gpu-platform.ts";
import { HOST_MEMORY } from "./rules/host-memory.ts";
import { HUB_AND_TRACKER } from "./rules/hub-and-tracker.ts";
import { LIMITS_AND_DISK } from "./rules/limits-and-disk.ts";
import { RAY } from "./rules/ray.ts";
import { SOFTWARE } from "./rules/software.ts";
import { TRAINING } from "./rules/training.ts";
import { DATASET } from "./rules/dataset.ts";
import { VERL_CONFIG } from "./rules/verl-config.ts";

export const RULES: readonly Rule[] = [
  ...GPU_MEMORY,
  ...HOST_MEMORY,
  ...GPU_PLATFORM,
  ...COMMUNICATION,
  ...LIMITS_AND_DISK,
  ...RAY,
  ...VERL_CONFIG,
  ...SOFTWARE,
  ...HUB_AND_TRACKER,
  ...DATASET,
  ...TRAINING,
  ...ENDINGS,
];
