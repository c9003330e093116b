import { isLive, submissionOf } from "../world/model.ts";
import type { Invariant } from "./invariant.ts";

export const exclusiveRuns: Invariant = {
  id: "EXCLUSIVE",
  text: "an RL task whose profile must run alone never lives beside another RL task",
  onStep: (world) => {
    const living = world.launchers.filter((launcher) => launcher.isReinforcement && isLive(world, launcher));
    if (living.length < 2) return null;
    const alone = living.find(
      (launcher) => submissionOf(world, world.database.tasks.get(launcher.taskId)?.task.name ?? null)?.exclusive === true,
    );
    return alone === undefined ? null : `${alone.submissionId} lives beside ${living.length - 1} other RL attempts`;
  },
};
