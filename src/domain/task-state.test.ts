import { describe, expect, it } from "vitest";
import { canMove, isAttemptOpen, isLive, isTerminal, isWaiting, TASK_STATES, TRANSITIONS, type TaskAction, whyNot } from "./task-state.ts";
import type { AttemptState, TaskState } from "./types.ts";

/** As interfaces.md writes them. */
const EDGES =
  "QUEUED→SUBMITTING|PENDING_RESOURCES|SUCCEEDED|FAILED|CANCELED · PENDING_RESOURCES→SUBMITTING|QUEUED|SUCCEEDED|FAILED|CANCELED · " +
  "SUBMITTING→SUBMITTED|RUNNING|PENDING_RESOURCES|QUEUED|SUCCEEDED|FAILED|CANCELED · " +
  "SUBMITTED→RUNNING|PENDING_RESOURCES|QUEUED|SUCCEEDED|FAILED|CANCELED · RUNNING→SUCCEEDED|FAILED|CANCELED|PENDING_RESOURCES|QUEUED";

describe("states of a task", () => {
  it("have exactly the edges of the contract", () => {
    const contract = new Set(
      EDGES.split(" · ").flatMap((part) => {
        const [from = "", targets = ""] = part.split("→");
        return targets.split("|").map((to) => `${from}→${to}`);
      }),
    );
    const ours = new Set(TASK_STATES.flatMap((from) => TRANSITIONS[from].map((to) => `${from}→${to}`)));
    expect(ours).toEqual(contract);
  });

  it("are each one of waiting, live or final, and a final one leads nowhere", () => {
    for (const state of TASK_STATES) expect([isWaiting(state), isLive(state), isTerminal(state)].filter(Boolean)).toHaveLength(1);
    for (const from of TASK_STATES.filter(isTerminal)) for (const to of TASK_STATES) expect(canMove(from, to)).toBe(false);
  });

  it("an attempt is open until it has an outcome", () => {
    const closed: readonly AttemptState[] = ["SUCCEEDED", "FAILED", "CANCELED", "NEVER_STARTED", "LOST"];
    expect(closed.some(isAttemptOpen)).toBe(false);
    expect((["SUBMITTING", "SUBMITTED", "RUNNING"] as const).every(isAttemptOpen)).toBe(true);
  });
});

describe("what may be done to a task", () => {
  const allowed: { readonly [action in TaskAction]: readonly TaskState[] } = {
    cancel: ["QUEUED", "PENDING_RESOURCES", "SUBMITTING", "SUBMITTED", "RUNNING"],
    requeue: ["QUEUED", "PENDING_RESOURCES", "SUBMITTING", "SUBMITTED", "RUNNING"],
    retry: ["SUCCEEDED", "FAILED", "CANCELED"],
    hold: ["QUEUED", "PENDING_RESOURCES"],
    release: ["QUEUED", "PENDING_RESOURCES"],
    prioritize: ["QUEUED", "PENDING_RESOURCES"],
  };
  it.each(Object.keys(allowed) as TaskAction[])("%s", (action) => {
    for (const state of TASK_STATES) {
      const why = whyNot(action, { state, held: false, cancelRequestedAt: null });
      if (allowed[action].includes(state)) expect(why).toBeNull();
      else expect(why).toContain(state);
    }
  });

  it("a task whose cancel was requested is left alone", () => {
    for (const action of ["hold", "release", "prioritize", "requeue"] as const)
      expect(whyNot(action, { state: "QUEUED", held: false, cancelRequestedAt: 1 })).toBe("its cancel was requested");
    for (const action of ["hold", "release", "prioritize"] as const)
      expect(whyNot(action, { state: "CANCELED", held: false, cancelRequestedAt: 1 })).toBe("the task has ended (CANCELED)");
  });
});
