import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sampleTask } from "../../test/support/sample-task.ts";
import { afterAttempt, type AttemptEnd, type EndContext, isLoss, neverStartedInRow } from "./after-attempt.ts";
import type { Ending } from "./reconciliation.ts";
import type { AttemptResult, Failure, RayJobView, Task } from "./types.ts";

const NOW = 1_800_000_000_000;
const POLICY = { maxLosses: 5, backoffMs: 30_000, retryIntervalMs: 60_000 };
const SHORTAGE = "ValueError: Total available GPUs 4 is less than total desired GPUs 8";
const CANCEL = { cancelRequestedAt: 1 } as const;

function result(over: Partial<AttemptResult> = {}): Ending {
  const times = { startedAt: "2026-01-01T00:00:00.000Z", endedAt: "2026-01-01T00:01:00.000Z" };
  return {
    kind: "result",
    result: { nonce: "n", outcome: "exited", exitCode: 1, signal: null, stopWhy: null, oomKill: false, error: null, ...times, ...over },
  };
}

const LOST: Ending = { kind: "lost", evidence: "silence" };
const NEVER: Ending = { kind: "never_started", why: "ray_lost" };

function failedInRay(errorType: string | null, message = "text of Ray"): RayJobView {
  return { kind: "found", status: "FAILED", message, errorType, nodeId: null };
}

function after(ending: Ending, over: Partial<EndContext> = {}, task: Partial<Task> = {}) {
  return afterAttempt(sampleTask({ state: "RUNNING", attempts: 1, ...task }), ending, {
    now: NOW,
    attempt: 1,
    losses: 0,
    neverStarted: 0,
    logTail: "",
    ray: { kind: "absent" },
    jitter: 0,
    timeIsUp: false,
    stop: null,
    headLost: false,
    policy: POLICY,
    ...over,
  });
}

describe("an attempt that started", () => {
  it("succeeds by exit code 0 alone", () => {
    expect(after(result({ exitCode: 0 }))).toMatchObject({
      attempt: { state: "SUCCEEDED", exitCode: 0, failure: null },
      task: { to: "SUCCEEDED", failure: null, waiting: null, nextRunAt: null },
    });
    expect(after(result({ outcome: "stopped", exitCode: 0 })).task.to).not.toBe("SUCCEEDED");
  });

  it("with exit code 0 succeeds also when it was canceled or out of time meanwhile", () => {
    expect(after(result({ exitCode: 0 }), { timeIsUp: true }, CANCEL).task.to).toBe("SUCCEEDED");
  });

  it("is CANCELED after a cancel, however else it ended", () => {
    const endings = [result(), result({ outcome: "stopped", signal: "SIGTERM", exitCode: null }), result({ outcome: "self_fenced" }), LOST];
    for (const ending of endings)
      for (const over of [{}, { timeIsUp: true }, { logTail: SHORTAGE }])
        expect(after(ending, over, CANCEL)).toMatchObject({ attempt: { state: "CANCELED" }, task: { to: "CANCELED", failure: null } });
  });

  it("fails for good when a retry would not help, and says the last line of its log", () => {
    const end = after(result({ exitCode: 3 }), { logTail: "one\nValueError: no such thing\n" });
    expect(end.attempt).toMatchObject({ state: "FAILED", exitCode: 3 });
    expect(end.task).toMatchObject({ to: "FAILED", nextRunAt: null, failure: { label: "unknown", retryable: false } });
    expect(end.task.failure?.text).toBe("the driver ended with exit code 3: ValueError: no such thing");
  });

  it("with too few GPUs waits for resources and keeps its budget", () => {
    const end = after(result(), { logTail: `noise\n${SHORTAGE}\n`, losses: 5, attempt: 7 });
    expect(end.task).toMatchObject({
      to: "PENDING_RESOURCES",
      nextRunAt: NOW + 60_000,
      failure: null,
      waiting: { code: "no_capacity", until: NOW + 60_000, details: { after_attempt: 7 } },
    });
    expect(isLoss({ state: end.attempt.state, failure: end.attempt.failure })).toBe(false);
  });

  it("is tried again after the loss of its node, its launcher's fence or a stop from outside", () => {
    const endings: readonly [Ending, string, string][] = [
      [LOST, "LOST", "node_lost"],
      [result({ outcome: "self_fenced", exitCode: null }), "LOST", "node_lost"],
      [result({ outcome: "stopped", exitCode: null, signal: "SIGTERM" }), "FAILED", "interrupted"],
    ];
    for (const [ending, state, label] of endings) {
      const end = after(ending);
      expect(end.attempt).toMatchObject({ state, failure: { label } });
      expect(end.task).toMatchObject({ to: "QUEUED", nextRunAt: NOW + 30_000, waiting: { code: "cooling_down" } });
    }
  });
});

describe("time limits", () => {
  const stopped = result({ outcome: "stopped", exitCode: null, signal: "SIGTERM", stopWhy: "deadline" });

  it("an attempt that was stopped by its deadline fails with time_limit", () => {
    expect(after(stopped, { timeIsUp: true }).task).toMatchObject({ to: "FAILED", failure: { label: "time_limit", blame: "user" } });
  });

  it("also when Ray's signal reached the launcher before our stop file did", () => {
    const byRay = result({ outcome: "stopped", exitCode: null, signal: "SIGTERM", stopWhy: null });
    expect(after(byRay, { timeIsUp: true }).task).toMatchObject({ to: "FAILED", failure: { label: "time_limit" } });
  });

  it("an attempt that was lost, or found too few GPUs, with no time left is not tried again", () => {
    expect(after(LOST, { timeIsUp: true })).toMatchObject({
      attempt: { state: "LOST" },
      task: { to: "FAILED", failure: { label: "time_limit" } },
    });
    expect(after(result(), { timeIsUp: true, logTail: SHORTAGE }).task.to).toBe("FAILED");
  });

  it("an attempt that failed by itself keeps its own reason", () => {
    const end = after(result(), { timeIsUp: true, logTail: "ModuleNotFoundError: No module named 'flash_attn'" });
    expect(end.task.failure?.label).toBe("missing_module");
  });

  it("names the limit that was set", () => {
    expect(after(stopped, {}, { maxRuntimeMs: 90_000 }).task.failure?.text).toContain("max_runtime_s of 90 s");
    expect(after(stopped, {}).task.failure?.text).toBe("its deadline passed");
    expect(after(NEVER, { timeIsUp: true }).task).toMatchObject({ to: "FAILED", failure: { label: "time_limit" } });
  });
});

describe("an attempt that was stopped because it made no progress", () => {
  const asked = { stop: "stalled" } as const;

  it("is a loss that is tried again, whoever's stop reached it first, and within the budget", () => {
    for (const ending of [result({ outcome: "stopped", exitCode: 1, stopWhy: "stalled" }), result({ exitCode: 1 })]) {
      const end = after(ending, asked);
      expect(end).toMatchObject({
        attempt: { state: "FAILED", failure: { label: "hang_unknown", retryable: true } },
        task: { to: "QUEUED" },
      });
      expect(isLoss(end.attempt)).toBe(true);
      expect(after(ending, { ...asked, losses: POLICY.maxLosses }).task).toMatchObject({
        to: "FAILED",
        failure: { label: "hang_unknown" },
      });
    }
  });

  it("keeps the cause that its log names, and with it what is done about that", () => {
    const end = after(result({ outcome: "stopped", exitCode: 1 }), { ...asked, logTail: "OSError: [Errno 28] No space left on device" });
    expect(end.task).toMatchObject({ to: "FAILED", failure: { label: "disk_full" } });
  });

  it("keeps what its log says it waited for, but not what another task waited for", () => {
    const waits = (gpus: number): string =>
      `Error: No available node types can fulfill resource request {'GPU': ${gpus}.0}. Add suitable node types.`;
    const labelOf = (logTail: string) =>
      after(result({ outcome: "stopped", signal: "SIGTERM", exitCode: null }), { ...asked, logTail }).attempt.failure?.label;
    const { gpusPerNode } = sampleTask({}).needs;
    expect(labelOf(waits(gpusPerNode))).toBe("placement_pending");
    expect(labelOf(waits(gpusPerNode + 1))).toBe("hang_unknown");
  });
});

describe("an attempt that was asked back into the queue", () => {
  const asked = { stop: "requeue" } as const;
  const REQUEUE = { requeue: { at: 1, actor: "user:alice", now: true, hold: false, since: null } } as const;
  const stopped = result({ outcome: "stopped", exitCode: 1, stopWhy: "requeue" });

  it("is CANCELED, and its task waits in the queue for nothing and has lost nothing of its budget", () => {
    // Ray's own stop may reach the launcher first, or even only the driver.
    for (const ending of [stopped, result({ outcome: "stopped", signal: "SIGTERM", exitCode: null }), result({ exitCode: 1 })]) {
      const end = after(ending, { ...asked, losses: POLICY.maxLosses, logTail: SHORTAGE }, REQUEUE);
      expect(end).toMatchObject({
        attempt: { state: "CANCELED", failure: null },
        task: { to: "QUEUED", failure: null, waiting: null, nextRunAt: null },
        reason: { code: "requeue" },
      });
      expect(isLoss(end.attempt)).toBe(false);
    }
  });

  it("ends as anything else does that counts before: success, a cancel, a time limit, a loss, a refusal of its launcher", () => {
    expect(after(result({ exitCode: 0 }), asked, REQUEUE).task.to).toBe("SUCCEEDED");
    expect(after(stopped, asked, { ...REQUEUE, ...CANCEL }).task.to).toBe("CANCELED");
    expect(after(stopped, { ...asked, timeIsUp: true }, REQUEUE).task.failure?.label).toBe("time_limit");
    for (const ending of [LOST, result({ outcome: "self_fenced" })])
      expect(after(ending, asked, REQUEUE)).toMatchObject({
        attempt: { state: "LOST" },
        task: { to: "QUEUED", waiting: { code: "cooling_down" } },
      });
    expect(after(result({ outcome: "not_started", error: "outside" }), asked, REQUEUE).task.to).toBe("FAILED");
  });

  it("and failed before it was told to stop, fails", () => {
    expect(after(result(), {}, REQUEUE).task.to).toBe("FAILED");
  });

  it("before it started, is back in the queue at once", () => {
    const end = after(NEVER, { neverStarted: 3, ray: failedInRay("JOB_ENTRYPOINT_COMMAND_ERROR") }, REQUEUE);
    expect(end).toMatchObject({ attempt: { state: "NEVER_STARTED", failure: null }, task: { to: "QUEUED", nextRunAt: null } });
    expect(after(NEVER, {}, { ...REQUEUE, ...CANCEL }).task.to).toBe("CANCELED");
  });
});

describe("an attempt that never started", () => {
  const table: readonly [string, RayJobView, string, number | null, string | null][] = [
    ["forgotten by Ray: again at once", { kind: "absent" }, "QUEUED", null, null],
    ["no answer of Ray: again at once", { kind: "unknown", error: "x" }, "QUEUED", null, null],
    [
      "stopped by somebody in Ray: again at once",
      { kind: "found", status: "STOPPED", message: "", errorType: null, nodeId: null },
      "QUEUED",
      null,
      null,
    ],
    ["its supervisor died before it ran: again at once", failedInRay("JOB_SUPERVISOR_ACTOR_DIED"), "QUEUED", null, null],
    [
      "no node could take its driver in time",
      failedInRay("JOB_SUPERVISOR_ACTOR_START_TIMEOUT"),
      "PENDING_RESOURCES",
      60_000,
      "gpu_shortage",
    ],
    ["no node may take its driver", failedInRay("JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE"), "PENDING_RESOURCES", 60_000, "gpu_shortage"],
    ["the entrypoint failed", failedInRay("JOB_ENTRYPOINT_COMMAND_ERROR"), "QUEUED", 30_000, "ray_job_failed"],
    ["the runtime environment failed", failedInRay("RUNTIME_ENV_SETUP_FAILURE"), "QUEUED", 30_000, "runtime_env_failed"],
    ["the supervisor could not start", failedInRay("JOB_SUPERVISOR_ACTOR_START_FAILURE"), "QUEUED", 30_000, "ray_job_failed"],
    ["an error without a type", failedInRay(null), "QUEUED", 30_000, "ray_job_failed"],
    [
      "an entrypoint that ends well without a claim would loop for ever",
      { kind: "found", status: "SUCCEEDED", message: "", errorType: null, nodeId: null },
      "QUEUED",
      30_000,
      "ray_job_failed",
    ],
  ];
  it.each(table)("%s", (_, ray, to, delay, label) => {
    const end = after(NEVER, { ray });
    expect(end.attempt).toMatchObject({ state: "NEVER_STARTED", exitCode: null });
    expect(end.attempt.failure?.label ?? null).toBe(label);
    expect(end.task).toMatchObject({ to, nextRunAt: delay === null ? null : NOW + delay, failure: null });
  });

  it("costs nothing when Ray gave no reason, whatever the budget", () => {
    const end = after(NEVER, { losses: 5 });
    expect(end.task.to).toBe("QUEUED");
    expect(isLoss({ state: end.attempt.state, failure: end.attempt.failure })).toBe(false);
  });

  it("is made again at once the first time, then with back-off, still without cost", () => {
    expect(after(NEVER, { neverStarted: 0 }).task).toMatchObject({ nextRunAt: null, waiting: null });
    expect(after(NEVER, { neverStarted: 1 }).task).toMatchObject({ nextRunAt: NOW + 30_000, waiting: { code: "cooling_down" } });
    expect(after(NEVER, { neverStarted: 3 }).task).toMatchObject({ to: "QUEUED", nextRunAt: NOW + 120_000 });
    expect(after(NEVER, { neverStarted: 300 }).task.nextRunAt).toBe(NOW + 30 * 60_000);
    expect(after(NEVER, { neverStarted: 300 }).attempt.failure).toBeNull();
    const failure = after(LOST).attempt.failure;
    const states = (list: readonly Pick<AttemptEnd["attempt"], "state" | "failure">[]) => neverStartedInRow(list);
    const never = { state: "NEVER_STARTED", failure: null } as const;
    expect([[], [never], [never, never], [never, { state: "LOST", failure } as const, never]].map(states)).toEqual([0, 1, 2, 1]);
  });

  it("is CANCELED at once when that was asked", () => {
    expect(after(NEVER, { ray: failedInRay("JOB_ENTRYPOINT_COMMAND_ERROR"), timeIsUp: true }, CANCEL)).toMatchObject({
      attempt: { state: "CANCELED" },
      task: { to: "CANCELED", failure: null },
    });
  });
});

describe("the budget of losses", () => {
  it("doubles the wait with each loss, and after the last says so and what to do", () => {
    const delays = [0, 1, 2, 3, 4].map((losses) => (after(LOST, { losses }).task.nextRunAt ?? 0) - NOW);
    expect(delays).toEqual([30_000, 60_000, 120_000, 240_000, 480_000]);
    const spent = after(LOST, { losses: 5 });
    expect(spent).toMatchObject({
      attempt: { state: "LOST" },
      task: { to: "FAILED", failure: { retryable: false } },
      reason: { code: "attempts_spent" },
    });
    expect(spent.task.failure?.text).toContain("lost 6 times, the budget is 5");
  });

  it("a budget of 0 fails at the first loss", () => {
    expect(after(LOST, { policy: { ...POLICY, maxLosses: 0 } }).task.to).toBe("FAILED");
  });

  it("stays within 20 % of its step, at most 30 min and 20 %", () => {
    fc.assert(
      fc.property(fc.nat(40), fc.double({ min: -0.2, max: 0.2, noNaN: true }), (losses, jitter) => {
        const end = after(LOST, { losses, jitter, policy: { ...POLICY, maxLosses: 100 } });
        const delay = (end.task.nextRunAt ?? 0) - NOW;
        const step = Math.min(30_000 * 2 ** losses, 1_800_000);
        expect(delay).toBeGreaterThanOrEqual(Math.floor(step * 0.8));
        expect(delay).toBeLessThanOrEqual(Math.ceil(step * 1.2));
      }),
    );
  });

  it("counts losses only: no success, no shortage, no failure of the user", () => {
    const failure: Failure = { label: "node_lost", blame: "infra", retryable: true, text: "", fix: "" };
    expect(isLoss({ state: "LOST", failure })).toBe(true);
    expect(isLoss({ state: "NEVER_STARTED", failure: { ...failure, label: "ray_job_failed" } })).toBe(true);
    expect(isLoss({ state: "FAILED", failure: { ...failure, label: "gpu_shortage" } })).toBe(false);
    expect(isLoss({ state: "FAILED", failure: { ...failure, retryable: false } })).toBe(false);
    expect(isLoss({ state: "NEVER_STARTED", failure: null })).toBe(false);
    expect(isLoss({ state: "SUCCEEDED", failure })).toBe(false);
  });
});

describe("for every ending", () => {
  const anyEnding: fc.Arbitrary<Ending> = fc.oneof(
    fc.constant(LOST),
    fc.constant(NEVER),
    fc
      .record({
        outcome: fc.constantFrom("exited", "stopped", "self_fenced", "not_started"),
        exitCode: fc.option(fc.integer({ min: 0, max: 3 })),
        stopWhy: fc.constantFrom(null, "cancel", "deadline"),
        oomKill: fc.boolean(),
      } as const)
      .map(result),
  );
  const anyContext = fc.record({
    stop: fc.constantFrom(null, "cancel", "deadline", "requeue"),
    losses: fc.nat(7),
    timeIsUp: fc.boolean(),
    logTail: fc.constantFrom("", SHORTAGE, "torch.OutOfMemoryError: CUDA out of memory. Tried"),
    ray: fc.constantFrom<RayJobView>({ kind: "absent" }, failedInRay("JOB_ENTRYPOINT_COMMAND_ERROR"), failedInRay(null)),
  });

  it("a task that goes on says why it waits or goes at once, one that ended waits for nothing, and one that failed says why", () => {
    fc.assert(
      fc.property(anyEnding, anyContext, fc.boolean(), (ending, context, canceled) => {
        const { task, reason } = after(ending, context, canceled ? CANCEL : {});
        if (task.to === "QUEUED" || task.to === "PENDING_RESOURCES") {
          expect(canceled || context.timeIsUp).toBe(false);
          expect(task.failure).toBeNull();
          expect(task.nextRunAt).toBe(task.waiting?.until ?? null);
        } else expect([task.waiting, task.nextRunAt]).toEqual([null, null]);
        if (task.to === "FAILED") expect(task.failure?.fix).not.toBe("");
        expect(reason.text).not.toBe("");
      }),
    );
  });
});
