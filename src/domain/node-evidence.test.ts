import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sampleNode } from "../../test/support/node-samples.ts";
import { type AttemptWatch, isClean, isSilent, NOTHING_SEEN, nodesWord, observePool, type PoolSight } from "./node-evidence.ts";
import type { NodeRecord } from "./node-record.ts";

const ID = "t--a01";
const PLACE = { submissionId: ID, incarnation: "i-n1" };

type Step = { readonly at: number; readonly records?: readonly NodeRecord[] | null; readonly workers?: readonly string[] | null };

function seen(steps: readonly Step[], from: PoolSight = NOTHING_SEEN): PoolSight {
  return steps.reduce((sight, { at, records = [], workers = ["ray-n1", "ray-n2"] }) => {
    return observePool(sight, { askedAt: at, readAt: at + 1, records, workers });
  }, from);
}

/** Both nodes beat each 5 s from 0 on; `lists` says until when each of them shows the attempt. */
function beats(until: number, lists: { readonly n1: number; readonly n2: number }, start = 0): readonly Step[] {
  const steps: Step[] = [];
  for (let at = start; at <= until; at += 5_000) {
    const record = (node: "n1" | "n2") => sampleNode(node, { seq: at / 5_000 + 1, attempts: at < lists[node] ? [ID] : [] });
    steps.push({ at, records: [record("n1"), record("n2")] });
  }
  return steps;
}

const WATCH: AttemptWatch = { since: 0, claimSeenAt: 1 };

function word(sight: PoolSight, watch = WATCH, place: typeof PLACE | { submissionId: string; incarnation: null } = PLACE, staleMs = 0) {
  return nodesWord(sight, watch, place, staleMs).kind;
}

describe("the word of the nodes", () => {
  it("is all_gone once the driver's node, and then every node, shows nothing of it in two late beats", () => {
    const kinds = Array.from({ length: 12 }, (_, i) => word(seen(beats(i * 5_000, { n1: 10_000, n2: 10_000 }))));
    // The beat at 15 s is the base, those of 20 and 25 s say that the driver is gone; then the same of both nodes.
    expect(kinds.indexOf("driver_gone")).toBeGreaterThanOrEqual(4);
    expect(kinds.indexOf("all_gone")).toBeGreaterThan(kinds.indexOf("driver_gone") + 2);
    expect(kinds.at(-1)).toBe("all_gone");
  });

  it("comes at once with the death of the incarnation, but for the other nodes' beats", () => {
    const dead = sampleNode("n1", { seq: 9, incarnation: null, rayNodeId: null, state: "searching", deadIncarnations: ["i-n1"] });
    const before = seen(beats(10_000, { n1: 99_000, n2: 0 }));
    const gone = seen([{ at: 12_000, records: [dead], workers: ["ray-n2"] }], before);
    expect(word(gone)).toBe("driver_gone");
    const later = [15_000, 20_000, 25_000, 30_000].map((at) => ({
      at,
      records: [{ ...dead, seq: at }, sampleNode("n2", { seq: at / 5_000 + 1 })],
      workers: ["ray-n2"],
    }));
    expect(word(seen(later, gone))).toBe("all_gone");
  });

  it.each<[string, (sight: PoolSight) => PoolSight, AttemptWatch, string]>([
    ["this server did not see the start", (sight) => sight, { since: null, claimSeenAt: 1 }, "driver_gone"],
    ["the claim was not read", (sight) => sight, { since: 0, claimSeenAt: null }, "nothing"],
    ["a worker has no agent", (sight) => seen([{ at: 60_001, records: null, workers: ["ray-n1", "other"] }], sight), WATCH, "driver_gone"],
    [
      "a worker without an agent was there shortly before",
      (sight) => ({ ...sight, workers: new Map([...sight.workers, ["other", -500_000]]) }),
      WATCH,
      "driver_gone",
    ],
    ["nobody looked for more than a minute", (sight) => ({ ...sight, blindAt: 30_000 }), WATCH, "driver_gone"],
  ])("is less where %s", (_, change, watch, kind) => {
    expect(word(change(seen(beats(60_000, { n1: 10_000, n2: 10_000 }))), watch)).toBe(kind);
  });

  it("is nothing for a launcher that no agent started, or of an agent that is not known", () => {
    const sight = seen(beats(60_000, { n1: 0, n2: 0 }));
    expect(word(sight, WATCH, { submissionId: ID, incarnation: null })).toBe("nothing");
    expect(nodesWord(sight, WATCH, { submissionId: ID, incarnation: "i-n9" }, 0).kind).toBe("nothing");
  });

  it("does not come from a node that vanished, however long", () => {
    const both = seen(beats(20_000, { n1: 10_000, n2: 99_000 }));
    const alone = Array.from({ length: 60 }, (_, i) => 25_000 + i * 5_000).map((at) => ({
      at,
      records: [sampleNode("n1", { seq: at })],
      workers: ["ray-n1"],
    }));
    expect(word(seen(alone, both))).toBe("driver_gone");
  });

  it("starts anew with another agent under the same name, and is not moved by a file that stands still", () => {
    const sight = seen(beats(15_000, { n1: 0, n2: 0 }));
    const still = Array.from({ length: 20 }, (_, i) => ({ at: 16_000 + i * 1_000, records: [sampleNode("n1", { seq: 4 })] }));
    const stood = seen(still, sight);
    expect(stood.nodes.get("n1")?.beats.length).toBe(sight.nodes.get("n1")?.beats.length);
    expect([15_002, 45_002].map((now) => isSilent(stood.nodes.get("n1") as never, now))).toEqual([false, true]);
    const agent = { ...sampleNode("n1").agent, nonce: "another" };
    const restarted = seen([{ at: 36_000, records: [sampleNode("n1", { seq: 1, agent })] }], sight);
    expect(word(restarted)).toBe("nothing");
  });
});

describe("a node that is to be handed over", () => {
  it("is clean after two beats that were begun after the end, and can't be told without an agent", () => {
    const sight = seen(beats(30_000, { n1: 5_000, n2: 12_000 }));
    const both = ["ray-n1", "ray-n2"];
    expect(isClean(sight, both, ID, 12_000, 30_001, 0)).toBe(true);
    expect(isClean(sight, both, ID, 16_000, 30_001, 0)).toBe(false);
    expect(isClean(sight, [...both, "other"], ID, 0, 30_001, 0)).toBeNull();
    expect(isClean(sight, both, ID, 0, 70_000, 0)).toBeNull();
    expect(isClean(sight, [], ID, 0, 30_001, 0)).toBeNull();
  });
});

describe("whatever the agents and the storage do", () => {
  /** A node's agent: how long it waits before each scan, and how long each write then takes. */
  const agent = fc.array(
    fc.record({
      wait: fc.integer({ min: 2_000, max: 5_000 }),
      write: fc.oneof({ weight: 6, arbitrary: fc.nat(200) }, { weight: 1, arbitrary: fc.nat(30_000) }),
    }),
    {
      minLength: 10,
      maxLength: 40,
    },
  );
  const history = fc.record({
    claimAt: fc.nat(8_000),
    driverMs: fc.integer({ min: 0, max: 120_000 }),
    /** Parts of the gang: on which node, how long after the claim it starts (while the driver lives), how long it lives. */
    parts: fc.array(fc.record({ node: fc.nat(2), startMs: fc.nat(60_000), ms: fc.nat(80_000) }), { maxLength: 3 }),
    agents: fc.tuple(agent, agent, agent),
    staleMs: fc.constantFrom(0, 60_000),
    lag: fc.nat(60_000),
    reads: fc.array(fc.record({ gap: fc.integer({ min: 200, max: 6_000 }), took: fc.nat(1_500), fresh: fc.boolean() }), {
      minLength: 20,
      maxLength: 80,
    }),
    claimReadAfter: fc.nat(5_000),
  });

  /** So that a stale view shows beats of the time before the claim. */
  const BEATS_BEFORE_MS = 70_000;

  it("all_gone is never said of what lives: by the truth, at that very time", () => {
    let said = 0;
    fc.assert(
      fc.property(history, ({ claimAt, driverMs, parts, agents, staleMs, lag, reads, claimReadAfter }) => {
        const driverEnd = claimAt + driverMs;
        const processes = [
          { node: 0, from: claimAt, to: driverEnd },
          ...parts.map(({ node, startMs, ms }) => {
            const from = claimAt + Math.min(startMs, Math.max(0, driverMs - 1));
            return { node, from, to: from + ms };
          }),
        ];
        const written = agents.map((steps, node) => {
          let now = -BEATS_BEFORE_MS;
          return [{ wait: 0, write: 0 }, ...steps].map(({ wait, write }, index) => {
            const scan = now + wait;
            now = scan + write;
            const lives = processes.some((one) => one.node === node && one.from <= scan && scan < one.to);
            return { at: now, record: sampleNode(`n${node + 1}`, { seq: index + 1, attempts: lives ? [ID] : [] }) };
          });
        });
        let sight = NOTHING_SEEN;
        let now = 0;
        for (const { gap, took, fresh } of reads) {
          const askedAt = now;
          const view = askedAt - Math.min(fresh && lag < 5_000 ? 0 : lag, staleMs);
          const records = written.flatMap((beats) => beats.findLast((one) => one.at <= view)?.record ?? []);
          sight = observePool(sight, { askedAt, readAt: askedAt + took, records, workers: ["ray-n1", "ray-n2", "ray-n3"] });
          now = askedAt + took + gap;
          const claimSeenAt = claimAt + claimReadAfter;
          if (askedAt + took < claimSeenAt) continue;
          if (nodesWord(sight, { since: 0, claimSeenAt }, PLACE, staleMs).kind !== "all_gone") continue;
          said += 1;
          for (const { to } of processes) if (to > askedAt + took) throw new Error(`called gone at ${askedAt + took}, lives until ${to}`);
        }
      }),
      { numRuns: 600 },
    );
    // Seen 11 to 150 times in 20 runs; never would hold nothing.
    expect(said).toBeGreaterThan(0);
  });
});
