/** What a running task shows of itself, and the GPU time that it is counted when it has ended. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { TaskChange } from "../../src/control/ports.ts";
import { httpWorld, type HttpWorld } from "../support/http-world.ts";
import { sampleNode } from "../support/node-samples.ts";

let world: HttpWorld;
let alice: string;

beforeEach(async () => {
  world = await httpWorld();
  alice = await world.user("alice");
});
afterEach(() => world.close());

test("a task shows its newest alerts, why it is stalled, and how busy the GPUs of its nodes are, while it runs", async () => {
  const id = await world.submit(alice);
  const at = world.clock.now();
  const change = async (version: number, more: Omit<TaskChange, "taskId" | "version" | "epoch" | "at">): Promise<void> => {
    const outcome = await world.store.tasks.change({ taskId: id, version, epoch: null, at, ...more });
    expect(outcome.kind).toBe("applied");
  };
  const event = { attempt: 1, actor: "system", type: "state_changed", reason: null, data: {} } as const;
  const alert = (code: string, text: string) => ({ ...event, type: "alert", reason: { code, text } }) as const;
  const placement = [
    { node: "w1", gpus: 4, cpus: 1 },
    { node: "w2", gpus: 2, cpus: 1 },
    { node: "w3", gpus: 1, cpus: 1 },
  ];
  const newAttempt = { attempt: 1, submissionId: `${id}--a01`, placement, raySession: "s", resumedFrom: null };
  await change(1, { to: "SUBMITTING", patch: { attempts: 1 }, events: [event], newAttempt });
  const stall = { ...event, type: "stalled", reason: { code: "no_step", text: "no step came" } } as const;
  await change(2, {
    to: "RUNNING",
    events: [
      event,
      alert("not_finite", "step 3"),
      stall,
      alert("not_finite", "step 9"),
      { ...alert("not_finite", "of nobody"), attempt: null },
    ],
    attempt: { attempt: 1, patch: { state: "RUNNING", startedAt: at, stalled: true } },
  });
  const usage = [{ index: 0, uuid: "GPU-a", name: "H100", utilizationPercent: 97, memoryUsedMib: 61_000, memoryTotalMib: null }];
  const gpus = (total: number) => ({ total, busyPids: [], uuids: [], usage, sampledAt: "2026-01-01T00:00:00.000Z" });
  const movedAt = world.clock.monotonicMs();
  world.look({
    agents: [
      { record: sampleNode("w1", { gpus: gpus(4) }), movedAt },
      { record: sampleNode("w2", { gpus: gpus(8) }), movedAt },
      { record: sampleNode("w3", { gpus: gpus(1) }), movedAt: movedAt - 60_000 },
      { record: sampleNode("w4", { gpus: gpus(1) }), movedAt },
    ],
  });
  const shown = async () => (await world.call("GET", `/api/v2/tasks/${id}`, alice)).json();
  const gpu = { index: 0, uuid: "GPU-a", name: "H100", utilization_percent: 97, memory_used_mib: 61_000, memory_total_mib: null };
  const use = { gpus: [gpu], sampled_at: "2026-01-01T00:00:00.000Z" };
  expect(await shown()).toMatchObject({
    alerts: [{ code: "not_finite", text: "step 9", attempt: 1 }],
    stall: { code: "no_step", text: "no step came" },
    gpu_use: [
      { ...use, node: "w1", gpus_held: 4, shared: false },
      { ...use, node: "w2", gpus_held: 2, shared: true },
    ],
  });
  await change(3, {
    to: "FAILED",
    events: [event],
    attempt: { attempt: 1, patch: { state: "FAILED", stalled: false, endedAt: at + 1_000 } },
  });
  expect(await shown()).toMatchObject({ alerts: [{ text: "step 9" }], stall: null, gpu_use: [] });
  const usageOf = async (by: string, token: string) =>
    (await world.call("GET", `/api/v2/usage?by=${by}&since=2020-01-01T00:00:00Z`, token)).json();
  const gpuTime = {
    gpu_seconds: 7,
    gpu_ms: { total: 7_000, productive: 0, recomputed: 0, stalled: 0, before_first_step: 7_000, unknown: 0 },
  };
  expect(await usageOf("node", alice)).toMatchObject({
    usage: [{ user_id: "alice", ...gpuTime }],
    groups: [
      { key: "w1", gpu_ms: { total: 4_000 } },
      { key: "w2", gpu_ms: { total: 2_000 } },
      { key: "w3", gpu_ms: { total: 1_000 } },
    ],
    total: gpuTime,
  });
  expect(await usageOf("workload", await world.user("carol"))).toMatchObject({ usage: [], groups: [], total: { gpu_ms: { total: 0 } } });
  expect((await world.call("GET", "/api/v2/usage?by=moon", alice)).json()).toMatchObject({ code: "bad_parameter" });
});
