import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatSubmissionId, formatTaskId, isTaskId, parseSubmissionId, userIdProblem } from "./ids.ts";

const anyUserId = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/).filter((id) => userIdProblem(id) === null);

describe("user ids", () => {
  it.each(["a", "0", "alice", "a-b", "x".repeat(32), "ppo", "a-ppo-20260101-000000-abcd"])("%s may be one", (id) => {
    expect(userIdProblem(id)).toBeNull();
  });

  it.each(["", "-a", "a-", "A", "a_b", "a b", "a--b", "x".repeat(33), "admin", "root", "common", "ä", "a\n", "../a", "a/b"])(
    "%j may not",
    (id) => {
      expect(userIdProblem(id)).not.toBeNull();
    },
  );
});

describe("task ids", () => {
  it("hold user, workload, UTC time and suffix", () => {
    expect(formatTaskId("al-ice", "grpo", Date.UTC(2026, 0, 2, 3, 4, 5, 678), "deadbeef")).toBe(
      "mvp2-al-ice-grpo-20260102-030405-deadbeef",
    );
  });

  it("of any user are task ids, and their submission ids come back as they went", () => {
    const anyTime = fc.integer({ min: 0, max: 4_000_000_000_000 });
    fc.assert(
      fc.property(
        anyUserId,
        fc.constantFrom("ppo", "grpo", "sft"),
        anyTime,
        fc.integer({ min: 1, max: 9_999 }),
        (user, workload, at, attempt) => {
          const taskId = formatTaskId(user, workload, at, "0123abcd");
          expect(isTaskId(taskId)).toBe(true);
          expect(parseSubmissionId(formatSubmissionId(taskId, attempt))).toEqual({ taskId, attempt });
        },
      ),
    );
  });

  it("old ones with four digits are task ids; paths and shell words are not", () => {
    expect(isTaskId("mvp2-bob-sft-20260101-000000-00ff")).toBe(true);
    for (const text of [
      "mvp2-bob-sft-20260101-000000-00FF",
      "mvp2-bob-rm-20260101-000000-00ff",
      "../mvp2-bob-sft-20260101-000000-00ff",
      "",
      "mvp2-bob-sft-20260101-000000-00ff\n",
    ])
      expect(isTaskId(text)).toBe(false);
  });
});

describe("submission ids", () => {
  it("have at least two digits and are compared as numbers", () => {
    expect(["t", "t", "t"].map((id, index) => formatSubmissionId(id, [1, 99, 100][index] ?? 0))).toEqual(["t--a01", "t--a99", "t--a100"]);
  });

  it.each(["mvp2-a--a1", "mvp2-a--a001", "mvp2-a--a00", "mvp2-a", "x--a01", "mvp2-a--a01x", `mvp2-${"a".repeat(130)}--a01`])(
    "%s is none",
    (text) => {
      expect(parseSubmissionId(text)).toBeNull();
    },
  );
});
