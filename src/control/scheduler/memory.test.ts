import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Hold } from "../../domain/capacity.ts";
import type { AttemptFiles, Claim, NodeView } from "../../domain/types.ts";
import { eachBounded } from "./context.ts";
import { handOver, healthyTime, signOfLife, stillness } from "./memory.ts";

describe("time in which our own storage answered", () => {
  it("runs only between two good probes at most 10 s apart", () => {
    const healthy = healthyTime();
    healthy.probeOk(0);
    healthy.probeOk(10_000);
    expect(healthy.ms()).toBe(10_000);
    healthy.probeOk(20_001);
    expect(healthy.ms()).toBe(10_000);
    healthy.probeOk(25_001);
    expect(healthy.ms()).toBe(15_000);
  });

  it("stands still across a failed probe", () => {
    const healthy = healthyTime();
    healthy.probeOk(0);
    healthy.probeFailed();
    healthy.probeOk(5_000);
    expect(healthy.ms()).toBe(0);
  });

  it("never runs faster than the clock", () => {
    const probes = fc.array(fc.record({ gap: fc.nat(20_000), ok: fc.boolean() }));
    fc.assert(
      fc.property(probes, (list) => {
        const healthy = healthyTime();
        let now = 0;
        for (const { gap, ok } of list) {
          now += gap;
          if (ok) healthy.probeOk(now);
          else healthy.probeFailed();
        }
        expect(healthy.ms()).toBeLessThanOrEqual(now);
      }),
    );
  });
});

describe("for how long something stood still", () => {
  it("starts anew with each new value, and with each new key", () => {
    const still = stillness();
    expect([still.observe("a", "x", 0), still.observe("a", "x", 7), still.observe("a", "y", 9), still.observe("a", "y", 12)]).toEqual([
      0, 7, 0, 3,
    ]);
    expect(still.observe("b", "y", 50)).toBe(0);
    still.forget(new Set(["b"]));
    expect([still.observe("a", "y", 60), still.observe("b", "y", 60)]).toEqual([0, 10]);
  });

  it("moves only from one look to another, never at the first", () => {
    const still = stillness();
    const moved = ["x", "x", "y", "y"].map((value) => {
      still.observe("a", value, 0);
      return still.moved("a");
    });
    expect(moved).toEqual([false, false, true, false]);
    expect(still.moved("b")).toBe(false);
  });

  it("a claim, each beat, and the first beat after a claim are signs of life", () => {
    const claim: Claim = {
      by: "launcher",
      why: null,
      nonce: "n",
      host: "h",
      nodeId: null,
      agentIncarnation: null,
      containment: "pidns",
      raySession: null,
      at: "",
    };
    const files: AttemptFiles = { claim: null, lease: null, stop: null, result: null };
    const signs = [files, { ...files, claim }, { ...files, claim, lease: "1" }, { ...files, claim, lease: "2" }].map(signOfLife);
    expect(new Set(signs).size).toBe(4);
  });
});

describe("capacity of ended attempts", () => {
  const hold: Hold = { taskId: "t", userId: "u", placement: [{ node: "n1", gpus: 4, cpus: 1 }] };
  const view = (gpusUsed: number): readonly NodeView[] => [
    { node: "n1", rayNodeId: "r", address: null, gpusTotal: 8, cpusTotal: 8, gpusUsed, cpusUsed: 0, rivals: [], closed: null },
  ];

  const noAgents = (): null => null;

  it("where every node has an agent, is held until all of them call their nodes clean, whatever Ray shows", () => {
    const handed = handOver(0);
    handed.add("a", hold, 5);
    handed.observe(view(0), [], 1_000, () => false);
    expect(handed.holds()).toEqual([hold]);
    handed.observe(view(4), [], 2_000, (submissionId, endedBy) => submissionId === "a" && endedBy === 5);
    expect(handed.holds()).toEqual([]);
  });

  it("is held until Ray has shown it free twice, the cool-down apart", () => {
    const handed = handOver(3_000);
    handed.add("a", hold, 0);
    handed.observe(view(4), [], 0, noAgents);
    handed.observe(view(0), [], 1_000, noAgents);
    expect(handed.holds()).toEqual([hold]);
    handed.observe(view(4), [], 2_000, noAgents);
    handed.observe(view(0), [], 3_000, noAgents);
    handed.observe(view(0), [], 5_999, noAgents);
    expect(handed.holds()).toEqual([hold]);
    handed.observe(view(0), [], 6_000, noAgents);
    expect(handed.holds()).toEqual([]);
  });

  it("is a hand-over for a minute; what stays longer is a leftover, still held but no reason to wait for", () => {
    const handed = handOver(3_000);
    handed.add("a", hold, 0);
    expect(handed.fresh()).toEqual([hold]);
    handed.observe(view(4), [], 1_000, noAgents);
    handed.observe(view(4), [], 60_999, noAgents);
    expect(handed.fresh()).toEqual([hold]);
    handed.observe(view(4), [], 61_000, noAgents);
    expect(handed.fresh()).toEqual([]);
    expect(handed.holds()).toEqual([hold]);
  });

  it("GPUs that live attempts hold there are not the ended one's", () => {
    const handed = handOver(0);
    handed.add("a", hold, 0);
    handed.observe(view(4), [hold], 0, noAgents);
    expect(handed.holds()).toEqual([]);
  });

  it("a node that is gone holds nothing", () => {
    const handed = handOver(1_000);
    handed.add("a", hold, 0);
    handed.observe([], [], 0, noAgents);
    handed.observe([], [], 1_000, noAgents);
    expect(handed.holds()).toEqual([]);
  });
});

describe("bounded concurrency", () => {
  it("runs everything, never more than its width at once, and throws the first failure after the rest is done", async () => {
    let now = 0;
    let most = 0;
    const done: number[] = [];
    const work = eachBounded([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
      done.push(item);
      if (item === 2) throw new Error("two");
    });
    await expect(work).rejects.toThrow("two");
    expect(most).toBe(3);
    expect(done.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });
});
