/** The store as a page of plain code says it must behave: random sequences of calls run on both, and every answer is compared. */
import fc from "fast-check";
import type { ChangeOutcome, Store, TaskChange } from "../../src/control/ports.ts";
import { canMove, isTerminal, TASK_STATES } from "../../src/domain/task-state.ts";
import type { Task, TaskState } from "../../src/domain/types.ts";
import { CREATED, moved, newAttempt, newTask, NOW } from "./task-samples.ts";

const USERS = ["alice", "bob"];

type Step =
  | {
      readonly kind: "insert";
      readonly user: number;
      readonly key: number | null;
      readonly body: number;
      readonly maxQueued: number | null;
    }
  | {
      readonly kind: "change";
      readonly task: number;
      readonly behind: number;
      readonly epoch: number | null;
      readonly at: number;
      readonly to: TaskState | null;
      readonly events: number;
      readonly held: boolean;
      readonly attempt: "none" | "new" | "end";
    };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("insert" as const),
    user: fc.nat(1),
    key: fc.option(fc.nat(3)),
    body: fc.nat(1),
    maxQueued: fc.option(fc.integer({ min: 1, max: 3 })),
  }),
  fc.record({
    kind: fc.constant("change" as const),
    task: fc.nat(5),
    behind: fc.constantFrom(0, 0, 0, 0, 1),
    epoch: fc.constantFrom(null, 0, 0, 0, -1),
    at: fc.integer({ min: -5, max: 5 }),
    to: fc.option(fc.constantFrom(...TASK_STATES)),
    events: fc.nat(2),
    held: fc.boolean(),
    attempt: fc.constantFrom("none" as const, "new" as const, "end" as const),
  }),
);

/** Rounds of steps; those of one round are given to the store at the same time and so may share a transaction. */
export const rounds: fc.Arbitrary<readonly (readonly Step[])[]> = fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), {
  maxLength: 12,
});

type Answers = Map<string, { readonly body: number; readonly answer: string }>;

type Known = { task: Task; events: { at: number; from: TaskState | null; to: TaskState | null }[]; attempts: ("SUBMITTING" | "LOST")[] };

/** Runs the rounds on a fresh store; throws at the first answer, or the first row, that is not the model's. */
export async function runAgainstModel(store: Store, plan: readonly (readonly Step[])[], expectEqual: (a: unknown, b: unknown) => void) {
  const epoch = await store.leader.lead("model", NOW);
  if (epoch === null) throw new Error("a fresh store has no other leader");
  const known: Known[] = [];
  const answers: Answers = new Map();
  let serial = 0;
  for (const round of plan) {
    const calls = round.map((each): [Promise<unknown>, unknown] => {
      if (each.kind === "insert") {
        serial += 1;
        return insertOnBoth(store, known, answers, `t${serial}`, each);
      }
      return changeOnBoth(store, known, epoch, each);
    });
    const real = await Promise.allSettled(calls.map(async ([call]) => await call));
    expectEqual(
      real.map((outcome) => (outcome.status === "fulfilled" ? summary(outcome.value) : "refused")),
      calls.map(([, expected]) => expected),
    );
    await compareAll(store, known, expectEqual);
  }
}

function summary(outcome: unknown): unknown {
  const { kind, answer, count } = outcome as { kind: string; answer?: string; count?: number };
  return [kind, answer ?? null, count ?? null];
}

function insertOnBoth(
  store: Store,
  known: Known[],
  answers: Answers,
  taskId: string,
  each: Step & { kind: "insert" },
): [Promise<unknown>, unknown] {
  const userId = USERS[each.user] ?? "alice";
  const task = newTask(taskId, { userId });
  const key = each.key === null ? null : { key: `k${each.key}`, bodyHash: `h${each.body}` };
  const call = store.tasks.insertTask(
    task,
    CREATED,
    key,
    { maxQueued: each.maxQueued, submitsPerMinute: null, maxStorageGib: null },
    () => task.taskId,
  );
  const earlier = key === null ? undefined : answers.get(`${userId} ${key.key}`);
  if (earlier !== undefined) {
    return [call, earlier.body === each.body ? ["replayed", earlier.answer, null] : ["key_reused", null, null]];
  }
  const waiting = known.filter(({ task: one }) => one.userId === userId && (one.state === "QUEUED" || one.state === "PENDING_RESOURCES"));
  if (each.maxQueued !== null && waiting.length >= each.maxQueued) return [call, ["user_limit", null, waiting.length]];
  if (key !== null) answers.set(`${userId} ${key.key}`, { body: each.body, answer: task.taskId });
  const made: Task = {
    ...task,
    state: "QUEUED",
    version: 1,
    attempts: 0,
    held: false,
    nextRunAt: null,
    passedSince: null,
    cancelRequestedAt: null,
    cancelActor: null,
    requeue: null,
    kept: false,
    filesGoneAt: null,
    waiting: null,
    failure: null,
    progress: null,
    startedAt: null,
    endedAt: null,
    seq: 0,
  };
  known.push({ task: made, events: [{ at: NOW, from: null, to: "QUEUED" }], attempts: [] });
  return [call, ["created", null, null]];
}

function changeOnBoth(store: Store, known: Known[], epoch: number, each: Step & { kind: "change" }): [Promise<unknown>, unknown] {
  const target = known[each.task];
  if (target === undefined) return [Promise.resolve({ kind: "nothing to change" }), ["nothing to change", null, null]];
  const { task, events, attempts } = target;
  const change: TaskChange = {
    taskId: task.taskId,
    version: task.version - each.behind,
    epoch: each.epoch === null ? null : epoch + each.epoch,
    at: NOW + each.at,
    ...(each.to === null ? {} : { to: each.to }),
    patch: { held: each.held, ...(each.to === "PENDING_RESOURCES" ? { nextRunAt: NOW + 60 } : {}) },
    events: Array.from({ length: each.events }, () => moved("model")),
    ...(each.attempt === "new" ? { newAttempt: newAttempt(task, task.attempts + 1) } : {}),
    ...(each.attempt === "end" ? { attempt: { attempt: task.attempts, patch: { state: "LOST" as const } } } : {}),
  };
  const call: Promise<ChangeOutcome> = store.tasks.change(change);
  if (each.behind !== 0 || (each.epoch !== null && each.epoch !== 0)) return [call, ["stale", null, null]];
  const illegal = each.to !== null && (!canMove(task.state, each.to) || each.events === 0);
  const noAttempt = each.attempt === "end" && attempts.length === 0;
  const secondOpen = each.attempt === "new" && attempts.at(-1) === "SUBMITTING";
  if (illegal || noAttempt || secondOpen) return [call, "refused"];

  const state = each.to ?? task.state;
  if (each.attempt === "new") attempts.push("SUBMITTING");
  if (each.attempt === "end") attempts[attempts.length - 1] = "LOST";
  const at = Math.max(NOW + each.at, events.at(-1)?.at ?? 0);
  for (let n = 0; n < each.events; n += 1) {
    const first = n === 0 && each.to !== null;
    events.push({ at, from: first ? task.state : null, to: first ? each.to : null });
  }
  const nextRunAt = isTerminal(state) ? null : each.to === "PENDING_RESOURCES" ? NOW + 60 : task.nextRunAt;
  target.task = { ...task, state, version: task.version + 1, held: each.held, attempts: attempts.length, nextRunAt };
  return [call, ["applied", null, null]];
}

async function compareAll(store: Store, known: readonly Known[], expectEqual: (a: unknown, b: unknown) => void): Promise<void> {
  const rows = await Promise.all(known.map(async ({ task }) => await store.tasks.get(task.taskId)));
  expectEqual(
    rows.map((row) => ({ ...row, seq: 0 })),
    known.map(({ task }) => task),
  );
  const seqs = rows.map((row) => row?.seq ?? 0);
  expectEqual(
    [...seqs].sort((a, b) => a - b),
    seqs,
  );
  for (const { task, events, attempts } of known) {
    const real = (await store.tasks.events(task.taskId, 0, 1000)).rows;
    expectEqual(
      real.map(({ seq, at, from, to }) => ({ seq, at, from, to })),
      events.map((event, index) => ({ seq: index + 1, ...event })),
    );
    expectEqual(
      (await store.tasks.attempts(task.taskId)).map((one) => one.state),
      attempts,
    );
  }
  const counts = await store.tasks.countByState();
  for (const state of TASK_STATES) expectEqual(counts[state], known.filter(({ task }) => task.state === state).length);
  const open = known.filter(({ task }) => !isTerminal(task.state)).map(({ task }) => task.taskId);
  expectEqual(
    (await store.tasks.listOpen()).map((task) => task.taskId),
    open,
  );
}
