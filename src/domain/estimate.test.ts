import { describe, expect, it } from "vitest";
import { sampleTask } from "../../test/support/sample-task.ts";
import { estimate, remaining, type Span, typical } from "./estimate.ts";
import type { Hold } from "./capacity.ts";
import type { Snapshot } from "./scheduling.ts";
import type { NodeView, Progress, Task } from "./types.ts";

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;

function node(name: string, gpusUsed = 0): NodeView {
  return { node: name, rayNodeId: name, address: null, gpusTotal: 8, cpusTotal: 100, gpusUsed, cpusUsed: 0, rivals: [], closed: null };
}

function task(taskId: string, seq: number, over: Partial<Task> = {}): Task {
  return sampleTask({ taskId, seq, workload: "sft", needs: { nodes: 1, gpusPerNode: 8, cpusPerNode: 1 }, ...over });
}

function holdOf(taskId: string, name: string): Hold {
  return { taskId, userId: "alice", placement: [{ node: name, gpus: 8, cpus: 1 }] };
}

function snapshot(open: readonly Task[], over: Partial<Snapshot> = {}): Snapshot {
  const settings = { maxRunningTasks: 10, retryIntervalMs: MINUTE, reserveAfterMs: 60 * MINUTE };
  return {
    now: NOW,
    open,
    nodes: [node("n1", 8)],
    holds: [holdOf("r", "n1")],
    ended: [],
    handingOver: [],
    storageLow: null,
    users: new Map(),
    paused: null,
    order: { by: "priority", used: new Map() },
    settings,
    ...over,
  };
}

const spans = (entries: { [taskId: string]: Span }): ReadonlyMap<string, Span> => new Map(Object.entries(entries));
const running = task("r", 1, { state: "RUNNING" });

describe("what is left of a running task", () => {
  const at = (step: number, totalSteps: number | null): Progress => ({ step, totalSteps, metric: null, updatedAt: NOW });

  it("is its steps to go at the pace of those done, as a range", () => {
    const left = remaining({ progress: at(10, 110), maxRuntimeMs: null }, NOW - 10 * MINUTE, 0, NOW);
    expect(left.lowMs).toBe(80 * MINUTE);
    expect(left.highMs).toBe(131 * MINUTE);
  });

  it("counts only the steps of this attempt, and what has passed since the last one", () => {
    const left = remaining({ progress: at(60, 110), maxRuntimeMs: null }, NOW - 10 * MINUTE, 50, NOW + 5 * MINUTE);
    expect(left.lowMs).toBe(35 * MINUTE);
  });

  it("is bounded by the time limit, and by nothing else before the first step", () => {
    expect(remaining({ progress: at(1, 1000), maxRuntimeMs: 30 * MINUTE }, NOW - 10 * MINUTE, 0, NOW).highMs).toBe(20 * MINUTE);
    expect(remaining({ progress: null, maxRuntimeMs: 30 * MINUTE }, NOW, 0, NOW)).toEqual({ lowMs: 0, highMs: 30 * MINUTE });
    expect(remaining({ progress: at(0, 10), maxRuntimeMs: null }, NOW, 0, NOW)).toEqual({ lowMs: 0, highMs: null });
    expect(remaining({ progress: at(5, null), maxRuntimeMs: null }, NOW, 0, NOW)).toEqual({ lowMs: 0, highMs: null });
  });
});

describe("what a task like others lasts", () => {
  it("lies around what they lasted, within its own limit", () => {
    expect(typical([10 * MINUTE, 20 * MINUTE], null)).toEqual({ lowMs: 8 * MINUTE, highMs: 26 * MINUTE });
    expect(typical([10 * MINUTE, 20 * MINUTE], 15 * MINUTE)).toEqual({ lowMs: 8 * MINUTE, highMs: 15 * MINUTE });
    expect(typical([], null)).toEqual({ lowMs: 0, highMs: null });
  });
});

describe("the estimate", () => {
  it("of a waiting task is from the earliest to the latest end of what it waits for", () => {
    const all = estimate(
      snapshot([running, task("w", 2)]),
      spans({ r: { lowMs: 10 * MINUTE, highMs: 20 * MINUTE }, w: { lowMs: 5 * MINUTE, highMs: 6 * MINUTE } }),
    );
    expect(all.get("w")).toEqual({
      startLow: NOW + 10 * MINUTE,
      startHigh: NOW + 20 * MINUTE,
      endLow: NOW + 15 * MINUTE,
      endHigh: NOW + 26 * MINUTE,
    });
    expect(all.get("r")).toEqual({ startLow: null, startHigh: null, endLow: NOW + 10 * MINUTE, endHigh: NOW + 20 * MINUTE });
  });

  it("follows the queue: who is third waits for two", () => {
    const each = { lowMs: 10 * MINUTE, highMs: 10 * MINUTE };
    const all = estimate(snapshot([running, task("w2", 3), task("w1", 2)]), spans({ r: each, w1: each, w2: each }));
    expect([all.get("w1")?.startHigh, all.get("w2")?.startHigh]).toEqual([NOW + 10 * MINUTE, NOW + 20 * MINUTE]);
  });

  it("has no upper end behind a task that nothing bounds, and none at all for one that is held, fits nowhere or has no head", () => {
    const open = [
      running,
      task("w", 2),
      task("held", 3, { held: true }),
      task("big", 4, { needs: { nodes: 2, gpusPerNode: 8, cpusPerNode: 1 } }),
    ];
    const all = estimate(snapshot(open), spans({ r: { lowMs: MINUTE, highMs: null } }));
    expect(all.get("w")).toMatchObject({ startLow: NOW + MINUTE, startHigh: null, endHigh: null });
    expect(all.has("held")).toBe(false);
    expect(all.has("big")).toBe(false);
    expect(estimate(snapshot(open, { nodes: null }), new Map()).has("w")).toBe(false);
  });

  it("waits for a next try that is not due", () => {
    const cooling = task("w", 2, { nextRunAt: NOW + 5 * MINUTE, waiting: { code: "cooling_down", text: "", details: {}, until: null } });
    expect(estimate(snapshot([cooling], { holds: [], nodes: [node("n1")] }), new Map()).get("w")).toMatchObject({
      startLow: NOW + 5 * MINUTE,
    });
  });
});
