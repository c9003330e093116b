/**
 * What will be done to one world, made from its seed before it begins: the pool, the submissions, what users do, and every fault with its time.
 * A plan is data, so a failing one can be made smaller by leaving items out; the rest keeps its times and its chance.
 */
import { QUEUE_ORDERS, type QueueOrder } from "../src/domain/queue-order.ts";
import type { Workload } from "../src/domain/types.ts";
import { type Random, randomOf } from "./engine/random.ts";
import { type FaultKind, FAULTS } from "./faults.ts";

export type Settings = {
  readonly maxRunningTasks: number;
  readonly retryIntervalMs: number;
  readonly tickMs: number;
  readonly startTimeoutMs: number;
  readonly selfFenceMs: number;
  readonly graceMs: number;
  readonly staleMs: number;
  readonly quarantineMs: number;
  readonly maxLosses: number;
  readonly backoffMs: number;
  readonly handOverMs: number;
  readonly reserveAfterMs: number;
  readonly minFreeBytes: number;
  readonly minNodeFreeBytes: number;
  readonly cordonAfterFailures: number;
  readonly order: QueueOrder["by"];
  readonly fairHalfLifeDays: number;
};

/** `agent`: it is run by `verlpool worker`, and not by hand. */
export type NodePlan = { readonly name: string; readonly gpus: number; readonly cpus: number; readonly agent: boolean };
export type UserPlan = { readonly userId: string; readonly maxRunning: number | null; readonly maxGpus: number | null };

/** How the trainer of one attempt goes: after `runMs` of work it ends so. `hang` never ends by itself. */
export type TrainerEnd = "ok" | "user_error" | "cuda_oom" | "host_oom" | "hang" | "killed" | "not_started" | "node_trouble";
export type TrainerPlan = { readonly runMs: number; readonly end: TrainerEnd };

export type SubmitItem = {
  readonly kind: "submit";
  readonly id: number;
  readonly at: number;
  readonly name: string;
  readonly userId: string;
  readonly workload: Workload;
  readonly exclusive: boolean;
  readonly nodes: number;
  readonly gpus: number;
  readonly priority: number;
  readonly deadlineMs: number | null;
  readonly maxRuntimeMs: number | null;
  /** One for each attempt; the last one for all later ones. */
  readonly trainers: readonly TrainerPlan[];
  readonly containment: "pidns" | "userns" | "group";
};

export type UserItem = {
  readonly kind: "cancel" | "hold" | "release" | "prioritize" | "disable" | "enable" | "requeue" | "pause" | "resume" | "vouch";
  readonly id: number;
  readonly at: number;
  /** Name of the task, or the user id; an operator's pause and word for the dead name nobody. */
  readonly target: string;
  /** A priority; of a requeue, 1 = now and 2 = hold, summed. */
  readonly value: number;
};

export type FaultItem = {
  readonly kind: "fault";
  readonly id: number;
  readonly at: number;
  readonly fault: FaultKind;
  readonly lastsMs: number;
  /** For faults of single calls: how many of them it meets. */
  readonly probability: number;
  /** Picks the node, server, attempt or failpoint that it hits. */
  readonly target: number;
};

export type Item = SubmitItem | UserItem | FaultItem;

export type Plan = {
  readonly seed: number;
  /** `sqlite`: one server, started again after it ended. `postgres`: several at once, one of which leads. */
  readonly database: "sqlite" | "postgres";
  readonly servers: number;
  readonly settings: Settings;
  readonly nodes: readonly NodePlan[];
  readonly users: readonly UserPlan[];
  readonly items: readonly Item[];
  /** When users and faults stop, and the world must come to rest. */
  readonly calmAt: number;
};

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

type Size = {
  readonly tasks: readonly [number, number];
  readonly faults: readonly [number, number];
  readonly busyMs: readonly [number, number];
};

const SIZES: readonly (readonly [number, Size])[] = [
  [70, { tasks: [1, 2], faults: [0, 4], busyMs: [2 * MINUTE, 5 * MINUTE] }],
  [24, { tasks: [2, 5], faults: [2, 9], busyMs: [3 * MINUTE, 9 * MINUTE] }],
  [6, { tasks: [5, 10], faults: [5, 20], busyMs: [5 * MINUTE, 20 * MINUTE] }],
];

export function makePlan(seed: number): Plan {
  const random = randomOf(seed, "plan");
  const size = random.weighted(SIZES);
  const calmAt = random.int(...size.busyMs);
  const nodes = planNodes(random, randomOf(seed, "agents"));
  const users = planUsers(random);
  const database = random.chance(0.55) ? "sqlite" : "postgres";
  const submissions = planSubmissions(random, random.int(...size.tasks), calmAt, nodes, users);
  const others = [
    ...planUserActs(random, submissions, calmAt),
    ...planFaults(random, random.int(...size.faults), calmAt, submissions),
    ...planHeldShortage(random, submissions),
    ...planAgentAttack(randomOf(seed, "agent attack"), calmAt, submissions, nodes),
  ];
  return {
    seed,
    database,
    servers: database === "sqlite" ? 1 : random.int(1, 3),
    settings: planSettings(random, database),
    nodes,
    users,
    items: [...submissions, ...others].map((item, id) => ({ ...item, id })),
    calmAt,
  };
}

function planSettings(random: Random, database: Plan["database"]): Settings {
  const network = random.chance(0.2);
  const selfFenceMs = (network ? 90 : 30) * SECOND;
  const graceMs = 20 * SECOND;
  const staleMs = (network ? 65 : 0) * SECOND;
  return {
    maxRunningTasks: random.weighted([
      [3, 1],
      [3, 2],
      [2, 4],
      [1, 20],
    ]),
    retryIntervalMs: random.pick([20, 60]) * SECOND,
    tickMs: random.pick(database === "sqlite" ? [2, 5, 8, 20] : [1, 2, 4, 9]) * SECOND,
    startTimeoutMs: random.pick([60, 120, 300]) * SECOND,
    selfFenceMs,
    graceMs,
    staleMs,
    quarantineMs: selfFenceMs + graceMs + staleMs + 30 * SECOND,
    maxLosses: random.int(0, 4),
    backoffMs: random.pick([5, 15, 30]) * SECOND,
    handOverMs: random.pick([0, 5, 10]) * SECOND,
    reserveAfterMs: random.pick([15, 60, 600]) * SECOND,
    order: random.pick([...QUEUE_ORDERS]),
    fairHalfLifeDays: 7,
    minFreeBytes: 0,
    minNodeFreeBytes: 0,
    cordonAfterFailures: 0,
  };
}

function planNodes(random: Random, agents: Random): readonly NodePlan[] {
  const gpus = random.pick([1, 2, 4]);
  const share = agents.weighted([
    [6, 1],
    [2, 0],
    [2, 0.6],
  ]);
  return Array.from({ length: random.int(1, 3) }, (_, index) => ({
    name: `n${index + 1}`,
    gpus: random.chance(0.8) ? gpus : random.int(1, 4),
    cpus: random.chance(0.8) ? 64 : 4,
    agent: agents.chance(share),
  }));
}

function planUsers(random: Random): readonly UserPlan[] {
  return ["alice", "bob"].slice(0, random.int(1, 2)).map((userId) => ({
    userId,
    maxRunning: random.chance(0.15) ? random.int(1, 2) : null,
    maxGpus: random.chance(0.15) ? random.int(2, 6) : null,
  }));
}

function planSubmissions(
  random: Random,
  count: number,
  calmAt: number,
  nodes: readonly NodePlan[],
  users: readonly UserPlan[],
): readonly SubmitItem[] {
  const largest = Math.max(...nodes.map((node) => node.gpus));
  return Array.from({ length: count }, (_, index): SubmitItem => {
    const workload = random.weighted<Workload>([
      [3, "sft"],
      [2, "grpo"],
      [1, "ppo"],
    ]);
    const tooBig = random.chance(0.04);
    return {
      kind: "submit",
      id: 0,
      at: index === 0 ? random.int(0, 2 * SECOND) : random.int(0, Math.floor(calmAt * 0.6)),
      name: `t${index + 1}`,
      userId: random.pick(users).userId,
      workload,
      exclusive: workload !== "sft" && random.chance(0.4),
      nodes: tooBig ? nodes.length + 1 : random.int(1, nodes.length),
      gpus: random.int(1, largest),
      priority: random.chance(0.25) ? random.int(-2, 2) : 0,
      deadlineMs: random.chance(0.08) ? random.int(MINUTE / 2, calmAt) : null,
      maxRuntimeMs: random.chance(0.12) ? random.int(20 * SECOND, 3 * MINUTE) : null,
      trainers: planTrainers(random),
      containment: random.weighted([
        [16, "pidns"],
        [3, "userns"],
        [1, "group"],
      ]),
    };
  });
}

function planTrainers(random: Random): readonly TrainerPlan[] {
  return Array.from({ length: random.int(1, 4) }, () => ({
    runMs:
      random.weighted([
        [6, random.int(4, 40)],
        [3, random.int(40, 150)],
        [1, random.int(150, 500)],
      ]) * SECOND,
    end: random.weighted<TrainerEnd>([
      [70, "ok"],
      [6, "user_error"],
      [4, "cuda_oom"],
      [3, "host_oom"],
      [4, "hang"],
      [5, "killed"],
      [3, "not_started"],
      [5, "node_trouble"],
    ]),
  }));
}

function planUserActs(random: Random, submissions: readonly SubmitItem[], calmAt: number): readonly UserItem[] {
  const acts: UserItem[] = [];
  const add = (kind: UserItem["kind"], target: string, at: number, value = 0): void => {
    acts.push({ kind, id: 0, at: Math.min(at, calmAt - 1), target, value });
  };
  for (const { name, at, userId } of submissions) {
    const later = (): number => at + random.int(0, random.chance(0.5) ? 15 * SECOND : calmAt - at);
    if (random.chance(0.22)) add("cancel", name, later());
    if (random.chance(0.16)) {
      const held = later();
      add("hold", name, held);
      if (random.chance(0.8)) add("release", name, held + random.int(SECOND, random.chance(0.5) ? 20 * SECOND : 2 * MINUTE));
    }
    if (random.chance(0.14)) add("requeue", name, later(), random.int(0, 3));
    if (random.chance(0.1)) add("prioritize", name, later(), random.int(-3, 3));
    if (random.chance(0.04)) {
      const from = later();
      add("disable", userId, from);
      add("enable", userId, from + random.int(SECOND, 2 * MINUTE));
    }
  }
  if (random.chance(0.06)) {
    const from = random.int(0, calmAt - 1);
    add("pause", "", from);
    add("resume", "", from + random.int(5 * SECOND, 2 * MINUTE));
  }
  if (submissions.some((each) => each.containment === "group")) add("vouch", "", random.int(Math.floor(calmAt / 2), calmAt - 1));
  return acts;
}

/** A shortage that Ray reports, and a hold and its release while the task waits for its next try. */
function planHeldShortage(random: Random, submissions: readonly SubmitItem[]): readonly Item[] {
  if (!random.chance(0.05)) return [];
  const { name, at } = random.pick(submissions);
  const held = at + random.int(4 * SECOND, 16 * SECOND);
  const act = { id: 0, target: name, value: 0 };
  return [
    { kind: "fault", id: 0, at: Math.max(0, at - 2 * SECOND), fault: "ray.start.fails", lastsMs: 12 * SECOND, probability: 1, target: 0 },
    { ...act, kind: "hold", at: held },
    { ...act, kind: "release", at: held + random.int(SECOND, 10 * SECOND) },
  ];
}

/** What the word of the nodes' agents must stand: an attempt that lives, dies or falls silent while an agent is blind, stuck, dead or cut off. */
const AGENT_ATTACKS: readonly (readonly (readonly [kind: FaultKind, s: number, lastsS: number])[])[] = [
  [["launcher.killed", 16, 0]],
  [["incarnation.killed", 16, 0]],
  [
    ["gpu.leftover", 10, 120],
    ["launcher.killed", 20, 0],
  ],
  [
    ["gpu.leftover", 10, 120],
    ["incarnation.killed", 20, 0],
  ],
  [
    ["agent.stale", 0, 60],
    ["launcher.frozen", 9, 45],
  ],
  [
    ["agent.killed", 2, 20],
    ["launcher.frozen", 10, 60],
  ],
  [
    ["node.cut_storage", 5, 40],
    ["ray.get.lie", 5, 60],
  ],
  [
    ["node.frozen", 14, 45],
    ["launcher.killed", 20, 0],
  ],
  [
    ["agent.frozen", 14, 100],
    ["launcher.frozen", 15, 40],
  ],
  [
    ["storage.stale", 0, 200],
    ["node.cut_storage", 8, 70],
  ],
];

function planAgentAttack(
  random: Random,
  calmAt: number,
  submissions: readonly SubmitItem[],
  nodes: readonly NodePlan[],
): readonly FaultItem[] {
  const isMixed = nodes.some(({ agent }) => agent) && nodes.some(({ agent }) => !agent);
  if (!random.chance(isMixed ? 0.6 : 0.3) || !nodes.some(({ agent }) => agent)) return [];
  const { at } = random.pick(submissions);
  // One target for all: a fault of a node and one of its agent meet the same machine where there is but one.
  const target = random.int(0, 999);
  // What is left where nobody looks is what a mixed pool is about.
  const attacks = isMixed ? AGENT_ATTACKS.filter((faults) => faults.some(([kind]) => kind === "gpu.leftover")) : AGENT_ATTACKS;
  return random.pick(attacks).map(([fault, s, lastsS]) => ({
    kind: "fault" as const,
    id: 0,
    at: Math.max(0, Math.min(calmAt - 1, at + s * SECOND + random.int(-3_000, 5_000))),
    fault,
    lastsMs: lastsS * SECOND,
    probability: 1,
    target,
  }));
}

/** A world meets a few kinds of faults, often; that finds more than a little of everything (FoundationDB's buggify). */
function planFaults(random: Random, count: number, calmAt: number, submissions: readonly SubmitItem[]): readonly FaultItem[] {
  const kinds = Object.keys(FAULTS) as FaultKind[];
  const chosen = Array.from({ length: random.int(1, 5) }, () => random.weighted(kinds.map((kind) => [FAULTS[kind].weight, kind] as const)));
  const fault = (kind: FaultKind, at: number): FaultItem => {
    const [shortest, longest] = FAULTS[kind].lastsS;
    return {
      kind: "fault",
      id: 0,
      at: Math.min(calmAt - 1, at),
      fault: kind,
      lastsMs: random.int(shortest * SECOND, longest * SECOND),
      probability: random.pick([0.2, 0.5, 1]),
      target: random.int(0, 999),
    };
  };
  const single = Array.from({ length: count }, () => fault(random.pick(chosen), timeOfFault(random, calmAt, submissions)));
  const attacked = count > 0 && random.chance(0.3) ? random.pick(submissions).at : null;
  const attack =
    attacked === null ? [] : random.pick(ATTACKS).map(([kind, s]) => sure(fault(kind, attacked + s * SECOND + random.int(-2_000, 4_000))));
  return [...single, ...attack].map((item) => ({ ...item, at: Math.max(0, item.at) }));
}

function sure(item: FaultItem): FaultItem {
  // Long enough for a verdict on a local file system, short enough for a result that comes before the next attempt.
  if (item.fault === "node.cut_storage") return { ...item, probability: 1, lastsMs: (82 + (item.target % 34)) * SECOND };
  return { ...item, probability: 1, lastsMs: item.lastsMs === 0 ? 0 : Math.max(item.lastsMs, 20 * SECOND) };
}

/** What protocol.md was made for: faults that are worse together, with the seconds after a submission at which they come. */
const ATTACKS: readonly (readonly (readonly [kind: FaultKind, s: number])[])[] = [
  [
    ["ray.post.no_answer", -5],
    ["ray.start.fails", -5],
    ["ray.get.unknown", -3],
  ],
  [
    ["node.cut_storage", 12],
    ["gpu.stranger", 60],
    ["gpu.stranger", 60],
  ],
  [
    ["ray.post.late", -5],
    ["head.empty", 5],
  ],
  [
    ["ray.start.slow", -5],
    ["head.restored", 6],
  ],
  [
    ["launcher.frozen", 15],
    ["server.crash", 60],
  ],
  [
    ["node.cut_storage", 15],
    ["node.cut_head", 15],
  ],
  [["node.cut_storage", 14]],
  [
    ["node.cut_storage", 20],
    ["storage.hang", 25],
  ],
  [
    ["head.empty", 15],
    ["ray.get.lie", 15],
    ["node.frozen", 20],
  ],
  [
    ["server.paused", 1],
    ["ray.post.no_answer", -5],
    ["head.empty", 10],
  ],
  [
    ["ray.slow", -5],
    ["server.paused", 3],
  ],
  [
    ["ray.slow", 0],
    ["storage.slow", 0],
    ["server.paused", 8],
    ["server.paused", 45],
  ],
  [
    ["ray.split", 2],
    ["ray.post.late", -5],
  ],
  [
    ["launcher.killed", 12],
    ["node.power", 20],
    ["server.clock", 30],
    ["server.clock", 50],
    ["server.clock", 70],
  ],
  [
    ["storage.full", 18],
    ["launcher.termed", 25],
  ],
  [
    ["database.error", 0],
    ["server.crash_at_call", 2],
    ["server.crash_at_call", 10],
  ],
];

/** Mostly when something is under way: around a submission, its start, and its first minute. */
function timeOfFault(random: Random, calmAt: number, submissions: readonly SubmitItem[]): number {
  const near = random.pick(submissions).at;
  return random.weighted([
    [4, Math.max(0, near + random.int(-4 * SECOND, 12 * SECOND))],
    [3, near + random.int(10 * SECOND, 70 * SECOND)],
    [3, random.int(0, calmAt - 1)],
  ]);
}
