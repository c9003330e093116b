import { isLive, type Launcher, type World } from "../world/model.ts";
import type { Invariant } from "./invariant.ts";

/** Judged by the processes that really live, not by what the database says of them. */
export const singleExecution: Invariant = {
  id: "I1",
  text: "an attempt starts at most once, and what lives of a task and is not past its fence belongs to one attempt",
  onStep: (world) => {
    const living = new Map<string, Launcher>();
    for (const launcher of world.launchers) {
      if (!isLive(world, launcher)) continue;
      const other = living.get(launcher.taskId);
      if (other !== undefined) return `${other.submissionId} and ${launcher.submissionId} live at once`;
      living.set(launcher.taskId, launcher);
    }
    return null;
  },
  onTask: (world, { after }) => {
    for (const attempt of after.attempts) {
      if (attempt.state === "SUBMITTING" || attempt.state === "SUBMITTED" || attempt.state === "RUNNING") continue;
      const survivor = livingOf(world, attempt.submissionId);
      if (survivor !== undefined) return `${attempt.submissionId} is ${attempt.state} and lives on ${survivor.machine.name}`;
    }
    return null;
  },
};

function livingOf(world: World, submissionId: string): Launcher | undefined {
  return world.launchers.find((launcher) => launcher.submissionId === submissionId && isLive(world, launcher));
}
