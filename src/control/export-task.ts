/** An export: a checkpoint of a task becomes a Hugging Face folder, by a small task of the same user that runs verl's merger on a worker (ADR 6). */
import { AppError } from "../domain/app-error.ts";
import type { ArtifactFiles } from "../domain/artifact.ts";
import { type Checkpoints, shapeOf } from "../domain/checkpoint.ts";
import { EXPORT_NEEDS, type ExportAnswer, exportTarget, trainsWithMegatron } from "../domain/export.ts";
import { formatTaskId } from "../domain/ids.ts";
import type { Attempt, SavedStep, Task } from "../domain/types.ts";
import { type Caller, taskAudit } from "./audit.ts";
import { checkFiles } from "./files-gone.ts";
import type { JobFiles, NewTask } from "./ports.ts";
import { limitText, retryInMs, type SubmitDeps } from "./submit-task.ts";

export type ExportDeps = Pick<SubmitDeps, "store" | "commands" | "clock" | "ids"> & {
  readonly files: Pick<JobFiles, "checkpoints">;
  readonly artifacts: Pick<ArtifactFiles, "hasExport">;
};

/**
 * The newest complete checkpoint, or that of `step`. Asked again it makes no second task while the first one is open, and none for a folder that is
 * there. Throws wrong_state where there is nothing to export, and what a submission throws for a limit of the user.
 */
export async function exportTask(deps: ExportDeps, task: Task, step: number | null, by: Caller): Promise<ExportAnswer> {
  checkFiles(task);
  if (task.exportOf !== null) throw new AppError("wrong_state", `this task is itself an export, of ${task.exportOf.submissionId}`);
  const { settings } = await deps.commands.choose(task.spec, task.profile.name);
  if (trainsWithMegatron(settings))
    throw new AppError(
      "wrong_state",
      `its profile ${task.profile.name} trains with Megatron; export merges checkpoints of FSDP only (merge it by hand: python -m verl.model_merger merge --backend megatron)`,
    );
  const { of, notes } = await findCheckpoint(deps, task, step);
  const answer = { ...of, location: exportTarget(task.userId, of), notes };
  if (await deps.artifacts.hasExport(task.userId, of.submissionId, of.step)) return { ...answer, task: null };
  const open = (await deps.store.tasks.listOpen()).find(
    ({ exportOf }) => exportOf?.submissionId === of.submissionId && exportOf.step === of.step,
  );
  return { ...answer, task: open ?? (await submitExport(deps, task, of, by)) };
}

type Found = { readonly of: SavedStep; readonly notes: readonly string[] };

/** Newest attempt first: a later one saved later steps, or the same anew. */
async function findCheckpoint(deps: ExportDeps, task: Task, step: number | null): Promise<Found> {
  const notes: string[] = [];
  for (const attempt of (await deps.store.tasks.attempts(task.taskId)).toReversed()) {
    const read = await look(deps, task, attempt, step);
    if (read === null) continue;
    notes.push(
      ...read.skipped.map((one) => `the checkpoint of step ${one.step} of attempt ${attempt.attempt} was passed over: ${one.why}`),
    );
    if (read.newest !== null) return { of: { submissionId: attempt.submissionId, step: read.newest }, notes };
  }
  const what = step === null ? "a complete checkpoint" : `a complete checkpoint of step ${step}`;
  const seen = notes.length === 0 ? "" : `: ${notes.slice(0, 3).join("; ")}`;
  throw new AppError("wrong_state", `the task has no attempt with ${what}${seen}; \`verlpool artifacts\` lists what it saved`);
}

async function look(deps: ExportDeps, task: Task, { submissionId, startedAt }: Attempt, step: number | null): Promise<Checkpoints | null> {
  if (startedAt === null) return null;
  const read = await deps.files.checkpoints(task.userId, submissionId, shapeOf(task.spec), step);
  return read.kind === "gone" ? null : read;
}

async function submitExport(deps: ExportDeps, of: Task, { submissionId, step }: SavedStep, by: Caller) {
  const { store, clock, ids } = deps;
  const user = await store.users.getUser(of.userId);
  if (user === null || user.state === "DISABLED") throw new AppError("wrong_state", `user ${of.userId} is disabled`);
  const now = clock.now();
  const taskId = formatTaskId(of.userId, of.workload, now, ids.hex(4));
  const task: NewTask = {
    taskId,
    userId: of.userId,
    workload: of.workload,
    priority: Math.min(0, user.limits.maxPriority),
    name: `export of step ${step}`,
    labels: {},
    specText: of.specText,
    spec: of.spec,
    profile: { ...of.profile, exclusive: false },
    needs: EXPORT_NEEDS,
    deadline: null,
    maxRuntimeMs: null,
    retryOf: null,
    fromScratch: false,
    exportOf: { submissionId, step },
    createdAt: now,
  };
  const reason = { code: "export", text: `exports step ${step} of ${submissionId}` };
  const outcome = await store.tasks.insertTask(
    task,
    { attempt: null, actor: by.actor, type: "created", reason, data: { gpus: 0, verl_version: of.profile.verlVersion } },
    null,
    user.limits,
    () => "",
    taskAudit(by, now, "task.export", { taskId, userId: of.userId }, { export_of: of.taskId, step }),
  );
  if (outcome.kind === "user_limit")
    throw new AppError("user_limit", limitText(of.userId, outcome), { retryAfterS: retryInMs(outcome) / 1000 });
  return { taskId, state: "QUEUED" } as const;
}
