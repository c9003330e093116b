import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sampleAttempt, sampleTask } from "../../test/support/sample-task.ts";
import { type Observation, settle, type Settlement } from "./reconciliation.ts";
import type { Attempt, AttemptFiles, AttemptResult, Claim, RayJobView, Task } from "./types.ts";

const TIMING = { startTimeoutMs: 300_000, selfFenceMs: 30_000, quarantineMs: 80_000 };

const CLAIM: Claim = {
  by: "launcher",
  why: null,
  nonce: "n1",
  host: "h1",
  nodeId: null,
  agentIncarnation: null,
  containment: "pidns",
  raySession: "session_1",
  at: "2026-01-01T00:00:00.000Z",
};
const REVOKED: Claim = { ...CLAIM, by: "server", why: "ray_lost", nonce: "s1", containment: "none" };
const RESULT: AttemptResult = {
  nonce: "n1",
  outcome: "exited",
  exitCode: 0,
  signal: null,
  stopWhy: null,
  oomKill: false,
  startedAt: "2026-01-01T00:00:00.000Z",
  endedAt: "2026-01-01T00:00:01.000Z",
  error: null,
};

const absent: RayJobView = { kind: "absent" };
const unknown: RayJobView = { kind: "unknown", error: "no answer" };
function found(status: "PENDING" | "RUNNING" | "STOPPED" | "SUCCEEDED" | "FAILED"): RayJobView {
  return { kind: "found", status, message: "", errorType: null, nodeId: null };
}

type Case = {
  readonly task?: Partial<Task>;
  readonly attempt?: Partial<Attempt>;
  readonly files?: Partial<AttemptFiles>;
  readonly seen?: Partial<Omit<Observation, "files">>;
};

function settled({ task, attempt, files, seen }: Case): Settlement {
  return settle(
    sampleTask({ state: "SUBMITTED", attempts: 1, ...task }),
    sampleAttempt(attempt),
    {
      files: { claim: null, lease: null, stop: null, result: null, ...files },
      ray: unknown,
      session: "session_1",
      unclaimedMs: 0,
      leaseStillMs: 0,
      nodesSay: "nothing",
      timeIsUp: false,
      requeueIsDue: false,
      stallIsDue: false,
      ...seen,
    },
    TIMING,
  );
}

const CANCEL = { cancelRequestedAt: 1 } as const;
const RUNNING = { state: "RUNNING" } as const;
const SUBMITTING = { state: "SUBMITTING" } as const;

describe("an attempt without a claim", () => {
  const table: readonly [string, Case, Settlement][] = [
    ["Ray does not answer: nothing is known", { attempt: SUBMITTING, seen: { ray: unknown } }, { kind: "wait" }],
    ["no head: nothing is known", { attempt: SUBMITTING, seen: { ray: absent, session: null } }, { kind: "wait" }],
    [
      "absent in the session it was sent to: the same id is sent again",
      { attempt: SUBMITTING, seen: { ray: absent } },
      { kind: "post_again" },
    ],
    ["known to Ray: submitted", { attempt: SUBMITTING, seen: { ray: found("PENDING") } }, { kind: "submitted" }],
    ["running in Ray, not claimed yet: submitted", { attempt: SUBMITTING, seen: { ray: found("RUNNING") } }, { kind: "submitted" }],
    ["pending: waits", { seen: { ray: found("PENDING") } }, { kind: "wait" }],
    ["absent in the same session, though Ray knew it: sent again", { seen: { ray: absent } }, { kind: "post_again" }],
    ["absent in a new session: revoked", { seen: { ray: absent, session: "session_2" } }, { kind: "revoke", why: "ray_lost" }],
    ["ended in Ray before it started: revoked", { seen: { ray: found("FAILED") } }, { kind: "revoke", why: "ray_lost" }],
    ["stopped in Ray before it started: revoked", { seen: { ray: found("STOPPED") } }, { kind: "revoke", why: "ray_lost" }],
    ["SUCCEEDED in Ray without a claim: revoked", { seen: { ray: found("SUCCEEDED") } }, { kind: "revoke", why: "ray_lost" }],
    ["pending a moment less than the start time-out", { seen: { ray: found("PENDING"), unclaimedMs: 299_999 } }, { kind: "wait" }],
    [
      "pending for the start time-out: revoked",
      { seen: { ray: found("PENDING"), unclaimedMs: 300_000 } },
      { kind: "revoke", why: "start_timeout" },
    ],
    [
      "a head that answers, but never about this job: revoked after the start time-out",
      { attempt: SUBMITTING, seen: { ray: unknown, unclaimedMs: 300_000 } },
      { kind: "revoke", why: "start_timeout" },
    ],
    [
      "a head that refuses the job each time it is sent: revoked after the start time-out",
      { attempt: SUBMITTING, seen: { ray: absent, unclaimedMs: 300_000 } },
      { kind: "revoke", why: "start_timeout" },
    ],
    [
      "the time-out alone, while no head answers, revokes nothing",
      { seen: { ray: unknown, session: null, unclaimedMs: 1e9 } },
      { kind: "wait" },
    ],
    ["cancel, whatever Ray says", { task: CANCEL, seen: { ray: found("PENDING") } }, { kind: "revoke", why: "cancel" }],
    ["cancel while Ray is down", { task: CANCEL, seen: { ray: unknown, session: null } }, { kind: "revoke", why: "cancel" }],
    ["its time is over", { seen: { ray: found("PENDING"), timeIsUp: true } }, { kind: "revoke", why: "cancel" }],
    ["it goes back to the queue at once", { seen: { ray: found("PENDING"), requeueIsDue: true } }, { kind: "revoke", why: "cancel" }],
  ];
  it.each(table)("%s", (_, input, expected) => {
    expect(settled(input)).toEqual(expected);
  });
});

describe("an attempt whose claim the server holds", () => {
  it("ended without a start, whatever else is seen", () => {
    const never = { kind: "end", ending: { kind: "never_started", why: "ray_lost" } };
    expect(settled({ files: { claim: REVOKED }, seen: { ray: found("RUNNING") } })).toEqual(never);
    expect(settled({ files: { claim: REVOKED, result: RESULT }, attempt: RUNNING })).toEqual(never);
  });
});

describe("an attempt that its launcher has claimed", () => {
  const ended = (result: AttemptResult): Settlement => ({ kind: "end", ending: { kind: "result", result } });
  const table: readonly [string, Case, Settlement][] = [
    ["is RUNNING from now on", { files: { claim: CLAIM } }, { kind: "claimed", claim: CLAIM }],
    [
      "is RUNNING also when Ray never confirmed it",
      { attempt: SUBMITTING, files: { claim: CLAIM }, seen: { ray: absent } },
      { kind: "claimed", claim: CLAIM },
    ],
    ["has a start before it has an end", { files: { claim: CLAIM, result: RESULT } }, { kind: "claimed", claim: CLAIM }],
    ["is followed", { attempt: RUNNING, files: { claim: CLAIM } }, { kind: "wait" }],
    ["ends by its result", { attempt: RUNNING, files: { claim: CLAIM, result: RESULT } }, ended(RESULT)],
    ["ends by its result also after a cancel", { task: CANCEL, attempt: RUNNING, files: { claim: CLAIM, result: RESULT } }, ended(RESULT)],
    [
      "does not end by somebody else's result",
      { attempt: RUNNING, files: { claim: CLAIM, result: { ...RESULT, nonce: "n2" } } },
      { kind: "wait" },
    ],
    ["goes on while Ray says FAILED", { attempt: RUNNING, files: { claim: CLAIM }, seen: { ray: found("FAILED") } }, { kind: "wait" }],
    [
      "goes on in a head without memory",
      { attempt: RUNNING, files: { claim: CLAIM }, seen: { ray: absent, session: "session_2" } },
      { kind: "wait" },
    ],
    ["is told to stop on cancel", { task: CANCEL, attempt: RUNNING, files: { claim: CLAIM } }, { kind: "stop", why: "cancel" }],
    ["is told once", { task: CANCEL, attempt: RUNNING, files: { claim: CLAIM, stop: "cancel" } }, { kind: "wait" }],
    [
      "is told to stop when its time is over",
      { attempt: RUNNING, files: { claim: CLAIM }, seen: { timeIsUp: true } },
      { kind: "stop", why: "deadline" },
    ],
    [
      "is told to stop when its requeue is due",
      { attempt: RUNNING, files: { claim: CLAIM }, seen: { requeueIsDue: true } },
      { kind: "stop", why: "requeue" },
    ],
    [
      "is told to stop when it makes no progress and is to go on from its checkpoint",
      { attempt: RUNNING, files: { claim: CLAIM }, seen: { stallIsDue: true } },
      { kind: "stop", why: "stalled" },
    ],
    [
      "a requeue counts before a stall",
      { attempt: RUNNING, files: { claim: CLAIM }, seen: { stallIsDue: true, requeueIsDue: true } },
      { kind: "stop", why: "requeue" },
    ],
    [
      "a cancel counts before a requeue",
      { task: CANCEL, attempt: RUNNING, files: { claim: CLAIM }, seen: { requeueIsDue: true } },
      { kind: "stop", why: "cancel" },
    ],
    [
      "a deadline counts before a requeue",
      { attempt: RUNNING, files: { claim: CLAIM }, seen: { timeIsUp: true, requeueIsDue: true } },
      { kind: "stop", why: "deadline" },
    ],
    [
      "a cancel counts before a deadline",
      { task: CANCEL, attempt: RUNNING, files: { claim: CLAIM }, seen: { timeIsUp: true } },
      { kind: "stop", why: "cancel" },
    ],
    [
      "silent for less than its self-fence",
      { attempt: RUNNING, files: { claim: CLAIM }, seen: { leaseStillMs: 29_999 } },
      { kind: "wait" },
    ],
    [
      "silent for its self-fence: quarantine",
      { attempt: RUNNING, files: { claim: CLAIM }, seen: { leaseStillMs: 30_000 } },
      { kind: "quarantine", remainingMs: 50_000 },
    ],
    [
      "silent for Q: lost",
      { attempt: RUNNING, files: { claim: CLAIM }, seen: { leaseStillMs: 80_000 } },
      { kind: "end", ending: { kind: "lost", evidence: "silence" } },
    ],
    [
      "silent for Q in a user namespace: lost",
      { attempt: RUNNING, files: { claim: { ...CLAIM, containment: "userns" } }, seen: { leaseStillMs: 80_000 } },
      { kind: "end", ending: { kind: "lost", evidence: "silence" } },
    ],
    [
      "silent for ever without containment: never lost by the clock alone",
      { attempt: RUNNING, files: { claim: { ...CLAIM, containment: "group" } }, seen: { leaseStillMs: 1e12 } },
      { kind: "quarantine", remainingMs: null },
    ],
    [
      "a result ends the quarantine",
      { attempt: RUNNING, files: { claim: CLAIM, result: RESULT }, seen: { leaseStillMs: 1e9 } },
      ended(RESULT),
    ],
  ];
  it.each(table)("%s", (_, input, expected) => {
    expect(settled(input)).toEqual(expected);
  });
});

const anyRay: fc.Arbitrary<RayJobView> = fc.oneof(
  fc.constant(absent),
  fc.constant(unknown),
  fc.constantFrom("PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED").map(found),
);
const anyCase = fc.record({
  task: fc.constantFrom({}, CANCEL),
  attempt: fc.constantFrom<Partial<Attempt>>(SUBMITTING, { state: "SUBMITTED" }, RUNNING),
  ray: anyRay,
  session: fc.constantFrom(null, "session_1", "session_2"),
  unclaimedMs: fc.nat(1_000_000),
  leaseStillMs: fc.nat(200_000),
  timeIsUp: fc.boolean(),
  requeueIsDue: fc.boolean(),
  stallIsDue: fc.boolean(),
  stop: fc.constantFrom(null, "cancel", "superseded", "deadline", "requeue", "stalled"),
  containment: fc.constantFrom<Claim["containment"]>("pidns", "userns", "group", "none"),
  nonce: fc.constantFrom("n1", "n2"),
} as const);

describe("for everything that can be seen", () => {
  it("a started attempt ends only by its own result, or by Q of silence inside a containment", () => {
    fc.assert(
      fc.property(anyCase, fc.boolean(), ({ task, attempt, stop, containment, nonce, ...seen }, hasResult) => {
        const claim = { ...CLAIM, containment };
        const result = hasResult ? { ...RESULT, nonce } : null;
        const outcome = settled({ task, attempt, files: { claim, stop, result }, seen });
        if (outcome.kind === "revoke" || outcome.kind === "post_again") throw new Error("a claimed attempt was treated as unclaimed");
        if (outcome.kind !== "end") return;
        const byResult = hasResult && nonce === "n1";
        const bySilence = seen.leaseStillMs >= TIMING.quarantineMs && (containment === "pidns" || containment === "userns");
        expect(byResult || bySilence).toBe(true);
      }),
    );
  });

  it("Ray's word alone changes nothing about a started attempt", () => {
    fc.assert(
      fc.property(anyCase, anyRay, ({ task, attempt, stop, containment, nonce: _, ...seen }, other) => {
        const files = { claim: { ...CLAIM, containment }, stop };
        expect(settled({ task, attempt, files, seen })).toEqual(settled({ task, attempt, files, seen: { ...seen, ray: other } }));
      }),
    );
  });

  it("a claim of the server always means never started", () => {
    fc.assert(
      fc.property(anyCase, ({ task, attempt, stop, containment: _, nonce: __, ...seen }) => {
        const outcome = settled({ task, attempt, files: { claim: REVOKED, stop }, seen });
        expect(outcome).toEqual({ kind: "end", ending: { kind: "never_started", why: "ray_lost" } });
      }),
    );
  });

  it("without a claim, nothing ends: at most the claim is taken, and no answer of Ray leads to nothing", () => {
    fc.assert(
      fc.property(anyCase, ({ task, attempt, stop, containment: _, nonce: __, ...seen }) => {
        const outcome = settled({ task, attempt, files: { stop }, seen });
        expect(["wait", "post_again", "submitted", "revoke"]).toContain(outcome.kind);
        const asked = "cancelRequestedAt" in task || seen.timeIsUp || seen.requeueIsDue || seen.stallIsDue;
        const late = seen.unclaimedMs >= TIMING.startTimeoutMs;
        if (!asked && (seen.session === null || (seen.ray.kind === "unknown" && !late))) expect(outcome).toEqual({ kind: "wait" });
        if (outcome.kind === "post_again") expect(seen.session).toBe("session_1");
        if (outcome.kind === "revoke" && outcome.why === "ray_lost" && seen.ray.kind === "absent") expect(seen.session).toBe("session_2");
      }),
    );
  });
});
