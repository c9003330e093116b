/**
 * Retention: what is old goes, and how much each user has is measured; in the background, by the server that leads (docs/retention.md). Each removal is
 * given up in the database first, then taken out of its place, then removed: a crash between leaves a task that the next look goes on with.
 */
import { auditEntry } from "./audit.ts";
import type { RetentionFiles } from "./file-ports.ts";
import type { Clock, Log, Store, TaskChange } from "./ports.ts";
import { shapeOf } from "../domain/checkpoint.ts";
import { parseSubmissionId, userIdProblem } from "../domain/ids.ts";
import { type AttemptSteps, surplusSteps } from "../domain/retention.ts";
import type { Task } from "../domain/types.ts";

export type RetentionSettings = {
  /** Null = never. */
  readonly filesMs: number | null;
  readonly checkpointsMs: number | null;
  readonly keepCheckpoints: number;
  readonly everyMs: number;
};

export type RetentionDeps = {
  readonly store: Store;
  readonly files: RetentionFiles;
  readonly clock: Clock;
  readonly log: Log;
  readonly leads: () => boolean;
  readonly settings: RetentionSettings;
};

export type Retention = {
  /** One look at all that is old; for tests, and for the loop. */
  readonly once: () => Promise<void>;
  /** Until the signal aborts; never throws. */
  readonly run: (signal: AbortSignal) => Promise<void>;
};

/** So many tasks a look: one that was configured over an old pool works its way through. */
const TASKS_A_LOOK = 100;
/** A server that has just started does not lead yet. */
const UNTIL_LEADING_MS = 5_000;
const SYSTEM = { actor: "system", from: null, tokenId: null, requestId: null } as const;

export function retention(deps: RetentionDeps): Retention {
  const guarded = async (what: string, fields: object, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      deps.log.warn({ ...fields, error: String(error) }, what);
    }
  };
  const eachTask = async (tasks: readonly Task[], work: (task: Task) => Promise<void>): Promise<void> => {
    for (const task of tasks)
      if (deps.leads()) await guarded("retention of a task failed; it is tried again", { task_id: task.taskId }, () => work(task));
  };

  const once = async (): Promise<void> => {
    const { retention: store } = deps.store;
    const { filesMs, checkpointsMs } = deps.settings;
    const now = deps.clock.now();
    await eachTask(await store.toClear(TASKS_A_LOOK), (task) => clear(deps, task));
    const exporting = await exportedTasks(deps);
    const free = (tasks: readonly Task[]) => tasks.filter(({ taskId }) => !exporting.has(taskId));
    if (filesMs !== null) await eachTask(free(await store.withOldFiles(now - filesMs, TASKS_A_LOOK)), (task) => removeFiles(deps, task));
    if (checkpointsMs !== null)
      await eachTask(free(await store.withOldCheckpoints(now - checkpointsMs, TASKS_A_LOOK)), (task) => prune(deps, task));
    for (const userId of await deps.files.users())
      if (userIdProblem(userId) === null && deps.leads())
        await guarded("the storage of a user could not be measured", { user: userId }, () => measure(deps, userId));
  };

  const run = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      const leads = deps.leads();
      if (leads) await guarded("a look at what is old failed; the next one starts anew", {}, once);
      await deps.clock.sleep(leads ? deps.settings.everyMs : UNTIL_LEADING_MS, signal).catch(() => undefined);
    }
  };

  return { once, run };
}

/** Tasks that an open export reads. */
async function exportedTasks({ store }: RetentionDeps): Promise<ReadonlySet<string>> {
  const open = await store.tasks.listOpen();
  return new Set(open.flatMap(({ exportOf }) => parseSubmissionId(exportOf?.submissionId ?? "")?.taskId ?? []));
}

function change(deps: RetentionDeps, task: Task, code: string, text: string, data: object, patch: TaskChange["patch"] = {}): TaskChange {
  const at = deps.clock.now();
  return {
    taskId: task.taskId,
    version: task.version,
    epoch: null,
    at,
    patch,
    events: [{ actor: "system", attempt: null, type: "alert", reason: { code, text }, data: { ...data } }],
    audit: auditEntry(SYSTEM, at, "task.files_removed", task.taskId, task.userId, { what: code, ...data }),
  };
}

async function removeFiles(deps: RetentionDeps, task: Task): Promise<void> {
  const text = "its job directories are removed: it ended longer ago than retention.files_days";
  const outcome = await deps.store.retention.giveUpFiles(change(deps, task, "files_removed", text, {}, { filesGoneAt: deps.clock.now() }));
  if (outcome.kind === "applied") await clear(deps, outcome.task);
}

/** Where nothing is surplus the task is only noted, so that it is not looked through again. */
async function prune(deps: RetentionDeps, task: Task): Promise<void> {
  const count = (await surplusOf(deps, task)).reduce((sum, { steps }) => sum + steps.length, 0);
  const text = `old checkpoints are removed (${count}); the newest ${deps.settings.keepCheckpoints} complete stay`;
  const told = change(deps, task, "checkpoints_removed", text, { checkpoints: count });
  const { events: _, audit: __, ...quiet } = told;
  const outcome = await deps.store.retention.giveUpCheckpoints(count === 0 ? quiet : told);
  if (outcome.kind === "applied") await clear(deps, outcome.task);
}

type Surplus = { readonly submissionId: string; readonly steps: readonly number[] };

/** All but the newest complete ones, in the order in which a resume looks for them. */
async function surplusOf({ store, files, settings }: RetentionDeps, task: Task): Promise<readonly Surplus[]> {
  const saved: (AttemptSteps & { readonly submissionId: string })[] = [];
  for (const { submissionId } of (await store.tasks.attempts(task.taskId)).toReversed())
    saved.push({ submissionId, steps: await files.savedSteps(task.userId, submissionId, shapeOf(task.spec)) });
  return surplusSteps(saved, settings.keepCheckpoints);
}

/** Goes on with what was given up, from wherever it stopped. The database is told once nothing of it is left. */
async function clear(deps: RetentionDeps, task: Task): Promise<void> {
  const { store, files, log } = deps;
  const gone = task.filesGoneAt !== null;
  // Kept in the meantime: what was not taken out of its place yet stays there.
  if (!gone && !task.kept)
    for (const { submissionId, steps } of await surplusOf(deps, task)) await files.dropSteps(task.userId, submissionId, steps);
  const share = gone ? files.removeJob : files.clearSteps;
  for (const { submissionId } of await store.tasks.attempts(task.taskId))
    while (!(await share(task.userId, submissionId)).isDone)
      log.debug({ submission_id: submissionId }, "a large directory is being removed");
  await store.retention.cleared(task.taskId);
  log.debug({ task_id: task.taskId, what: gone ? "files" : "checkpoints" }, "retention has removed what was old");
}

async function measure({ store, files, clock }: RetentionDeps, userId: string): Promise<void> {
  let bytes = 0;
  for (const name of await files.jobNames(userId)) bytes += await files.jobBytes(userId, name);
  await store.retention.setUse(userId, bytes, clock.now());
}
