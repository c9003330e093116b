/** The nouns of the simulated world: what is really so, whatever the scheduler believes. */
import type { NodeRecord } from "../../src/domain/node-record.ts";
import type { AttemptFiles, AttemptResult, Claim, RayJobStatus, StopWhy, Task } from "../../src/domain/types.ts";
import type { RayJobRequest } from "../../src/control/ports.ts";
import type { SchedulerLoop } from "../../src/control/scheduler/loop.ts";
import type { SchedulerDeps } from "../../src/control/scheduler/context.ts";
import type { Streams } from "../engine/random.ts";
import type { Timeline } from "../engine/timeline.ts";
import type { Trace } from "../engine/trace.ts";
import type { FaultKind } from "../faults.ts";
import type { FaultItem, Plan, SubmitItem, TrainerPlan } from "../plan.ts";
import type { Database, TaskSnapshot } from "./database.ts";

/** Wall clock of the world at its first instant. */
export const EPOCH_MS = 1_800_000_000_000;

export type World = {
  readonly plan: Plan;
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly random: Streams;
  readonly faults: Map<FaultKind, FaultItem[]>;
  readonly directories: Map<string, Directory>;
  readonly machines: readonly Machine[];
  readonly ray: Ray;
  readonly launchers: Launcher[];
  readonly servers: Server[];
  readonly database: Database;
  readonly lead: LeadLock;
  readonly promises: Promises;
  /** A server was given something to go on with; its code runs before the next thing happens. */
  touched: boolean;
  /** Users and faults have stopped. */
  calm: boolean;
  serial: number;
  violation: Violation | null;
};

export type Violation = { readonly invariant: string; readonly text: string; readonly broken: string; readonly at: number };

/** What users were told. */
export type Promises = {
  /** Task id by the name of the submission, from the first answer on. */
  readonly acknowledged: Map<string, string>;
  /** By the wall clock of the server that answered. */
  readonly acknowledgedAt: Map<string, number>;
  /** The highest version of a task that anybody was told of. */
  readonly versions: Map<string, number>;
  /** A cancel that was answered. */
  readonly canceled: Set<string>;
  /** Users whose disabling was answered and not yet asked to be undone. */
  readonly disabledSince: Map<string, number>;
  /** When the answer to a pause came that nobody has asked to undo yet. */
  pausedSince: number | null;
  resumed: boolean;
  /** Submissions that were refused for good. */
  readonly refused: Set<string>;
};

/** One job directory on shared storage, as it was after each change, so that a stale reader can see the past. */
export type Directory = {
  readonly userId: string;
  readonly submissionId: string;
  readonly history: { readonly at: number; readonly files: AttemptFiles }[];
  files: AttemptFiles;
  log: string;
};

/** The agent of a machine; what it has written stays when its process ends. */
export type Agent = {
  alive: boolean;
  nonce: string;
  seq: number;
  frozenUntil: number;
  /** When the last beat that was written had been begun. */
  lastBeatAt: number;
  /** Incarnations that ended and that it has not yet killed the rest of. */
  readonly old: string[];
  readonly dead: string[];
  readonly written: { readonly at: number; readonly record: NodeRecord }[];
};

export type Machine = {
  readonly name: string;
  readonly gpus: number;
  readonly cpus: number;
  up: boolean;
  /** Ray's id of this incarnation of the raylet; changes with each join. */
  rayNodeId: string;
  /** Null = a worker that was started by hand. */
  readonly agent: Agent | null;
  /** The agent's name of the raylet that runs; null without an agent, and while none runs. */
  incarnation: string | null;
  head: Head | null;
  frozenUntil: number;
  cutFromStorageUntil: number;
  cutFromHeadUntil: number;
  clockOffsetMs: number;
};

export type Job = {
  readonly submissionId: string;
  readonly request: RayJobRequest;
  status: RayJobStatus;
  message: string;
  errorType: string | null;
  machine: Machine | null;
  /** Ray's id of the node at the time of the start. */
  nodeId: string | null;
  launcher: Launcher | null;
  stopAsked: boolean;
  /** On a restored head: Ray has forgotten to start it. */
  lost: boolean;
};

export type Head = { readonly session: string; readonly jobs: Map<string, Job>; up: boolean };

export type Allocation = {
  readonly machine: Machine;
  readonly gpus: number;
  readonly cpus: number;
  readonly owner: "trainer" | "leftover" | "stranger";
  readonly launcher: Launcher | null;
};

export type Ray = {
  current: Head;
  rival: Head | null;
  previousSession: string | null;
  readonly allocations: Set<Allocation>;
  /** What was in use on each machine, after each change. */
  readonly usage: { readonly at: number; readonly used: ReadonlyMap<string, { readonly gpus: number; readonly cpus: number }> }[];
  /** Every id that any head ever accepted, with the sessions that did. */
  readonly accepted: Map<string, string[]>;
};

export type Launcher = {
  readonly id: number;
  readonly submissionId: string;
  readonly taskId: string;
  readonly userId: string;
  readonly attempt: number;
  readonly machine: Machine;
  readonly incarnation: string | null;
  readonly job: Job;
  readonly nonce: string;
  readonly containment: Claim["containment"];
  readonly plan: TrainerPlan;
  readonly isReinforcement: boolean;
  readonly nodes: number;
  readonly gpusPerNode: number;
  readonly cpusPerNode: number;
  /** The process that beats. */
  alive: boolean;
  claimedAt: number | null;
  /** Something of the attempt runs: driver, trainer. */
  treeAlive: boolean;
  lastBeatStart: number;
  beats: number;
  frozenUntil: number;
  frozenSince: number | null;
  /** Stood still for so long that its clock kills it as soon as it goes on: what it does until then counts for nothing. */
  isThawedDead: boolean;
  reason: { readonly outcome: AttemptResult["outcome"]; readonly why: StopWhy | null } | null;
  killAt: number;
  exitCode: number | null;
  signal: string | null;
  oomKill: boolean;
  hangs: boolean;
  goneAt: number | null;
  workStartedAt: number | null;
};

export type Server = {
  readonly name: string;
  /** Place among the servers of the plan; a server that is started again keeps it. */
  readonly slot: number;
  readonly bootAt: number;
  readonly deps: SchedulerDeps;
  readonly loop: SchedulerLoop;
  readonly stop: AbortController;
  alive: boolean;
  pausedUntil: number;
  readonly heldBack: (() => void)[];
  wallOffsetMs: number;
  crashIn: { calls: number; readonly afterEffect: boolean } | null;
  failpoint: string | null;
  /** What it last read as the open tasks: what its pass decides on. */
  opened: ReadonlyMap<string, TaskSnapshot> | null;
  /** The nodes it was last shown. */
  nodesSeen: readonly { readonly node: string; readonly gpusTotal: number }[] | null;
  /** Postgres: the epoch that this process believes to have. */
  heldEpoch: number | null;
  watched: { readonly epoch: number; readonly at: number | null; readonly since: number } | null;
};

/** Postgres: who holds the advisory lock. */
export type LeadLock = { holder: Server | null };

/** The name of a submission is the task's name. */
export function submissionOf(world: World, name: string | null): SubmitItem | null {
  return world.plan.items.find((item): item is SubmitItem => item.kind === "submit" && item.name === name) ?? null;
}

export function isFrozen(world: World, launcher: Launcher): boolean {
  return Math.max(launcher.frozenUntil, launcher.machine.frozenUntil) > world.timeline.now();
}

/** Rule 4: after so long without a beat nothing of an attempt may go on, whatever became of it. */
export function fenceAt(world: World, launcher: Launcher): number {
  const { selfFenceMs, graceMs } = world.plan.settings;
  return launcher.lastBeatStart + selfFenceMs + graceMs;
}

/** Runs and is not past its fence: the ones of which a task may have one. */
export function isLive(world: World, launcher: Launcher): boolean {
  return launcher.treeAlive && !launcher.isThawedDead && world.timeline.now() <= fenceAt(world, launcher);
}

const CHECKPOINT_MS = 12_000;

/** The newest complete checkpoint that an attempt saved; null = none. Each of them counts on from where the attempt began. */
export function newestCheckpoint(world: World, submissionId: string): number | null {
  const launcher = world.launchers.find((each) => each.submissionId === submissionId && each.claimedAt !== null);
  if (launcher === undefined || launcher.workStartedAt === null) return null;
  const attempt = world.database.tasks.get(launcher.taskId)?.attempts.find((each) => each.submissionId === submissionId);
  const saved = Math.floor(((launcher.goneAt ?? world.timeline.now()) - launcher.workStartedAt) / CHECKPOINT_MS);
  return saved === 0 ? null : (attempt?.resumedFrom?.step ?? 0) + saved;
}

export function newId(world: World, prefix: string): string {
  world.serial += 1;
  return `${prefix}${world.serial}`;
}

export function isOver(task: Pick<Task, "state">): boolean {
  return task.state === "SUCCEEDED" || task.state === "FAILED" || task.state === "CANCELED";
}
