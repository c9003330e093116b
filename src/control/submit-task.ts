/** A submission: from a valid TaskSpec to a durable QUEUED task. What the world says (files, model, profile) is checked before, never after. */
import { AppError, type FieldProblem } from "../domain/app-error.ts";
import { formatTaskId } from "../domain/ids.ts";
import { gpusOf, shapeText } from "../domain/capacity.ts";
import {
  type DataFile,
  type FileIdentity,
  type Finding,
  type PathCheck,
  preflight,
  type TrainingInputs,
  type TrainingPlan,
} from "../domain/preflight.ts";
import type { Limits, NewTaskEvent, Task, TaskSpec, User } from "../domain/types.ts";
import type { CommandSource, ProfileChoice } from "./command-source.ts";
import { type Caller, taskAudit } from "./audit.ts";
import { goneText } from "./files-gone.ts";
import type { CommonFiles } from "./file-ports.ts";
import type { Clock, EarlierAnswer, Idempotency, Ids, LimitReached, NewTask, Store } from "./ports.ts";

export type Warning = { readonly code: string; readonly field: string | null; readonly text: string };

export type SubmitDeps = {
  readonly store: Store;
  readonly common: CommonFiles;
  readonly commands: CommandSource;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly pool: { readonly maxNodes: number | null; readonly maxGpusPerNode: number | null };
};

export type Submission = {
  readonly userId: string;
  readonly by: Caller;
  readonly specText: string;
  readonly spec: TaskSpec;
  readonly specWarnings: readonly Warning[];
  /** Line of a field in the text, for errors about the world. */
  readonly lineOf: (field: string) => { readonly line: number | null; readonly column: number | null };
  readonly name: string | null;
  readonly profile: string | null;
  /** null = 0, or the most this user may ask for where that is less. */
  readonly priority: number | null;
  readonly labels: { readonly [key: string]: string };
  readonly deadline: number | null;
  readonly maxRuntimeMs: number | null;
};

export type Admitted = {
  readonly choice: ProfileChoice;
  readonly warnings: readonly Warning[];
  readonly user: User;
  readonly priority: number;
  /** null = storage did not answer in time. */
  readonly training: TrainingPlan | null;
  readonly inputs: TrainingInputs | null;
};

/** The warning of a plan whose submission would be refused now for a limit of the user. */
export async function limitWarnings(deps: SubmitDeps, { user }: Admitted): Promise<readonly Warning[]> {
  const reached = await deps.store.tasks.limitReached(user.userId, user.limits, deps.clock.now());
  const text = reached === null ? "" : `submitted now it would be refused: ${limitText(user.userId, reached)}`;
  return reached === null ? [] : [{ code: "user_limit", field: null, text }];
}

/** Every check of a submission, without effects; `:plan` and `POST /tasks` share it. */
export async function admit(deps: SubmitDeps, submission: Submission): Promise<Admitted> {
  const user = await deps.store.users.getUser(submission.userId);
  if (user === null) throw new AppError("not_found", `no user ${submission.userId}`);
  if (user.state === "DISABLED") throw new AppError("wrong_state", `user ${submission.userId} is disabled`);
  checkParameters(submission, user.limits, deps.clock.now());
  const world = await checkWorld(deps.common, submission);
  const choice = await deps.commands.choose(submission.spec, submission.profile);
  checkPoolCeiling(deps.pool, choice);
  const { training, inputs, warnings } = await lookAhead(deps.common, submission, choice);
  const priority = submission.priority ?? Math.min(0, user.limits.maxPriority);
  return { choice, user, priority, training, inputs, warnings: [...submission.specWarnings, ...world, ...choice.warnings, ...warnings] };
}

/** What verl would refuse minutes after its start is refused now, with the line of the spec. */
async function lookAhead(
  common: CommonFiles,
  submission: Submission,
  choice: ProfileChoice,
): Promise<Pick<Admitted, "training" | "inputs" | "warnings">> {
  const inputs = await common.inputs(submission.spec);
  if ("unknown" in inputs) {
    const text = `data and model could not be looked into in time (${inputs.unknown}); what is wrong with them shows when the task starts`;
    return { training: null, inputs: null, warnings: [{ code: "not_checked", field: "train_file", text }] };
  }
  const { errors, warnings, plan } = preflight(submission.spec, choice, inputs);
  const toError = ({ field, text, found, allowed }: Finding): FieldProblem => fieldError(submission, field, text, found ?? "", allowed);
  if (errors.length > 0) throw preflightFailed(errors.map(toError));
  return { training: plan, inputs, warnings: warnings.map(({ field, text }) => ({ code: "preflight", field, text })) };
}

function preflightFailed(errors: readonly FieldProblem[]): AppError {
  return new AppError("preflight_failed", errors.map((error) => error.message).join("; "), { fields: errors });
}

function checkParameters(submission: Submission, limits: Limits, now: number): void {
  if (submission.priority !== null && submission.priority > limits.maxPriority) {
    throw new AppError(
      "bad_parameter",
      `priority ${submission.priority} is above this user's max_priority of ${limits.maxPriority}; an admin can raise it`,
    );
  }
  if (submission.deadline !== null && submission.deadline <= now) throw new AppError("bad_parameter", "deadline lies in the past");
}

function checkPoolCeiling(pool: SubmitDeps["pool"], { needs }: ProfileChoice): void {
  const tooMany = pool.maxNodes !== null && needs.nodes > pool.maxNodes;
  const tooLarge = pool.maxGpusPerNode !== null && needs.gpusPerNode > pool.maxGpusPerNode;
  if (tooMany || tooLarge) {
    throw new AppError(
      "pool_too_small",
      `needs ${shapeText(needs)}; this pool never has more than ${pool.maxNodes ?? "∞"} nodes of ${pool.maxGpusPerNode ?? "∞"} GPUs (pool.max_nodes, pool.max_gpus_per_node)`,
    );
  }
}

/** Missing or misplaced files are errors with the spec's line; what can't be read in time is a warning. */
async function checkWorld(common: CommonFiles, submission: Submission): Promise<readonly Warning[]> {
  const { spec } = submission;
  const errors: FieldProblem[] = [];
  const warnings: Warning[] = [];
  const looks: [string, string, "file" | "directory"][] = [
    ["code_path", spec.codePath, "directory"],
    ["train_file", spec.trainFile, "file"],
    ...(spec.valFile === null ? [] : [["val_file", spec.valFile, "file"] satisfies [string, string, "file"]]),
    ...(spec.modelId.startsWith("/") ? [["model_id", spec.modelId, "directory"] satisfies [string, string, "directory"]] : []),
  ];
  for (const [field, path, expect] of looks) note(field, path, await common.check(path, expect), submission, errors, warnings);
  if (!spec.modelId.startsWith("/")) await checkRepo(common, submission, errors, warnings);
  if (errors.length > 0) throw preflightFailed(errors);
  return warnings;
}

async function checkRepo(common: CommonFiles, submission: Submission, errors: FieldProblem[], warnings: Warning[]): Promise<void> {
  const { modelId } = submission.spec;
  const found = await common.hasModel(modelId);
  if (found === "unknown") {
    warnings.push({
      code: "not_checked",
      field: "model_id",
      text: `the cache of ${modelId} could not be read in time; it is looked up when the task starts`,
    });
  } else if (found === "missing") {
    const allowed = "a model that was pulled: verlpool model pull, or a path under /private/common/";
    errors.push(fieldError(submission, "model_id", `model ${modelId} is not in /private/common/hf`, modelId, allowed));
  }
}

function note(field: string, path: string, check: PathCheck, submission: Submission, errors: FieldProblem[], warnings: Warning[]): void {
  switch (check.kind) {
    case "ok":
      return;
    case "missing":
      errors.push(fieldError(submission, field, `${path} does not exist`, path, "a path that exists under /private/common/"));
      return;
    case "outside":
      errors.push(
        fieldError(
          submission,
          field,
          `${path} is a link that leaves /private/common (to ${check.target})`,
          path,
          "a target under /private/common/ or in storage.allowed_symlink_targets",
        ),
      );
      return;
    case "wrong_type":
      errors.push(
        fieldError(
          submission,
          field,
          `${path} is ${check.found}`,
          path,
          field === "code_path" || field === "model_id" ? "a directory" : "a file",
        ),
      );
      return;
    case "unknown":
      warnings.push({
        code: "not_checked",
        field,
        text: `${path} could not be read in time (${check.error}); it is checked again when the task starts`,
      });
      return;
  }
}

function fieldError(submission: Submission, field: string, message: string, found: string, allowed: string): FieldProblem {
  return { field, ...submission.lineOf(field), message, found, allowed };
}

/** The first answer of a key again, or the refusal of a key that was used for another request. */
export function replayed(earlier: EarlierAnswer, key: string): SubmitAnswer {
  if (earlier.kind === "key_reused") {
    throw new AppError("idempotency_key_reused", `Idempotency-Key ${JSON.stringify(key)} was used for another request; use a new key`);
  }
  return { body: earlier.answer, replayed: true, taskId: (JSON.parse(earlier.answer) as { task_id: string }).task_id };
}

export type Created = { readonly taskId: string; readonly state: Task["state"]; readonly warnings: readonly Warning[] };
export type SubmitAnswer = { readonly body: string; readonly replayed: boolean; readonly taskId: string };

/** The ended task that a submission is a retry of. */
export type RetryOf = { readonly taskId: string; readonly fromScratch: boolean };

/** What a submission asks for, as a row of the queue. */
export function newTask(
  taskId: string,
  submission: Submission,
  { choice, priority }: Admitted,
  createdAt: number,
  retry: RetryOf | null = null,
): NewTask {
  const { userId, spec, specText, name, labels, deadline, maxRuntimeMs } = submission;
  const { profile, needs } = choice;
  return {
    taskId,
    userId,
    workload: spec.workload,
    priority,
    name,
    labels,
    specText,
    spec,
    profile,
    needs,
    deadline,
    maxRuntimeMs,
    retryOf: retry?.taskId ?? null,
    fromScratch: retry?.fromScratch ?? false,
    exportOf: null,
    createdAt,
  };
}

/** Resolves after the task, its first event and its idempotency row are durable. `render` makes the wire answer, which is stored with the key. */
export async function submitTask(
  deps: SubmitDeps,
  submission: Submission,
  admitted: Admitted,
  idempotency: Idempotency | null,
  render: (created: Created) => string,
  retry: RetryOf | null = null,
): Promise<SubmitAnswer> {
  const now = deps.clock.now();
  const taskId = formatTaskId(submission.userId, submission.spec.workload, now, deps.ids.hex(4));
  const outcome = await deps.store.tasks.insertTask(
    newTask(taskId, submission, admitted, now, retry),
    {
      attempt: null,
      actor: submission.by.actor,
      type: "created",
      reason: retry === null ? null : retryReason(retry),
      data: { gpus: gpusOf(admitted.choice.needs), ...identityOf(admitted) },
    },
    idempotency,
    admitted.user.limits,
    (task) => render({ taskId: task.taskId, state: task.state, warnings: admitted.warnings }),
    taskAudit(
      submission.by,
      now,
      retry === null ? "task.submit" : "task.retry",
      { taskId, userId: submission.userId },
      { name: submission.name, ...(retry === null ? {} : { retry_of: retry.taskId, from_scratch: retry.fromScratch }) },
    ),
  );
  switch (outcome.kind) {
    case "created":
      return { body: render({ taskId, state: outcome.task.state, warnings: admitted.warnings }), replayed: false, taskId };
    case "replayed":
    case "key_reused":
      return replayed(outcome, idempotency?.key ?? "");
    case "files_gone":
      throw new AppError("files_gone", `${goneText({ filesGoneAt: outcome.at })}; retry it with from_scratch (--from-scratch)`);
    case "user_limit":
      throw new AppError("user_limit", limitText(submission.userId, outcome), {
        retryAfterS: retryInMs(outcome) / 1000,
      });
  }
}

/** With which code and data it was submitted: files of the same name may be others tomorrow. */
function identityOf({ choice, inputs }: Admitted): { readonly [key: string]: unknown } {
  const file = (data: FileIdentity | null, kind: DataFile | null): object | null =>
    data === null
      ? null
      : { bytes: data.bytes, modified_at: new Date(data.modifiedAt).toISOString(), rows: kind?.kind === "parquet" ? kind.rows : null };
  const data =
    inputs === null ? {} : { train_file: file(inputs.identity.train, inputs.train), val_file: file(inputs.identity.val, inputs.val) };
  return { verl_version: choice.profile.verlVersion, ...data };
}

function retryReason({ taskId, fromScratch }: RetryOf): NonNullable<NewTaskEvent["reason"]> {
  const where = fromScratch ? "from step 0, as was asked" : "from its last complete checkpoint";
  return { code: "retry", text: `a retry of ${taskId}, ${where}` };
}

/** A queue may have moved in a minute; a limit of 0 stands until somebody changes it, which is worth a look an hour. */
export function retryInMs({ value, freeInMs }: LimitReached): number {
  return freeInMs ?? (value === 0 ? 3_600_000 : 60_000);
}

/** Which limit, its value, what counts against it, and who can change it. */
export function limitText(userId: string, { limit, value, count, freeInMs }: LimitReached): string {
  const raise = "an admin can raise it";
  if (value === 0) return `${userId} may submit nothing: the limit ${limit} is 0; ${raise}`;
  if (limit === "max_storage_gib")
    return `${userId} has ${count} GiB in job directories, the limit max_storage_gib is ${value}; remove what is not needed, or ${raise}`;
  const tasks = count === 1 ? "1 task" : `${count} tasks`;
  if (limit === "max_queued") return `${userId} has ${tasks} waiting, the limit max_queued is ${value}; cancel one, or ${raise}`;
  return `${userId} submitted ${tasks} in the last minute, the limit submits_per_minute is ${value}; the next may come in ${Math.ceil((freeInMs ?? 0) / 1000)} s; ${raise}`;
}
