import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import type { HeadBeat, HeadReading, HeadRecord } from "./head-record.ts";
import {
  decideHead,
  decideHold,
  decideStart,
  HEAD_BEAT_MS,
  headTimes,
  type HeadLook,
  type HeadSight,
  isMemoryCurrent,
  isOwnerGone,
  NOTHING_SEEN,
  type Predecessor,
  seeHead,
} from "./head-watch.ts";

const times = headTimes(false);
const LOOK_MS = 1_000;

function record(over: Partial<HeadRecord> = {}): HeadRecord {
  return {
    cluster: "c1",
    epoch: 7,
    seq: 1,
    released: false,
    owner: { host: "h", nonce: "n7", process: null },
    session: "s1",
    address: "10.0.0.1:6379",
    dashboardUrl: "http://10.0.0.1:8265",
    rayVersion: "2.60.0",
    pythonVersion: "3.11.2",
    ...over,
  };
}

const ok = (over: Partial<HeadRecord> = {}): HeadReading => ({ kind: "ok", head: record(over) });

function starting(over: Partial<HeadBeat>): HeadReading {
  const { cluster, epoch, seq, released, owner } = record(over);
  return { kind: "starting", beat: { cluster, epoch, seq, released, owner } };
}

/** Looks each second for `seconds`; `look` is told how many seconds have passed. */
function watch(look: (second: number) => HeadLook, seconds: number, from: HeadSight = NOTHING_SEEN): HeadSight {
  let sight = from;
  const start = from.lookedAt ?? 0;
  for (let second = 1; second <= seconds; second += 1) sight = seeHead(sight, look(second), start + second * LOOK_MS);
  return sight;
}

const beating = (over: Partial<HeadRecord> = {}) => {
  return (second: number) => ok({ ...over, seq: 1 + Math.floor((second * LOOK_MS) / HEAD_BEAT_MS) });
};

const decide = (sight: HeadSight, over: { isOwnerGone?: boolean; takeOver?: boolean } = {}) =>
  decideHead({ sight, isOwnerGone: false, takeOver: false, times, ...over });

describe("a head is claimed", () => {
  it("at once when there is no head.json", () => {
    expect(decide(watch(() => ({ kind: "absent" }), 1))).toEqual({ kind: "claim", why: "absent" });
  });

  it("at once when the last one released it, and when its owner is proven gone on this machine", () => {
    expect(decide(watch(() => ok({ released: true }), 1))).toEqual({ kind: "claim", why: "released" });
    expect(
      decide(
        watch(() => ok(), 1),
        { isOwnerGone: true },
      ),
    ).toEqual({ kind: "claim", why: "owner_gone" });
  });

  it("when its seq stood still for 30 s of our own watching, 95 s on a network file system", () => {
    expect(decide(watch(() => ok(), 30))).toEqual({ kind: "stand_by", why: "beating" });
    const silent = watch(() => ok(), 32);
    expect(decide(silent)).toEqual({ kind: "claim", why: "silent" });
    const network = (sight: HeadSight) => decideHead({ sight, isOwnerGone: false, takeOver: false, times: headTimes(true) }).kind;
    expect(network(silent)).toBe("stand_by");
    expect(network(watch(() => ok(), 97))).toBe("claim");
  });

  it("from a live one only when the operator says so", () => {
    const sight = watch(beating(), 300);
    expect(decide(sight)).toEqual({ kind: "stand_by", why: "beating" });
    expect(decide(sight, { takeOver: true })).toEqual({ kind: "claim", why: "take_over" });
  });

  it("not while another one that took the epoch is starting", () => {
    expect(decide(watch((second) => starting({ epoch: 8, seq: second }), 200))).toEqual({ kind: "stand_by", why: "starting" });
    expect(decide(watch(() => starting({ epoch: 8 }), 32))).toEqual({ kind: "claim", why: "silent" });
  });

  it("not while the storage does not answer, nor for the time in which it did not, nor for the time in which we were stopped", () => {
    const before = watch(() => ok(), 20);
    const blind = watch(() => ({ kind: "unknown" }), 300, before);
    expect(decide(blind, { takeOver: true })).toEqual({ kind: "stand_by", why: "unknown" });
    expect(decide(seeHead(blind, ok(), 1_000_000))).toEqual({ kind: "stand_by", why: "beating" });
    expect(decide(seeHead(before, ok(), 1_000_000))).toEqual({ kind: "stand_by", why: "beating" });
  });

  it("not at once when a file that we saw is lost or spoilt: the head that lives writes it again", () => {
    const before = watch(beating(), 60);
    for (const look of [{ kind: "absent" }, { kind: "unreadable", why: "noise" }] as const) {
      expect(decide(watch(() => look, 20, before)).kind).toBe("stand_by");
      expect(decide(watch(() => look, 40, before))).toEqual({ kind: "claim", why: "silent" });
    }
    expect(decide(watch(() => ({ kind: "unreadable", why: "noise" }), 10)).kind).toBe("stand_by");
  });
});

describe("a reader", () => {
  it("keeps its last good head while a new one starts, and whatever the file becomes", () => {
    const before = watch(() => ok(), 1);
    const looks: HeadLook[] = [starting({ epoch: 8 }), { kind: "absent" }, { kind: "unreadable", why: "a directory" }, { kind: "unknown" }];
    for (const look of looks) expect(seeHead(before, look, 2_000).head?.session).toBe("s1");
  });

  it("does not go back to an older head that a stale cache shows", () => {
    const now = watch(() => ok({ epoch: 8, owner: { host: "i", nonce: "n8", process: null } }), 1);
    const stale = watch(() => ok(), 300, now);
    expect(stale).toMatchObject({ head: { epoch: 8 }, file: "stale" });
    expect(seeHead(now, ok({ epoch: 8, seq: 0, owner: { host: "i", nonce: "n8", process: null } }), 2_000).head?.seq).toBe(1);
  });

  it("does go back to one that beats, once the newer one has been silent: discovery was wiped, or a hostile record was planted", () => {
    const planted = watch(() => ok({ epoch: 9_999, owner: { host: "evil", nonce: "e", process: null } }), 1);
    expect(watch(beating(), 90, planted).head?.epoch).toBe(9_999);
    expect(watch(beating(), 110, planted).head?.epoch).toBe(7);
  });
});

describe("a head", () => {
  const scene = { epoch: 7, highestEpoch: 7, unbeatenMs: 0, times };
  it.for([
    ["goes on while it beats", {}, { kind: "hold" }],
    ["goes on when somebody wiped the epochs", { highestEpoch: 0 }, { kind: "hold" }],
    ["steps down for a higher epoch", { highestEpoch: 8 }, { kind: "step_down", why: "superseded" }],
    ["steps down when it could not beat for 30 s", { unbeatenMs: 30_001 }, { kind: "step_down", why: "fenced" }],
    ["outlasts a fail-over of NFS", { unbeatenMs: 100_000, times: headTimes(true) }, { kind: "hold" }],
  ] as const)("%s", ([, over, decision]) => {
    expect(decideHold({ ...scene, ...over })).toEqual(decision);
  });
});

describe("Ray is started", () => {
  const alive: Predecessor = { released: false, hasEnded: false, isGone: false, answers: true, silentMs: 0 };
  it.for([
    ["at once on a memory of this machine's own", "own_disk", alive, { kind: "start" }],
    ["at once without any", "none", alive, { kind: "start" }],
    ["on a shared one when nobody was there before", "shared", null, { kind: "start" }],
    ["on a shared one when the last head said that it ended", "shared", { ...alive, hasEnded: true }, { kind: "start" }],
    [
      "on a shared one not beside a head that answers",
      "shared",
      { ...alive, silentMs: 999_999 },
      { kind: "wait", why: "answers", leftMs: 0 },
    ],
    [
      "on a shared one not before the silent head must have fenced itself",
      "shared",
      { ...alive, answers: false, silentMs: 30_000 },
      { kind: "wait", why: "quarantine", leftMs: 50_000 },
    ],
    ["on a shared one after that", "shared", { ...alive, answers: false, silentMs: 80_000 }, { kind: "start" }],
  ] as const)("%s", ([, memory, predecessor, decision]) => {
    expect(decideStart(memory, predecessor, times)).toEqual(decision);
  });
});

test("a memory on disk is the cluster's latest only when nobody else was head since", () => {
  const own = [
    { epoch: 3, nonce: "a" },
    { epoch: 7, nonce: "b" },
  ];
  expect(isMemoryCurrent(own, { epoch: 7, nonce: "b" })).toBe(true);
  expect(isMemoryCurrent(own, { epoch: 7, nonce: "c" })).toBe(false);
  expect(isMemoryCurrent(own, { epoch: 8, nonce: "d" })).toBe(false);
  expect(isMemoryCurrent([], null)).toBe(false);
});

test.for([
  ["its process is gone", {}, false, true],
  ["its process lives", {}, true, false],
  ["it ran in another PID namespace of this machine, where our pids mean nothing", { pidNamespace: "pid:[2]" }, false, false],
  ["the machine was started anew and the claim stands on its disk", { bootId: "before", nonce: "ours" }, true, true],
  ["it is another machine with the same host name", { bootId: "other" }, false, false],
] as const)("the owner of head.json is proven gone, or not: %s", ([, over, lives, gone]) => {
  const { nonce, ...process } = { nonce: "n", pid: 5, startTicks: 6, bootId: "b", pidNamespace: "pid:[1]", ...over };
  const here = {
    bootId: "b",
    pidNamespace: "pid:[1]",
    isAlive: (pid: number, startTicks: number) => lives && pid === 5 && startTicks === 6,
    own: [{ epoch: 1, nonce: "ours" }],
  };
  expect(isOwnerGone({ host: "h", nonce, process }, here)).toBe(gone);
  expect(isOwnerGone({ host: "h", nonce: "ours", process: null }, here)).toBe(false);
});

test("whatever a reader sees, in whatever order, a head that beats within 30 s of watching is never claimed without a word", () => {
  const noise: fc.Arbitrary<HeadLook> = fc.oneof(
    fc.constant<HeadLook>({ kind: "absent" }),
    fc.constant<HeadLook>({ kind: "unknown" }),
    fc.constant<HeadLook>({ kind: "unreadable", why: "torn" }),
    fc.record({ epoch: fc.nat(6), seq: fc.nat(50) }).map(({ epoch, seq }) => ok({ epoch, seq })),
  );
  const scenario = fc.array(fc.tuple(noise, fc.integer({ min: 1, max: 5_000 })), { maxLength: 400 });
  fc.assert(
    fc.property(scenario, (looks) => {
      let [sight, now, seq, sinceBeat] = [seeHead(NOTHING_SEEN, ok(), 0), 0, 1, 0];
      for (const [look, passed] of looks) {
        now += passed;
        sinceBeat += passed;
        // The head beats and is seen, at the latest just before it would be given up.
        const isSeen = sinceBeat + 5_000 > times.silenceMs;
        if (isSeen) [seq, sinceBeat] = [seq + 1, 0];
        sight = seeHead(sight, isSeen ? ok({ seq }) : look, now);
        expect(decide(sight).kind).toBe("stand_by");
        expect(sight.head?.epoch).toBe(7);
      }
    }),
    { numRuns: 100 },
  );
});
