/** The one answer to what somebody asks of a task, in each of its states; no Ray is anywhere in this world. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WhyWire } from "../../src/contract/insight.ts";
import type { AttemptState, TaskState } from "../../src/domain/types.ts";
import { putAttempt } from "../support/http-attempt.ts";
import { ADMIN_TOKEN, httpWorld, type HttpWorld } from "../support/http-world.ts";

let world: HttpWorld;
let alice: string;
let id: string;

beforeEach(async () => {
  world = await httpWorld();
  alice = await world.user("alice");
  id = await world.submit(alice);
});
afterEach(() => world.close());

const attempt = (n: number, to: TaskState, state: AttemptState): Promise<string> => putAttempt(world, id, n, to, state);

async function why(): Promise<WhyWire> {
  const answer = await world.call("GET", `/api/v2/tasks/${id}/why`, alice);
  expect(answer.status, answer.text).toBe(200);
  return WhyWire.parse(answer.json());
}

async function change(to: TaskState | null, patch: object): Promise<void> {
  const task = await world.store.tasks.get(id);
  const event = { attempt: null, actor: "system", type: "state_changed", reason: null, data: {} } as const;
  const epoch = await world.store.leader.lead("test", world.clock.now());
  const outcome = await world.store.tasks.change({
    taskId: id,
    version: task?.version ?? 0,
    epoch,
    at: world.clock.now(),
    ...(to === null ? {} : { to, events: [event] }),
    patch,
  });
  if (outcome.kind !== "applied") throw new Error(outcome.kind);
}

test("a waiting task: the reason, its place, what each node lacks, and what would help", async () => {
  await world.call("POST", `/api/v2/tasks/${id}:hold`, alice);
  await world.call("POST", `/api/v2/tasks/${id}:release`, alice);
  const waiting = { code: "no_capacity", text: "needs 1 GPU, 0 are free", details: {}, until: null } as const;
  await change(null, { waiting });
  const node = {
    node: "w-1",
    rayNodeId: "r",
    address: null,
    gpusTotal: 4,
    cpusTotal: 8,
    gpusUsed: 4,
    cpusUsed: 8,
    rivals: [],
    closed: null,
  };
  world.look({ head: { kind: "up", session: "s", address: "a", rayVersion: "2.60.0" }, nodes: [node] });
  const answer = await why();
  expect(answer.headline).toMatch(/^It waits for 1 GPU of one node, next in the queue: needs 1 GPU, 0 are free\.$/);
  expect(answer.waiting).toMatchObject({ code: "no_capacity", position: 1, per_node: [{ node: "w-1", gpus_free: 0, fits: false }] });
  expect(answer.waiting?.sooner.join("\n")).toContain("ask for less");
  expect([answer.running, answer.failed, answer.ended, answer.again, answer.alerts]).toEqual([null, null, null, null, []]);
});

test("a running task: step, rate, shares, the metric's way and a range for its end", async () => {
  const directory = await attempt(1, "RUNNING", "RUNNING");
  const text = readFileSync(join(import.meta.dirname, "../fixtures/real-ppo/metrics.jsonl"), "utf8");
  const lines = text.trimEnd().split("\n").slice(0, 8);
  writeFileSync(join(directory, "logs/metrics.jsonl"), `${lines.join("\n")}\n`);
  writeFileSync(join(directory, "logs/driver.log"), "Total training steps: 12\n");
  const { running, headline } = await why();
  expect(headline).toBe("It runs: step 8 of 12, critic/rewards/mean 0.297 → 0.363.");
  expect(running).toMatchObject({ step: 8, total_steps: 12, stalled: null, metric: { key: "critic/rewards/mean" } });
  expect(running?.step_seconds).toBeCloseTo(10.1, 0);
  expect(running?.shares.map(({ name }) => name)).toEqual(["rollout", "update", "log probs and values", "weights", "checkpoints", "other"]);
  expect(running?.shares.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
  const left = (Date.parse(running?.end?.low ?? "") + Date.parse(running?.end?.high ?? "")) / 2 - world.clock.now();
  expect(left / 1000).toBeGreaterThan(35);
  expect(left / 1000).toBeLessThan(70);
});

test("a failed task: label, the lines of the log that show it, what to do, and where a retry begins", async () => {
  const directory = await attempt(1, "RUNNING", "RUNNING");
  const noise = Array.from({ length: 100 }, (_, at) => `line ${at + 1}`).join("\n");
  writeFileSync(join(directory, "logs/driver.log"), `${noise}\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n`);
  const failure = {
    label: "cuda_oom_train",
    blame: "config",
    retryable: false,
    text: "CUDA out of memory",
    fix: "lower the batch size",
  } as const;
  await change("FAILED", { failure, endedAt: world.clock.now() });
  const answer = await why();
  expect(answer.headline).toBe("It failed (cuda_oom_train): CUDA out of memory.");
  expect(answer.failed).toMatchObject({ label: "cuda_oom_train", fix: "lower the batch size", evidence: [{ line: 101 }] });
  expect(answer.failed?.explanation).not.toBe("");
  expect(answer.again).toMatchObject({ command: `verlpool retry ${id}`, resumes_from: null });
  expect(answer.again?.text).toContain("step 0");
  expect(answer.next[0]).toBe(`verlpool retry ${id}`);
});

test("a retry of a task that left a whole checkpoint would go on from it, and a succeeded one names its newest", async () => {
  const directory = await attempt(1, "RUNNING", "RUNNING");
  const step = join(directory, "checkpoints/global_step_5");
  mkdirSync(join(step, "actor"), { recursive: true });
  for (const kind of ["model", "optim", "extra_state"]) writeWhole(join(step, `actor/${kind}_world_size_1_rank_0.pt`));
  writeWhole(join(step, "data.pt"));
  writeFileSync(join(directory, "checkpoints/latest_checkpointed_iteration.txt"), "5");
  const failure = {
    label: "unknown",
    blame: "unknown",
    retryable: false,
    text: "the driver ended with exit code 1",
    fix: "Read the log: verlpool logs ID.",
  } as const;
  await change("FAILED", { failure, endedAt: world.clock.now() });
  const answer = await why();
  expect([answer.notes, answer.failed?.fix]).toEqual([[], `Read the log: verlpool logs ${id}.`]);
  expect(answer.again).toMatchObject({ resumes_from: { submission_id: `${id}--a01`, step: 5 } });
  expect(answer.again?.text).toMatch(/^it would go on from step 5/);
  expect(answer.ended?.checkpoint).toEqual({ submission_id: `${id}--a01`, step: 5 });
});

/** What torch.save writes is a zip; its end is what tells that it is whole (docs/resume.md). */
function writeWhole(path: string): void {
  writeFileSync(path, Buffer.concat([Buffer.from("PK\u0003\u0004"), Buffer.alloc(64), Buffer.from("PK\u0005\u0006"), Buffer.alloc(18)]));
}

test("a canceled and a succeeded task say how they ended; what can't be read is said and the rest told", async () => {
  const directory = await attempt(1, "SUCCEEDED", "SUCCEEDED");
  expect((await why()).headline).toBe("It succeeded.");
  writeFileSync(join(directory, "logs/metrics.jsonl"), '{"step": 3, "data": {"critic/rewards/mean": 0.5}}\n');
  expect((await why()).ended).toMatchObject({ step: 3, metric: { last: 0.5 }, checkpoint: null });
  id = await world.submit(alice);
  await world.call("POST", `/api/v2/tasks/${id}:cancel`, alice);
  const canceled = await why();
  expect([canceled.state, canceled.headline]).toEqual(["CANCELED", "It was canceled by user:alice."]);
});

test("of another user's task nothing is told, in the bytes of a missing one; the admin is told", async () => {
  const bob = await world.user("bob");
  const foreign = await world.call("GET", `/api/v2/tasks/${id}/why`, bob);
  const missing = await world.call("GET", `/api/v2/tasks/${id.replace(/.$/, (last) => (last === "0" ? "1" : "0"))}/why`, bob);
  expect([foreign.status, foreign.text]).toEqual([404, missing.text]);
  expect((await world.call("GET", `/api/v2/tasks/${id}/why`, ADMIN_TOKEN)).status).toBe(200);
});
