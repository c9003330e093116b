import { formatSubmissionId, parseSubmissionId } from "../../src/domain/ids.ts";
import { jobDir } from "../../src/domain/storage-layout.ts";
import type { Invariant } from "./invariant.ts";

/** Intent before effect: whatever Ray may start has its row already, and a directory of its own. */
export const attemptIdentity: Invariant = {
  id: "I3",
  text: "each id that is POSTed belongs to one committed attempt with its own directory; attempts are numbered 1…k without gap (I13 with it)",
  onPost: (world, submissionId, entrypoint) => {
    const parsed = parseSubmissionId(submissionId);
    const snapshot = parsed === null ? undefined : world.database.tasks.get(parsed.taskId);
    const attempt = snapshot?.attempts.find((each) => each.submissionId === submissionId);
    if (snapshot === undefined || attempt === undefined) return `${submissionId} is POSTed and has no committed attempt`;
    if (!world.directories.has(submissionId)) return `${submissionId} is POSTed and has no directory`;
    return entrypoint.endsWith(jobDir(snapshot.task.userId, submissionId)) ? null : `${submissionId} is POSTed for ${entrypoint}`;
  },
  onTask: (_world, { after }) => {
    for (const [index, attempt] of after.attempts.entries()) {
      const expected = formatSubmissionId(after.task.taskId, index + 1);
      if (attempt.attempt !== index + 1 || attempt.submissionId !== expected) return `attempt ${index + 1} is ${attempt.submissionId}`;
    }
    return after.task.attempts === after.attempts.length
      ? null
      : `${after.task.taskId} counts ${after.task.attempts} of ${after.attempts.length}`;
  },
};
