import fc from "fast-check";
import { expect, test } from "vitest";
import { NO_WANT } from "./node-record.ts";
import { ANSWER_MS, decideWorker, isSameHead, JOIN_MS, type RayletView, UNLISTED_MS, type WorkerView } from "./worker-watch.ts";

const A = { address: "10.0.0.1:6379", session: "session_1" };
const B = { address: "10.0.0.2:6379", session: "session_2" };
const A2 = { ...A, session: "session_9" };
const why = { code: "no_head", text: "there is no head.json" };
const good = (head: typeof A): NonNullable<WorkerView["answer"]> => ({ head, ageMs: 0, isThatSession: true, why });
const running = (over: Partial<RayletView & { kind: "running" }> = {}): RayletView => ({
  kind: "running",
  head: A,
  forMs: 60_000,
  unlistedMs: 0,
  hasJoined: true,
  ...over,
});
const view: WorkerView = {
  unbeatenMs: 0,
  selfFenceMs: 30_000,
  nameTakenBy: null,
  want: NO_WANT,
  dirt: [],
  head: A,
  headWhy: why,
  answer: good(A),
  raylet: { kind: "none", backoffMs: 0 },
  lastEnd: "",
  attempts: 0,
};
const decide = (over: Partial<WorkerView>) => {
  const { state, act, why: because } = decideWorker({ ...view, ...over });
  return [state, act, because?.code ?? null];
};

test("a node waits for a head, asks the one that is named who it is, and joins the one that says so", () => {
  expect(decide({ head: null })).toEqual(["searching", "none", "no_head"]);
  expect(decide({ answer: null })).toEqual(["searching", "ask", "asking"]);
  expect(decide({ answer: good(B) })).toEqual(["searching", "ask", "asking"]);
  expect(decide({ answer: { ...good(A), ageMs: ANSWER_MS + 1 } })).toEqual(["searching", "ask", "asking"]);
  expect(decide({ answer: { ...good(A), isThatSession: false, why: { code: "other_session", text: "" } } })).toEqual([
    "searching",
    "ask",
    "other_session",
  ]);
  expect(decide({})).toEqual(["joining", "start", "joining"]);
  expect(decide({ raylet: running({ hasJoined: false }) })).toEqual(["joining", "none", "joining"]);
  expect(decide({ raylet: running() })).toEqual(["joined", "none", null]);
});

test("a joined node stays while its head is silent or head.json is not to be believed, and leaves only for a head that answers", () => {
  expect(decide({ raylet: running(), head: null, answer: null })).toEqual(["joined", "none", "no_head"]);
  expect(decide({ raylet: running(), answer: { ...good(A), isThatSession: false } })).toEqual(["joined", "none", null]);
  expect(decide({ raylet: running(), head: B, answer: null })).toEqual(["joined", "ask", "asking"]);
  expect(decide({ raylet: running(), head: B, answer: { ...good(B), isThatSession: false } })).toEqual(["joined", "ask", "no_head"]);
  expect(decide({ raylet: running(), head: B, answer: good(B) })).toEqual(["leaving", "end", "head_changed"]);
  expect(decide({ raylet: running(), head: A2, answer: good(A2) })).toEqual(["leaving", "end", "head_changed"]);
});

test("a node that could not beat for self_fence_s kills its raylet, and one that has none starts none", () => {
  expect(decide({ unbeatenMs: 30_001, raylet: running(), attempts: 3 })).toEqual(["fenced", "end", "storage_lost"]);
  expect(decide({ unbeatenMs: 30_001 })).toEqual(["fenced", "none", "storage_lost"]);
  expect(decide({ unbeatenMs: 30_000, raylet: running() })).toEqual(["joined", "none", null]);
});

test.each(["cordon", "drain"] as const)("with %s a node lets its attempts end, then leaves and stays out", (wish) => {
  const want = { ...NO_WANT, [wish]: true, by: "admin", reason: "fan" };
  const code = wish === "cordon" ? "cordoned" : "drained";
  expect(decide({ want, raylet: running(), attempts: 1 })).toEqual(["leaving", "none", `${code}_waits`]);
  expect(decide({ want, raylet: running() })).toEqual(["leaving", "end", code]);
  expect(decide({ want })).toEqual(["cordoned", "none", code]);
  expect(decideWorker({ ...view, want }).why?.text).toContain("by admin: fan");
});

test("what is dirty does not join, and once joined it says so and runs on", () => {
  const dirt = [{ code: "gpu_ecc", text: "GPU-1 has 3 uncorrected memory errors" }];
  expect(decide({ dirt })).toEqual(["dirty", "none", "gpu_ecc"]);
  expect(decide({ dirt, raylet: running(), attempts: 1 })).toEqual(["dirty", "none", "gpu_ecc"]);
  expect(decide({ raylet: { kind: "ending", isStuck: false } })).toEqual(["leaving", "none", "ending"]);
  expect(decide({ raylet: { kind: "ending", isStuck: true } })).toEqual(["dirty", "none", "leftover_processes"]);
});

test("a raylet that the head does not list is started anew, with more patience for one that has never joined", () => {
  expect(decide({ raylet: running({ unlistedMs: UNLISTED_MS }) })).toEqual(["leaving", "end", "not_listed"]);
  expect(decide({ raylet: running({ unlistedMs: UNLISTED_MS, hasJoined: false }) })).toEqual(["joining", "none", "joining"]);
  expect(decide({ raylet: running({ unlistedMs: JOIN_MS, hasJoined: false }) })).toEqual(["leaving", "end", "not_listed"]);
  expect(decide({ raylet: { kind: "none", backoffMs: 4_000 }, lastEnd: "was ended by SIGKILL" })).toEqual([
    "searching",
    "ask",
    "backing_off",
  ]);
});

test("two agents of one name: the younger leaves, and waits", () => {
  expect(decide({ nameTakenBy: "gpu-2" })).toEqual(["searching", "none", "name_taken"]);
  expect(decide({ nameTakenBy: "gpu-2", raylet: running() })).toEqual(["leaving", "end", "name_taken"]);
});

const heads = fc.constantFrom(A, A, A, A2, B);
const seldom = fc.nat(5).map((one) => one === 0);
const views: fc.Arbitrary<WorkerView> = fc.record({
  unbeatenMs: fc.constantFrom(0, 0, 29_999, 30_000, 30_001),
  selfFenceMs: fc.constant(30_000),
  nameTakenBy: fc.constantFrom(null, null, "other"),
  want: fc.record({ cordon: seldom, drain: seldom }).map((wish) => ({ ...NO_WANT, ...wish })),
  dirt: fc.constantFrom([], [], [{ code: "shm_low", text: "low" }]),
  head: fc.option(heads),
  headWhy: fc.constant(why),
  answer: fc.option(
    fc.record({
      head: heads,
      ageMs: fc.constantFrom(0, ANSWER_MS, ANSWER_MS + 1),
      isThatSession: seldom.map((one) => !one),
      why: fc.constant(why),
    }),
  ),
  raylet: fc.oneof(
    fc.record({ kind: fc.constant("none" as const), backoffMs: fc.constantFrom(0, 0, 900) }),
    fc.record({
      kind: fc.constant("running" as const),
      head: heads,
      forMs: fc.nat(200_000),
      unlistedMs: fc.constantFrom(0, UNLISTED_MS - 1, UNLISTED_MS, JOIN_MS),
      hasJoined: fc.boolean(),
    }),
    fc.record({ kind: fc.constant("ending" as const), isStuck: fc.boolean() }),
  ),
  lastEnd: fc.constant(""),
  attempts: fc.nat(2),
});

test("whatever the world is like, it starts beside nothing, for a proven head only, and ends an attempt's raylet only for a reason of rule 5", () => {
  let starts = 0;
  let ends = 0;
  fc.assert(
    fc.property(views, (seen) => {
      const { act, state, why: because } = decideWorker(seen);
      if (state !== "joined") expect(because?.text).toMatch(/\w/);
      const { raylet, head, answer } = seen;
      const isProven =
        head !== null && answer !== null && isSameHead(answer.head, head) && answer.isThatSession && answer.ageMs <= ANSWER_MS;
      if (act === "start") {
        starts += 1;
        expect(raylet).toEqual({ kind: "none", backoffMs: 0 });
        expect(isProven && seen.dirt.length === 0 && !seen.want.cordon && !seen.want.drain && seen.unbeatenMs <= seen.selfFenceMs).toBe(
          true,
        );
      }
      if (act === "end") {
        ends += 1;
        expect(raylet.kind).toBe("running");
        const isFenced = seen.unbeatenMs > seen.selfFenceMs;
        const hasMoved = raylet.kind === "running" && isProven && !isSameHead(raylet.head, head);
        const isUnlisted = raylet.kind === "running" && raylet.unlistedMs >= UNLISTED_MS;
        expect(isFenced || hasMoved || isUnlisted || seen.attempts === 0).toBe(true);
      }
    }),
    { numRuns: 3_000 },
  );
  // Drawn by chance: never would hold nothing.
  expect(Math.min(starts, ends)).toBeGreaterThan(0);
});
