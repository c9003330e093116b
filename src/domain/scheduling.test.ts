import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Hold, isHandedOver, whyNoCapacity, freeCapacity } from "./capacity.ts";
import { inOrder } from "./queue-order.ts";
import { decide, type Decision, type Snapshot } from "./scheduling.ts";
import type { NodeView, Task, Waiting } from "./types.ts";
import { sampleTask } from "../../test/support/sample-task.ts";

const NOW = 1_800_000_000_000;
const SETTINGS = { maxRunningTasks: 10, retryIntervalMs: 60_000, reserveAfterMs: 3_600_000 };

function node(name: string, over: Partial<NodeView> = {}): NodeView {
  return {
    node: name,
    rayNodeId: `ray-${name}`,
    address: null,
    gpusTotal: 8,
    cpusTotal: 100,
    gpusUsed: 0,
    cpusUsed: 0,
    rivals: [],
    closed: null,
    ...over,
  };
}

let seq = 0;
function waiting(over: Partial<Task> = {}): Task {
  seq += 1;
  return sampleTask({ taskId: `mvp2-alice-sft-20260101-000000-${String(seq).padStart(8, "0")}`, workload: "sft", seq, ...over });
}

function needs(nodes: number, gpusPerNode: number, cpusPerNode = 1): Pick<Task, "needs"> {
  return { needs: { nodes, gpusPerNode, cpusPerNode } };
}

function snapshot(open: readonly Task[], over: Partial<Snapshot> = {}): Snapshot {
  return {
    now: NOW,
    open,
    nodes: [node("n1"), node("n2")],
    holds: [],
    ended: [],
    handingOver: [],
    storageLow: null,
    users: new Map(),
    paused: null,
    order: { by: "priority", used: new Map() },
    settings: SETTINGS,
    ...over,
  };
}

function one(task: Task, over: Partial<Snapshot> = {}, others: readonly Task[] = []): Decision {
  const decision = decide(snapshot([...others, task], over)).find((each) => each.task.taskId === task.taskId);
  if (decision === undefined) throw new Error("no decision for the task");
  return decision;
}

function waitOf(decision: Decision): Waiting {
  if (decision.kind !== "hold") throw new Error(`expected a hold, got ${decision.kind}`);
  return decision.waiting;
}

function launched(decisions: readonly Decision[]): readonly string[] {
  return decisions.flatMap((decision) => (decision.kind === "launch" ? [decision.task.taskId] : []));
}

function holdOn(name: string, gpus: number, cpus = 1): Hold {
  return { taskId: "t", userId: "bob", placement: [{ node: name, gpus, cpus }] };
}

describe("order of the queue", () => {
  it("gives the only running slot to the first, and says to the others how many are before them", () => {
    const tasks = [waiting(), waiting(), waiting()];
    const [first, second, third] = decide(snapshot(tasks, { settings: { ...SETTINGS, maxRunningTasks: 1 } }));
    expect(first?.kind).toBe("launch");
    expect(second).toMatchObject({ kind: "hold", to: "QUEUED", waiting: { code: "running_limit", details: { running: 1, limit: 1 } } });
    expect(third).toMatchObject({ kind: "hold", to: "QUEUED", waiting: { code: "behind" } });
  });

  it("lets small tasks pass a big one that does not fit, and the big one keeps its place", () => {
    const big = waiting(needs(2, 8));
    const small = [waiting(needs(1, 2)), waiting(needs(1, 2))];
    const decisions = decide(snapshot([big, ...small], { holds: [holdOn("n1", 1)] }));
    expect(decisions.map((decision) => decision.task)).toEqual([big, ...small]);
    expect(launched(decisions)).toEqual(small.map((task) => task.taskId));
    expect(decisions[0]).toMatchObject({ kind: "hold", to: "PENDING_RESOURCES", waiting: { code: "no_capacity" } });
  });

  it("nobody overtakes a task that only waits for the GPUs of one that has just ended", () => {
    const gang = waiting(needs(2, 8));
    const small = waiting(needs(1, 2));
    const ended = [holdOn("n1", 1)];
    const [first, second] = decide(snapshot([gang, small], { ended, handingOver: ended }));
    expect(first).toMatchObject({ kind: "hold", to: "QUEUED", waiting: { code: "cooling_down" }, nextRunAt: null });
    expect(second).toMatchObject({ kind: "hold", to: "QUEUED", waiting: { code: "behind" } });
    // Ray still counts what the ended task used: the same.
    const nodes = [node("n1", { gpusUsed: 1 }), node("n2")];
    expect(launched(decide(snapshot([gang, small], { nodes, ended, handingOver: ended })))).toEqual([]);
  });

  it("a leftover that stays, or a gang that would not fit all the same, holds up nobody", () => {
    const gang = waiting(needs(2, 8));
    const small = waiting(needs(1, 2));
    const ended = [holdOn("n1", 1)];
    expect(launched(decide(snapshot([gang, small], { ended })))).toEqual([small.taskId]);
    expect(launched(decide(snapshot([gang, small], { holds: [holdOn("n2", 1)], ended, handingOver: ended })))).toEqual([small.taskId]);
  });

  it("a shortage that verl reported waits for its time, also while its own GPUs are being handed over", () => {
    const shortage: Waiting = { code: "no_capacity", text: "attempt 1 found too few", details: { after_attempt: 1 }, until: NOW + 10 };
    const task = waiting({ ...needs(1, 4), state: "PENDING_RESOURCES", nextRunAt: NOW + 10, waiting: shortage });
    const ended = [holdOn("n1", 4)];
    expect(one(task, { ended, handingOver: ended })).toMatchObject({ kind: "hold", to: "PENDING_RESOURCES", nextRunAt: NOW + 10 });
  });

  it("a held or not yet due task does not keep the next one from starting", () => {
    const held = waiting({ held: true });
    const cooling = waiting({
      nextRunAt: NOW + 1,
      waiting: { code: "cooling_down", text: "lost", details: {}, until: NOW + 1 },
    });
    const next = waiting();
    expect(launched(decide(snapshot([held, cooling, next], { settings: { ...SETTINGS, maxRunningTasks: 1 } })))).toEqual([next.taskId]);
  });
});

describe("what keeps a task from starting", () => {
  const user = { disabled: false, maxRunning: null, maxGpus: null };
  const running = (over: Partial<Task> = {}) => waiting({ state: "RUNNING", ...over });
  const rl = (exclusive: boolean, over: Partial<Task> = {}) =>
    waiting({ workload: "grpo", profile: { name: "grpo@1", verlVersion: "0.9.1", exclusive }, ...over });
  const table: readonly [string, Task, Partial<Snapshot>, readonly Task[], Waiting["code"], string][] = [
    ["held by hand", waiting({ held: true }), {}, [], "held", "`verlpool release`"],
    ["a disabled user", waiting(), { users: new Map([["alice", { ...user, disabled: true }]]) }, [], "held", "disabled"],
    ["no head", waiting(), { nodes: null }, [], "head_lost", "Ray's head does not answer"],
    ["a next try in the future", waiting({ nextRunAt: NOW + 5 }), {}, [], "not_due", "not due"],
    [
      "all slots taken",
      waiting(),
      { settings: { ...SETTINGS, maxRunningTasks: 1 } },
      [running()],
      "running_limit",
      "scheduler.max_running_tasks",
    ],
    [
      "the user's max_running",
      waiting(),
      { users: new Map([["alice", { ...user, maxRunning: 1 }]]) },
      [running()],
      "user_limit",
      "max_running",
    ],
    [
      "the user's max_gpus",
      waiting(needs(1, 4)),
      { users: new Map([["alice", { ...user, maxGpus: 7 }]]) },
      [running(needs(1, 4))],
      "user_limit",
      "needs 4 GPUs; this user holds 4 of at most 7",
    ],
    ["an RL task beside an exclusive one", rl(false), {}, [rl(true, { state: "RUNNING" })], "exclusive", "must run alone"],
    ["an exclusive RL task beside any other", rl(true), {}, [rl(false, { state: "SUBMITTING" })], "exclusive", "grpo@1"],
    ["no worker", waiting(), { nodes: [] }, [], "impossible_now", "no worker has joined"],
    ["too few nodes of the shape", waiting(needs(3, 8)), {}, [], "impossible_now", "1 more node of that shape would have to join"],
    ["a node shape nobody has", waiting(needs(1, 9)), {}, [], "impossible_now", "n1: 8 of 8 GPUs free; n2: 8 of 8 GPUs free"],
    ["too few CPUs on every node", waiting(needs(1, 1, 101)), {}, [], "impossible_now", "n1: 100 of 100 CPUs free"],
    [
      "taken GPUs",
      waiting(needs(2, 8)),
      { holds: [holdOn("n1", 8), holdOn("n2", 8)] },
      [],
      "no_capacity",
      "n1: 0 of 8 GPUs free; n2: 0 of 8 GPUs free",
    ],
    [
      "GPUs spread too thin",
      waiting(needs(1, 8)),
      { holds: [holdOn("n1", 4), holdOn("n2", 4)] },
      [],
      "fragmented",
      "n1: 4 of 8 GPUs free; n2: 4 of 8",
    ],
    [
      "taken CPUs",
      waiting(needs(1, 1, 60)),
      { holds: [holdOn("n1", 0, 60), holdOn("n2", 0, 60)] },
      [],
      "fragmented",
      "n1: 40 of 100 CPUs free",
    ],
    [
      "GPUs that Ray shows used by somebody else",
      waiting(needs(2, 8)),
      { nodes: [node("n1", { gpusUsed: 1 }), node("n2")] },
      [],
      "no_capacity",
      "n1: 7 of 8 GPUs free; n2: fits",
    ],
  ];
  it.each(table)("%s", (_, task, over, others, code, text) => {
    const wait = waitOf(one(task, over, others));
    expect(wait.code).toBe(code);
    expect(wait.text).toContain(text);
  });

  it("names the shape that is missing", () => {
    expect(waitOf(one(waiting(needs(3, 1, 13)))).text).toBe(
      "needs 3 × 1 GPU and 13 CPUs a node; 1 more node of that shape would have to join (n1: fits; n2: fits)",
    );
  });

  it("is PENDING_RESOURCES for want of capacity only; every other wait is QUEUED", () => {
    for (const [, task, over, others, code] of table) {
      const forCapacity = ["no_capacity", "fragmented", "impossible_now"].includes(code);
      expect(one(task, over, others)).toMatchObject({ to: forCapacity ? "PENDING_RESOURCES" : "QUEUED" });
    }
  });

  it("SFT runs beside an exclusive RL task, and RL beside SFT", () => {
    expect(one(waiting(), {}, [rl(true, { state: "RUNNING" })]).kind).toBe("launch");
    expect(one(rl(true), {}, [running()]).kind).toBe("launch");
  });

  it("of two exclusive RL tasks in one pass only the first starts", () => {
    const [first, second] = decide(snapshot([rl(true), rl(true)]));
    expect(first?.kind).toBe("launch");
    expect(second === undefined ? null : waitOf(second).code).toBe("exclusive");
  });

  it("another user's running tasks count for nobody's limits", () => {
    const users = new Map([["alice", { disabled: false, maxRunning: 1, maxGpus: 8 }]]);
    expect(one(waiting(needs(1, 8)), { users }, [running({ userId: "bob", ...needs(1, 8) })]).kind).toBe("launch");
  });
});

describe("times", () => {
  it("a waiting task past its deadline expires, whatever else would hold it", () => {
    for (const over of [{}, { held: true }, { nextRunAt: NOW + 9 }, { state: "PENDING_RESOURCES" } as const])
      expect(one(waiting({ deadline: NOW, ...over }), { nodes: null }).kind).toBe("expire");
    expect(one(waiting({ deadline: NOW + 1 })).kind).toBe("launch");
  });

  it("a wait for capacity is looked at in every pass, and next_run_at stays until it is due", () => {
    const task = waiting({ ...needs(2, 8), state: "PENDING_RESOURCES", nextRunAt: NOW + 10 });
    expect(one(task, { holds: [holdOn("n1", 1)] })).toMatchObject({ nextRunAt: NOW + 10 });
    expect(one({ ...task, nextRunAt: NOW }, { holds: [holdOn("n1", 1)] })).toMatchObject({ nextRunAt: NOW + 60_000 });
    expect(one(task).kind).toBe("launch");
  });

  it("a shortage that verl reported waits for its time, though the pool looks free", () => {
    const wait: Waiting = { code: "no_capacity", text: "attempt 1 found too few", details: { after_attempt: 1 }, until: NOW + 10 };
    const task = waiting({ state: "PENDING_RESOURCES", nextRunAt: NOW + 10, waiting: wait });
    expect(one(task)).toMatchObject({ kind: "hold", to: "PENDING_RESOURCES", waiting: wait, nextRunAt: NOW + 10 });
    expect(one({ ...task, nextRunAt: NOW }).kind).toBe("launch");
  });

  it("a task that cools down keeps saying why", () => {
    const wait: Waiting = { code: "cooling_down", text: "attempt 1 was lost", details: {}, until: NOW + 10 };
    expect(one(waiting({ nextRunAt: NOW + 10, waiting: wait }))).toMatchObject({ to: "QUEUED", waiting: wait, nextRunAt: NOW + 10 });
  });
});

describe("a wall clock that jumped", () => {
  const TEN_YEARS = 10 * 365 * 24 * 3_600_000;
  const cooling: Waiting = { code: "cooling_down", text: "attempt 1 was lost", details: { wait_ms: 60_000 }, until: NOW };

  it("back, makes no wait longer than it was meant to be, and says so", () => {
    const task = waiting({ nextRunAt: NOW, waiting: cooling });
    const then = NOW - TEN_YEARS;
    const held = one(task, { now: then });
    expect(held).toMatchObject({ kind: "hold", nextRunAt: then + 60_000, waiting: { code: "cooling_down", until: then + 60_000 } });
    const stored = { ...task, nextRunAt: then + 60_000, waiting: waitOf(held) };
    expect(one(stored, { now: then + 1_000 })).toMatchObject({ kind: "hold", nextRunAt: then + 60_000 });
    expect(one(stored, { now: then + 60_000 }).kind).toBe("launch");
  });

  it("back, keeps no shortage that verl reported, nor a wait of unknown length, for ever", () => {
    const shortage: Waiting = { code: "no_capacity", text: "too few", details: { after_attempt: 1, wait_ms: 60_000 }, until: NOW };
    const then = NOW - TEN_YEARS;
    expect(one(waiting({ state: "PENDING_RESOURCES", nextRunAt: NOW, waiting: shortage }), { now: then })).toMatchObject({
      nextRunAt: then + 60_000,
    });
    expect(one(waiting({ nextRunAt: NOW }), { now: then })).toMatchObject({ nextRunAt: then + 36 * 60_000 });
    expect(one(waiting({ ...needs(3, 8), state: "PENDING_RESOURCES", nextRunAt: NOW }), { now: then })).toMatchObject({
      nextRunAt: then + 60_000,
    });
  });
});

describe("a hold", () => {
  it("does not shorten a back-off", () => {
    const cooling: Waiting = { code: "cooling_down", text: "attempt 1 was lost", details: { wait_ms: 600_000 }, until: NOW + 500_000 };
    const held = one(waiting({ held: true, nextRunAt: NOW + 500_000, waiting: cooling }));
    expect(held).toMatchObject({ waiting: { code: "held" }, nextRunAt: NOW + 500_000 });
    const released = waiting({ nextRunAt: NOW + 500_000, waiting: null });
    expect(one(released)).toMatchObject({ kind: "hold", waiting: { code: "not_due" }, nextRunAt: NOW + 500_000 });
  });

  it("forgets a wait for capacity: after it the task is looked at at once", () => {
    expect(one(waiting({ held: true, state: "PENDING_RESOURCES", nextRunAt: NOW + 500_000 }))).toMatchObject({ nextRunAt: null });
  });
});

describe("placement", () => {
  it("fills the fullest nodes first, so that whole nodes stay whole", () => {
    const nodes = [node("a"), node("b"), node("c")];
    expect(one(waiting(needs(1, 2)), { nodes, holds: [holdOn("b", 4)] })).toMatchObject({ placement: [{ node: "b", gpus: 2, cpus: 1 }] });
  });

  it("counts what it gave away earlier in the same pass", () => {
    const decisions = decide(snapshot([waiting(needs(1, 8)), waiting(needs(1, 8)), waiting(needs(1, 1))]));
    expect(launched(decisions)).toHaveLength(2);
  });

  it("counts CPUs that it gave away in the same pass too: GPUs alone would start a task that never gets its placement group", () => {
    expect(launched(decide(snapshot([waiting(needs(1, 1, 60)), waiting(needs(1, 1, 60)), waiting(needs(1, 1, 60))])))).toHaveLength(2);
  });

  it("takes the larger of what Ray shows used and what our ledger holds, never their sum", () => {
    const [free] = freeCapacity([node("n1", { gpusUsed: 3, cpusUsed: 10 })], [holdOn("n1", 4, 30)]);
    expect(free).toMatchObject({ gpus: 4, cpus: 70 });
  });

  it("where Ray put a gang on another node than planned, the node that is really free is given away", () => {
    const nodes = [node("n1"), node("n2", { gpusUsed: 8, cpusUsed: 24 })];
    expect(one(waiting(needs(1, 8)), { nodes, holds: [holdOn("n1", 8)] })).toMatchObject({ placement: [{ node: "n1" }] });
  });

  it("while a gang is still starting, the node that it was planned for is not given away", () => {
    expect(one(waiting(needs(2, 8)), { nodes: [node("n1"), node("n2", { gpusUsed: 4 })], holds: [holdOn("n1", 8)] }).kind).toBe("hold");
  });

  it("an ended attempt is handed over when its nodes, or the pool as a whole, use no more than live ones hold", () => {
    const [planned1, planned2] = [holdOn("n1", 8), holdOn("n2", 8)];
    const used = (n1: number, n2: number) => [node("n1", { gpusUsed: n1 }), node("n2", { gpusUsed: n2 })];
    expect(isHandedOver(planned1, used(8, 8), [planned2])).toBe(false);
    expect(isHandedOver(planned1, used(0, 8), [planned2])).toBe(true);
    // Ray had swapped the two: the live one runs on n1.
    expect(isHandedOver(planned1, used(8, 0), [planned2])).toBe(true);
    expect(isHandedOver(planned1, used(1, 8), [planned2])).toBe(false);
  });

  it("capacity of an ended attempt is not given away while it is held for hand-over", () => {
    expect(one(waiting(needs(2, 8)), { holds: [holdOn("n2", 8)] }).kind).toBe("hold");
  });
});

const anyNode = fc.record({ gpusTotal: fc.nat(8), cpusTotal: fc.nat(64), gpusUsed: fc.nat(8), cpusUsed: fc.nat(64) });
const anyTask = fc.record({
  needs: fc.record({ nodes: fc.integer({ min: 1, max: 4 }), gpusPerNode: fc.integer({ min: 1, max: 8 }), cpusPerNode: fc.nat(32) }),
  priority: fc.integer({ min: -2, max: 2 }),
  userId: fc.constantFrom("alice", "bob-xq", "carol"),
  workload: fc.constantFrom("ppo", "grpo", "sft"),
  state: fc.constantFrom("QUEUED", "PENDING_RESOURCES", "SUBMITTING", "SUBMITTED", "RUNNING"),
  held: fc.boolean(),
  nextRunAt: fc.option(fc.integer({ min: NOW - 5, max: NOW + 5 })),
  deadline: fc.option(fc.integer({ min: NOW - 5, max: NOW + 5 })),
  exclusive: fc.boolean(),
} as const);

const anySnapshot = fc
  .record({
    nodes: fc.option(fc.array(anyNode, { maxLength: 5 }), { freq: 9 }),
    tasks: fc.array(anyTask, { maxLength: 12 }),
    limit: fc.integer({ min: 1, max: 6 }),
    maxGpus: fc.option(fc.nat(16)),
    holds: fc.array(fc.record({ node: fc.nat(4), gpus: fc.nat(8), cpus: fc.nat(32) }), { maxLength: 4 }),
    ended: fc.nat(2),
    handingOver: fc.nat(2),
  })
  .map(({ nodes, tasks, limit, maxGpus, holds, ended, handingOver }): Snapshot => {
    const open = tasks.map(({ exclusive, ...task }, index) =>
      sampleTask({
        ...task,
        taskId: `mvp2-${task.userId}-${task.workload}-20260101-000000-${String(index).padStart(8, "0")}`,
        seq: index + 1,
        profile: { name: `${task.workload}@1`, verlVersion: "0.9.1", exclusive },
      }),
    );
    const all = holds.map((hold) => holdOn(`n${hold.node}`, hold.gpus, hold.cpus));
    return {
      now: NOW,
      open,
      nodes: nodes === null ? null : nodes.map((each, index) => node(`n${index}`, each)),
      holds: all.slice(ended),
      ended: all.slice(0, ended),
      storageLow: null,
      handingOver: all.slice(0, Math.min(ended, handingOver)),
      users: new Map([["alice", { disabled: false, maxRunning: null, maxGpus }]]),
      paused: null,
      order: { by: "priority", used: new Map() },
      settings: { ...SETTINGS, maxRunningTasks: limit },
    };
  });

describe("for every snapshot", () => {
  it("each waiting task gets one decision, in order", () => {
    fc.assert(
      fc.property(anySnapshot, (snap) => {
        expect(decide(snap).map((decision) => decision.task)).toEqual(inOrder(snap.open, snap.order));
      }),
    );
  });

  it("no node is given away beyond what is free, and each gang lies on different nodes", () => {
    fc.assert(
      fc.property(anySnapshot, (snap) => {
        const free = new Map(
          freeCapacity(snap.nodes ?? [], [...snap.holds, ...snap.ended]).map((each) => [each.node, { gpus: each.gpus, cpus: each.cpus }]),
        );
        for (const decision of decide(snap)) {
          if (decision.kind !== "launch") continue;
          expect(new Set(decision.placement.map((part) => part.node)).size).toBe(decision.task.needs.nodes);
          for (const part of decision.placement) {
            const rest = free.get(part.node);
            if (rest === undefined) throw new Error(`${part.node} does not exist`);
            rest.gpus -= part.gpus;
            rest.cpus -= part.cpus;
            expect(rest.gpus).toBeGreaterThanOrEqual(0);
            expect(rest.cpus).toBeGreaterThanOrEqual(0);
          }
        }
      }),
    );
  });

  it("never more tasks run than allowed, and never two RL tasks of which one must be alone", () => {
    fc.assert(
      fc.property(anySnapshot, (snap) => {
        const live = snap.open.filter((task) => task.state !== "QUEUED" && task.state !== "PENDING_RESOURCES");
        const starts = decide(snap).flatMap((decision) => (decision.kind === "launch" ? [decision.task] : []));
        if (starts.length > 0) expect(live.length + starts.length).toBeLessThanOrEqual(snap.settings.maxRunningTasks);
        for (const [index, task] of starts.entries()) {
          if (task.workload === "sft") continue;
          const beside = [...live, ...starts.slice(0, index)].filter((other) => other.workload !== "sft");
          if (beside.length > 0) expect([task, ...beside].some((each) => each.profile.exclusive)).toBe(false);
        }
      }),
    );
  });

  it("what a user reads about the wait names no other user and no other task", () => {
    fc.assert(
      fc.property(anySnapshot, (snap) => {
        for (const decision of decide(snap)) {
          if (decision.kind !== "hold") continue;
          const shown = JSON.stringify(decision.waiting);
          expect(shown).not.toContain("mvp2-");
          for (const userId of ["alice", "bob-xq", "carol"]) expect(shown).not.toContain(userId);
        }
      }),
    );
  });

  it("a gang that the free nodes could take is never said not to fit", () => {
    fc.assert(
      fc.property(anySnapshot, (snap) => {
        const free = freeCapacity(snap.nodes ?? [], snap.holds);
        const [first] = inOrder(snap.open, snap.order);
        if (first === undefined || snap.nodes === null) return;
        const fits = free.filter((each) => each.gpus >= first.needs.gpusPerNode && each.cpus >= first.needs.cpusPerNode).length;
        const [decision] = decide(snap);
        if (decision?.kind === "hold" && decision.to === "PENDING_RESOURCES" && decision.waiting.details["after_attempt"] === undefined)
          expect(fits).toBeLessThan(first.needs.nodes);
        expect(whyNoCapacity(first.needs, free).text.length).toBeGreaterThan(0);
      }),
    );
  });
});

describe("a gang that others pass", () => {
  const HOUR = 3_600_000;
  const limited = (maxRunningTasks: number) => ({ settings: { ...SETTINGS, maxRunningTasks } });
  const runningOn = (name: string, gpus: number, over: Partial<Task> = {}): { task: Task; hold: Hold } => {
    const task = waiting({ state: "RUNNING", startedAt: NOW, ...over });
    return { task, hold: { taskId: task.taskId, userId: task.userId, placement: [{ node: name, gpus, cpus: 1 }] } };
  };

  it("is marked as passed only while a task behind it starts", () => {
    const { task, hold } = runningOn("n1", 8);
    const large = waiting(needs(2, 8));
    const small = waiting(needs(1, 8));
    const over = { holds: [hold] };
    const [first, second] = decide(snapshot([task, large, small], over));
    expect(first).toMatchObject({ kind: "hold", passed: true });
    expect(second).toMatchObject({ kind: "launch" });
    expect(one(large, over, [task])).toMatchObject({ passed: false });
  });

  it("is not passed where today's pool could never hold it, nor does it ever get a reservation there", () => {
    const impossible = waiting({ ...needs(3, 8), passedSince: NOW - 2 * HOUR });
    const decisions = decide(snapshot([impossible, waiting(needs(1, 8)), waiting(needs(1, 8))]));
    expect(decisions.map((decision) => decision.kind)).toEqual(["hold", "launch", "launch"]);
    expect(decisions[0]).toMatchObject({ passed: false });
  });

  it("gets what it needs kept once it was passed for long enough, and says where", () => {
    const { task, hold } = runningOn("n1", 4);
    const large = waiting({ ...needs(2, 8), passedSince: NOW - HOUR });
    const small = waiting(needs(1, 4));
    const over = { holds: [hold] };
    expect(launched(decide(snapshot([task, { ...large, passedSince: NOW - HOUR + 1 }, small], over)))).toEqual([small.taskId]);
    const decisions = decide(snapshot([task, large, small], over));
    expect(launched(decisions)).toEqual([]);
    expect(decisions[0]).toMatchObject({ waiting: { code: "no_capacity", details: { reserved: ["n2", "n1"] } } });
    expect(decisions[1]).toMatchObject({ to: "QUEUED", waiting: { code: "behind", text: expect.stringContaining("kept for it") } });
  });

  it("lets those behind use what it does not need, and all of it if they are gone before it can start", () => {
    const { task, hold } = runningOn("n1", 8, { maxRuntimeMs: 3 * HOUR });
    const large = waiting({ ...needs(2, 6), passedSince: NOW - HOUR });
    const beside = waiting(needs(1, 2));
    const brief = waiting({ ...needs(1, 6), maxRuntimeMs: 2 * HOUR });
    const long = waiting({ ...needs(1, 6), maxRuntimeMs: 3 * HOUR });
    const over = { holds: [hold] };
    expect(launched(decide(snapshot([task, large, beside], over)))).toEqual([beside.taskId]);
    expect(launched(decide(snapshot([task, large, long, brief], over)))).toEqual([brief.taskId]);
  });

  it("keeps a running slot too: one that is taken would delay it as much as a GPU", () => {
    const { task, hold } = runningOn("n1", 8);
    const large = waiting({ ...needs(2, 8), passedSince: NOW - HOUR });
    const third = waiting(needs(1, 1));
    const nodes = [node("n1"), node("n2"), node("n3", { gpusTotal: 4 })];
    const over = { nodes, holds: [hold, holdOn("n2", 8)] };
    expect(launched(decide(snapshot([task, large, third], { ...over, ...limited(3) })))).toEqual([third.taskId]);
    expect(launched(decide(snapshot([task, large, third], { ...over, ...limited(2) })))).toEqual([]);
  });

  it("starts at last: with a reservation no stream of small tasks keeps it waiting for ever", () => {
    const small = (at: number) => waiting({ ...needs(1, 8), seq: 100 + at });
    let large = waiting({ ...needs(2, 8), seq: 1 });
    let running = [
      { ...runningOn("n1", 8), until: 3 },
      { ...runningOn("n2", 8), until: 5 },
    ];
    let startedAt: number | null = null;
    for (let hour = 0; hour < 20 && startedAt === null; hour += 1) {
      running = running.filter(({ until }) => until > hour);
      const now = NOW + hour * HOUR;
      const decisions = decide(
        snapshot([...running.map(({ task }) => task), large, small(hour)], { now, holds: running.map(({ hold }) => hold) }),
      );
      for (const decision of decisions) {
        if (decision.kind === "hold" && decision.passed && large.passedSince === null) large = { ...large, passedSince: now };
        if (decision.kind !== "launch") continue;
        if (decision.task === large) startedAt = hour;
        else running.push({ ...runningOn(decision.placement[0]?.node ?? "", 8), until: hour + 6 });
      }
    }
    // Passed at 3, kept from 4 on: n2 is free at 5, and n1 when the task that passed is gone at 9.
    expect(startedAt).toBe(9);
  });
});

describe("an export", () => {
  const of = { submissionId: "mvp2-alice-sft-20260101-000000-0000abcd--a01", step: 3 };
  const exported = (over: Partial<Task> = {}) => waiting({ exportOf: of, ...needs(1, 0, 0), ...over });

  it("starts beside a training that has the only slot and every GPU, and takes no place of those that wait", () => {
    const training = waiting({ state: "RUNNING" });
    const next = waiting({ ...needs(1, 8) });
    const one = exported({ priority: -100 });
    const full = { holds: [holdOn("n1", 8, 100)], nodes: [node("n1")], settings: { ...SETTINGS, maxRunningTasks: 1 } };
    const decisions = decide(snapshot([training, next, one], full));
    expect(decisions).toMatchObject([
      { kind: "hold", waiting: { code: "running_limit", details: { running: 1 } }, passed: false },
      { kind: "launch", placement: [{ node: "n1", gpus: 0, cpus: 0 }] },
    ]);
    const later = decide(snapshot([exported({ state: "RUNNING" }), next], { settings: full.settings }));
    expect(launched(later)).toEqual([next.taskId]);
  });

  it("waits for another one, for an open node, and for a queue that is not paused", () => {
    const [first, second] = decide(snapshot([exported(), exported()]));
    expect([first?.kind, second?.kind === "hold" ? second.waiting.code : null]).toEqual(["launch", "running_limit"]);
    expect(waitOf(one(exported(), {}, [exported({ state: "RUNNING" })])).text).toContain("one at a time");
    const closed = { code: "cordoned", text: "cordoned by hand" } as const;
    const nodes = [node("n1", { closed }), node("n2", { closed })];
    expect(one(exported(), { nodes })).toMatchObject({ kind: "hold", to: "PENDING_RESOURCES", waiting: { code: "no_capacity" } });
    const placed = one(exported(), { nodes: [node("n1", { closed }), node("n2", { gpusUsed: 8 })] });
    expect(placed).toMatchObject({ kind: "launch", placement: [{ node: "n2" }] });
    expect(waitOf(one(exported(), { paused: { at: NOW, actor: "admin", reason: null } })).code).toBe("paused");
  });
});
