/** Lives one plan through, from the first instant to rest, and says what became of it. The same plan gives the same trace. */
import { auditEntry } from "../src/control/audit.ts";
import { makeUserStore } from "../src/store/user-store.ts";
import { makeWriteQueue } from "../src/store/write-queue.ts";
import { streams } from "./engine/random.ts";
import { makeTimeline } from "./engine/timeline.ts";
import { makeTrace } from "./engine/trace.ts";
import { mayStay } from "./invariants/comes-to-rest.ts";
import { afterStep, afterWrite, atRest } from "./invariants/registry.ts";
import type { Plan } from "./plan.ts";
import { applyFault, mendAll, superviseServers } from "./world/apply-fault.ts";
import { startAgent } from "./world/agent.ts";
import type { Database } from "./world/database.ts";
import { EPOCH_MS, isOver, type Machine, type Violation, type World } from "./world/model.ts";
import { joinHead, newHead } from "./world/ray-head.ts";
import { killServer, startServer } from "./world/server.ts";
import { ADMIN, changeTask, enableAll, submit, userAct, vouchForTheDead } from "./world/user-calls.ts";

export type WorldOutcome = {
  readonly violation: Violation | null;
  readonly steps: number;
  readonly virtualMs: number;
  readonly hash: string;
  readonly seen: ReadonlyMap<string, number>;
  /** Empty unless asked for. */
  readonly lines: readonly string[];
};

/** How long a calm world may take: the longest back-off, all training, a late start and a quarantine, one after another. */
const REST_MS = 3 * 3_600_000;
const MAX_STEPS = 400_000;
const LOOK_MS = 15_000;
/** Once all is calm, users cancel a trainer that hangs, and after a while one that still waits for GPUs. */
const PATIENCE_MS = 10 * 60_000;

export async function runWorld(database: Database, plan: Plan, keepLines: boolean): Promise<WorldOutcome> {
  database.reset();
  const world = makeWorld(database, plan, keepLines);
  await addUsers(world);
  for (const machine of world.machines) startAgent(world, machine);
  for (const machine of world.machines) joinHead(world, machine);
  for (let slot = 0; slot < plan.servers; slot += 1) startServer(world, slot);
  await turn();
  superviseServers(world);
  for (const item of plan.items) {
    world.timeline.at(item.at, `plan ${item.id}`, () => {
      if (item.kind === "submit") submit(world, item);
      else if (item.kind === "fault") applyFault(world, item);
      else userAct(world, item);
    });
  }
  world.timeline.at(plan.calmAt, "calm", () => becalm(world));
  const steps = await live(world);
  for (const server of world.servers) killServer(world, server, "the world ends");
  return {
    violation: world.violation,
    steps,
    virtualMs: world.timeline.now(),
    hash: world.trace.hash(),
    seen: world.trace.seen,
    lines: world.trace.lines(),
  };
}

async function live(world: World): Promise<number> {
  const { timeline, plan } = world;
  let steps = 0;
  let restLook = LOOK_MS;
  for (let due = timeline.next(plan.calmAt + REST_MS); due !== null; due = timeline.next(plan.calmAt + REST_MS)) {
    steps += 1;
    world.trace.note(timeline.now(), due.label);
    const done = due.act();
    if (done !== undefined) await done;
    if (world.touched) {
      world.touched = false;
      await turn();
    }
    afterStep(world);
    if (world.violation !== null || steps > MAX_STEPS) break;
    if (timeline.now() < restLook) continue;
    restLook = timeline.now() + LOOK_MS;
    if (!world.calm && usersAreDone(world) && isAtRest(world)) becalm(world);
    else if (world.calm && isAtRest(world)) break;
    endTheEndless(world);
  }
  if (steps > MAX_STEPS)
    world.violation ??= { invariant: "L1", text: "a world comes to rest", broken: `${steps} steps`, at: timeline.now() };
  if (world.violation === null) atRest(world);
  return steps;
}

/** One turn of the event loop: all that the servers' code can do now has been done after it, as nothing but the store's queue waits for a turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function becalm(world: World): void {
  if (world.calm) return;
  mendAll(world);
  enableAll(world);
}

/** Faults that would still come meet nobody. */
function usersAreDone(world: World): boolean {
  const now = world.timeline.now() - LOOK_MS;
  return world.plan.items.every((item) => item.kind === "fault" || item.at < now);
}

function isAtRest(world: World): boolean {
  const isAnswered = (item: Plan["items"][number]): boolean =>
    item.kind !== "submit" || world.promises.acknowledged.has(item.name) || world.promises.refused.has(item.name);
  const submitted = world.plan.items.every((item) => isAnswered(item));
  const over = [...world.database.tasks.values()].every(({ task }) => isOver(task) || mayStay(world, task));
  return submitted && over && world.ray.allocations.size === 0 && !world.launchers.some((launcher) => launcher.treeAlive);
}

function endTheEndless(world: World): void {
  if (!world.calm) return;
  vouchForTheDead(world);
  const isLate = world.timeline.now() > world.plan.calmAt + PATIENCE_MS;
  for (const launcher of world.launchers) {
    if (!launcher.treeAlive || world.promises.canceled.has(launcher.taskId)) continue;
    const isEndless = launcher.hangs || (isLate && launcher.workStartedAt === null);
    if (isEndless) changeTask(world, launcher.taskId, "cancel");
  }
}

function makeWorld(database: Database, plan: Plan, keepLines: boolean): World {
  const machines = plan.nodes.map(({ agent, ...node }): Machine => ({
    ...node,
    agent: agent ? { alive: false, nonce: "", seq: 0, frozenUntil: 0, lastBeatAt: 0, old: [], dead: [], written: [] } : null,
    incarnation: null,
    up: true,
    rayNodeId: "",
    head: null,
    frozenUntil: 0,
    cutFromStorageUntil: 0,
    cutFromHeadUntil: 0,
    clockOffsetMs: 0,
  }));
  const first = { session: "session_0", jobs: new Map(), up: true };
  const world: World = {
    plan,
    timeline: makeTimeline(),
    trace: makeTrace(keepLines),
    random: streams(plan.seed),
    faults: new Map(),
    directories: new Map(),
    machines,
    ray: { current: first, rival: null, previousSession: null, allocations: new Set(), usage: [], accepted: new Map() },
    launchers: [],
    servers: [],
    database,
    lead: { holder: null },
    promises: {
      acknowledged: new Map(),
      acknowledgedAt: new Map(),
      versions: new Map(),
      canceled: new Set(),
      disabledSince: new Map(),
      refused: new Set(),
      pausedSince: null,
      resumed: false,
    },
    touched: false,
    calm: false,
    serial: 0,
    violation: null,
  };
  world.ray.current = newHead(world);
  return world;
}

async function addUsers(world: World): Promise<void> {
  const users = makeUserStore(world.database.db, makeWriteQueue(world.database.db, "sqlite").write, "sqlite");
  for (const { userId, maxRunning, maxGpus } of world.plan.users) {
    const limits = { maxQueued: null, maxRunning, maxGpus, submitsPerMinute: null, maxStorageGib: null, maxPriority: 100 };
    await users.insertUser(
      { userId, displayName: null, state: "ACTIVE", limits, createdAt: EPOCH_MS },
      auditEntry(ADMIN, EPOCH_MS, "user.create", userId, userId),
    );
  }
  afterWrite(world, null);
}
