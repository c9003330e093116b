import { expect, test } from "vitest";
import type { TaskWire } from "../../src/contract/resources.ts";
import { rowsOf } from "../../web/src/task/compare-rows.ts";

const task = (over: object): TaskWire =>
  ({
    task_id: "mvp2-alice-grpo-20261124-080000-00000001",
    user_id: "alice",
    profile: "grpo@0.9",
    priority: 0,
    labels: {},
    max_runtime_s: null,
    retry_of: null,
    spec: { workload: "grpo", nnodes: 1, val_file: null },
    state: "SUCCEEDED",
    failure: null,
    progress: null,
    attempts: 1,
    started_at: "2026-11-24T08:00:00Z",
    ended_at: "2026-11-24T08:10:00Z",
    ...over,
  }) as unknown as TaskWire;

test("two tasks differ in what was asked, in verl's settings and in what came of it; where they write is no difference", () => {
  const a = { task: task({}), argv: ["-m", "verl.trainer", "trainer.experiment_name=a", "actor.optim.lr=1e-6"] };
  const b = {
    task: task({
      spec: { workload: "grpo", nnodes: 2, val_file: null },
      state: "FAILED",
      failure: { label: "cuda_oom_train" },
      labels: { team: "rl" },
    }),
    argv: ["trainer.experiment_name=b", "actor.optim.lr=3e-6", "extra.key=1"],
  };
  const rows = rowsOf(a, b);
  expect(rows.filter((row) => row.a !== row.b).map(({ part, key, a: one, b: other }) => [part, key, one, other])).toEqual([
    ["spec", "nnodes", "1", "2"],
    ["submission", "labels", null, "team=rl"],
    ["settings", "actor.optim.lr", "1e-6", "3e-6"],
    ["settings", "extra.key", null, "1"],
    ["outcome", "state", "SUCCEEDED", "FAILED"],
    ["outcome", "failure", null, "cuda_oom_train"],
  ]);
  expect(rows.find((row) => row.key === "ran")).toEqual({ part: "outcome", key: "ran", a: "10m", b: "10m" });
  expect(rowsOf(a, a).every((row) => row.a === row.b)).toBe(true);
});
