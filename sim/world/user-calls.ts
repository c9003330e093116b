/** What users ask for, through the use cases of a server that may die before it answers; then they ask again, a submission with the same key. */
import { auditEntry, type Caller } from "../../src/control/audit.ts";
import { cancelTask, holdTask, prioritizeTask, releaseTask, requeueTask } from "../../src/control/change-task.ts";
import { admit, type Submission, type SubmitDeps, submitTask } from "../../src/control/submit-task.ts";
import { declareDead, pauseQueue, resumeQueue } from "../../src/control/operate.ts";
import { AppError } from "../../src/domain/app-error.ts";
import type { Task } from "../../src/domain/types.ts";
import { violate } from "../invariants/violate.ts";
import type { SubmitItem, UserItem } from "../plan.ts";
import { killTree } from "./launcher.ts";
import { EPOCH_MS, isLive, type Server, type World } from "./model.ts";

export const ADMIN: Caller = { actor: "admin", from: null, tokenId: null, requestId: null };
type TaskAct = "cancel" | "hold" | "release" | "requeue" | "prioritize";
const ASK_AGAIN_MS = 7_000;
const MAX_TRIES = 200;

/** Runs `ask` on a server; when no answer comes, or the answer is "try again", asks another time. */
function untilAnswered(world: World, what: string, ask: (server: Server) => Promise<void>, tries = 0): void {
  const alive = world.servers.filter((server) => server.alive);
  const server = alive[world.random("which server").int(0, Math.max(0, alive.length - 1))];
  let answered = false;
  const again = (): void => {
    if (!answered && tries < MAX_TRIES) untilAnswered(world, what, ask, tries + 1);
    answered = true;
  };
  world.timeline.after(server === undefined ? 1_000 : ASK_AGAIN_MS + world.random("patience").int(0, 30_000), "no answer came", again);
  if (server === undefined) return;
  world.touched = true;
  ask(server).then(
    () => {
      answered = true;
    },
    (error: unknown) => {
      if (error instanceof AppError && error.code === "database_unavailable") return;
      answered = true;
      world.promises.refused.add(what.replace("submit ", ""));
      world.trace.note(world.timeline.now(), "refused", () => `${what}: ${String(error)}`);
      if (!(error instanceof AppError)) violate(world, "BUG", "a use case fails only with an AppError", `${what}: ${String(error)}`);
    },
  );
}

const KEPT_MS = 7 * 86_400_000;

export function submit(world: World, item: SubmitItem): void {
  untilAnswered(world, `submit ${item.name}`, async (server) => {
    const deps = submitDeps(server);
    const submission = submissionFrom(item);
    const key = { key: item.name, bodyHash: item.name };
    const earlier = await deps.store.tasks.earlierAnswer(item.userId, key, deps.clock.now());
    const answer =
      earlier?.kind === "replayed"
        ? { taskId: (JSON.parse(earlier.answer) as { task_id: string }).task_id }
        : await submitTask(deps, submission, await admit(deps, submission), key, (created) => JSON.stringify({ task_id: created.taskId }));
    const known = world.promises.acknowledged.get(item.name);
    const at = deps.clock.now();
    // Keys are kept for 7 days of the server's wall clock; one that was set by years in between has forgotten them (docs/simulation.md).
    const isKept = Math.abs(at - (world.promises.acknowledgedAt.get(item.name) ?? at)) < KEPT_MS;
    if (known !== undefined && known !== answer.taskId && isKept)
      violate(world, "I2", "the same key always gives the same task", `${item.name}: ${known} and then ${answer.taskId}`);
    world.promises.acknowledged.set(item.name, answer.taskId);
    world.promises.acknowledgedAt.set(item.name, at);
    world.trace.note(world.timeline.now(), "acknowledged", () => `${item.name} is ${answer.taskId}`);
    server.loop.wake();
    await deps.store.tasks.list({ userId: item.userId, states: null, workload: null, labels: {} }, null, 50);
  });
}

/** An operator makes sure that what is silent is dead, and then says so: the only way out for what is not contained. */
export function vouchForTheDead(world: World): void {
  for (const { attempts } of world.database.tasks.values()) {
    const attempt = attempts.at(-1);
    if (attempt?.state !== "RUNNING" || !attempt.quarantined || attempt.declaredDead !== null) continue;
    const { submissionId } = attempt;
    for (const launcher of world.launchers)
      if (launcher.submissionId === submissionId && !isLive(world, launcher)) killTree(world, launcher);
    if (world.launchers.some((launcher) => launcher.submissionId === submissionId && launcher.treeAlive)) continue;
    untilAnswered(world, `vouch ${submissionId}`, async (server) => {
      await declareDead(server.deps, submissionId, "its node is off", ADMIN);
      world.trace.saw("an operator vouched for a death");
      server.loop.wake();
    });
  }
}

function pauseOrResume(world: World, kind: "pause" | "resume"): void {
  if (kind === "resume") world.promises.pausedSince = null;
  untilAnswered(world, kind, async (server) => {
    // Who asked for it has given up.
    if (kind === "pause" && (world.calm || world.promises.resumed)) return;
    if (kind === "pause") await pauseQueue(server.deps, "for the simulation", ADMIN);
    else await resumeQueue(server.deps, ADMIN);
    world.trace.saw(`operator ${kind}`);
    world.promises.pausedSince = kind === "pause" && !world.promises.resumed ? world.timeline.now() : null;
    server.loop.wake();
  });
  if (kind === "resume") world.promises.resumed = true;
}

export function userAct(world: World, item: UserItem): void {
  if (item.kind === "vouch") return vouchForTheDead(world);
  if (item.kind === "pause" || item.kind === "resume") return pauseOrResume(world, item.kind);
  const { kind } = item;
  if (kind === "disable" || kind === "enable") {
    world.promises.disabledSince.delete(item.target);
    untilAnswered(world, kind, async (server) => {
      // Who asked for it has given up.
      if (kind === "disable" && world.calm) return;
      const state = kind === "disable" ? "DISABLED" : "ACTIVE";
      await server.deps.store.users.setUserState(
        item.target,
        state,
        auditEntry(ADMIN, server.deps.clock.now(), `user.${kind}`, item.target, item.target),
      );
      if (kind === "disable" && !isUndone(world, item)) world.promises.disabledSince.set(item.target, world.timeline.now());
      server.loop.wake();
    });
    return;
  }
  const taskId = world.promises.acknowledged.get(item.target);
  if (taskId !== undefined) changeTask(world, taskId, kind, item.value);
}

/** What an operator undoes at last. */
export function enableAll(world: World): void {
  pauseOrResume(world, "resume");
  for (const { userId } of world.plan.users) userAct(world, { kind: "enable", id: -1, at: world.timeline.now(), target: userId, value: 0 });
}

/** The user was to be enabled again before the answer came. */
function isUndone(world: World, { target, at }: UserItem): boolean {
  return world.plan.items.some(
    (item) => item.kind === "enable" && item.target === target && item.at >= at && item.at <= world.timeline.now(),
  );
}

export function changeTask(world: World, taskId: string, kind: TaskAct, value = 0): void {
  untilAnswered(world, `${kind} ${taskId}`, async (server) => {
    const task = await changeThrough(server, taskId, kind, value);
    world.promises.versions.set(taskId, Math.max(world.promises.versions.get(taskId) ?? 0, task.version));
    if (kind === "cancel") world.promises.canceled.add(taskId);
    world.trace.saw(`user ${kind}`);
    server.loop.wake();
  });
}

function changeThrough(server: Server, taskId: string, kind: TaskAct, value: number): Promise<Task> {
  const deps = { store: server.deps.store, clock: server.deps.clock };
  switch (kind) {
    case "cancel":
      return cancelTask(deps, taskId, ADMIN);
    case "hold":
      return holdTask(deps, taskId, ADMIN);
    case "release":
      return releaseTask(deps, taskId, ADMIN);
    case "requeue":
      return requeueTask(deps, taskId, { now: value % 2 === 1, hold: value >= 2 }, ADMIN);
    case "prioritize":
      return prioritizeTask(deps, taskId, value, ADMIN);
  }
}

function submitDeps(server: Server): SubmitDeps {
  const { store, commands, clock, ids } = server.deps;
  const common: SubmitDeps["common"] = {
    check: async () => Promise.resolve({ kind: "ok" }),
    verlVersion: async () => Promise.resolve("0.9.1"),
    hasModel: async () => Promise.resolve("there"),
    catalog: async () => Promise.resolve({ code: [], models: [], datasets: [], truncated: false }),
    inputs: async () => Promise.resolve({ unknown: "this world has no data" }),
  };
  return { store, common, commands, clock, ids, pool: { maxNodes: null, maxGpusPerNode: null } };
}

function submissionFrom(item: SubmitItem): Submission {
  return {
    userId: item.userId,
    by: { ...ADMIN, actor: `user:${item.userId}` },
    specText: `workload: ${item.workload}\n`,
    spec: {
      workload: item.workload,
      codePath: "/private/common/code/verl",
      modelId: "Qwen/Qwen2.5-0.5B-Instruct",
      trainFile: "/private/common/datasets/train.parquet",
      valFile: null,
      nnodes: item.nodes,
      nGpusPerNode: item.gpus,
      totalEpochs: 1,
      totalTrainingSteps: null,
      saveFreq: 10,
      testFreq: -1,
      trainerDevice: null,
    },
    specWarnings: [],
    lineOf: () => ({ line: null, column: null }),
    name: item.name,
    // The world's command source finds the submission by it.
    profile: item.name,
    priority: item.priority,
    labels: {},
    deadline: item.deadlineMs === null ? null : EPOCH_MS + item.deadlineMs,
    maxRuntimeMs: item.maxRuntimeMs,
  };
}
